"""Finding claims that nobody works on: the one place that repeats hints.

A hint can be lost anywhere between here and a worker, a worker can die, a step can wait for something else. Whatever
the cause, the file still lies in `claimed/`, and has no lease; after the hint timeout it is hinted again. Doubled
hints cost nothing; still, none are sent into a deep queue, where the first ones are waiting.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

import redis

from producer.enqueueing import Outbox, SendsHints
from producer.scanning import walk
from worker.contract.claim_ids import split_claimed_name
from worker.contract.names import CLAIMED, Keys
from worker.hints import QueueUnavailable

log = logging.getLogger("imr.producer")

SHALLOW_MESSAGES: Final = 4
"""With more messages than this on the queue a letter's first hint is most likely among them."""


class Leases(Protocol):
    """Who is being worked on."""

    def leased(self, claim_ids: Sequence[str]) -> set[str]:
        """Those of the claims that a worker holds now. Raises redis.RedisError."""


class RedisLeases:
    """Leases as the workers' records keep them: claim id -> end, on the server's clock."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def leased(self, claim_ids: Sequence[str]) -> set[str]:
        """See `Leases.leased`."""
        if not claim_ids:
            return set()
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zmscore(self._keys.open, list(claim_ids))
            (seconds, micros), ends = cast("Any", pipe.execute())
        now_ms = seconds * 1000 + micros // 1000
        return {one for one, end in zip(claim_ids, ends, strict=True) if end is not None and end > now_ms}


class Reaper:
    """Hints again what is claimed and has been waiting for too long."""

    def __init__(
        self,
        *,
        share: str,
        outbox: Outbox,
        hints: SendsHints,
        leases: Leases,
        hint_timeout_s: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._share = share
        self._outbox = outbox
        self._hints = hints
        self._leases = leases
        self._hint_timeout_s = hint_timeout_s
        self._now_s = monotonic_s

    def reap(self) -> None:
        """Put orphaned claims into the outbox; never raises, what is not reaped now is at the next time."""
        try:
            self._reap()
        except OSError as error:
            log.error("claimed/ cannot be listed (errno=%s); letters in it wait until it can", error.errno)
        except (QueueUnavailable, redis.RedisError) as error:
            log.warning("not reaped (%s); tried again", type(error).__name__)

    def _reap(self) -> None:
        claimed = claimed_ids(self._share)
        self._outbox.keep_only(set(claimed))
        late = orphans(claimed, self._outbox, self._now_s(), self._hint_timeout_s)
        if late and self._hints.depth() <= SHALLOW_MESSAGES:
            leased = self._leases.leased(late)
            again = [one for one in late if one not in leased]
            self._outbox.add(again)
            log.info("reaped letters=%d leased=%d", len(again), len(leased))


def claimed_ids(share: str) -> list[str]:
    """Claim ids of the files in `claimed/`, oldest first. Raises OSError if it cannot be listed."""
    splits = (split_claimed_name(name) for _, name in walk(os.path.join(share, CLAIMED)))
    return sorted(split[0] for split in splits if split is not None)


def orphans(claimed: Sequence[str], outbox: Outbox, now_s: float, hint_timeout_s: float) -> list[str]:
    """Claims whose last hint is older than the timeout, or that this producer never hinted (before its start)."""
    return [
        one
        for one in claimed
        if not outbox.is_waiting(one) and now_s - outbox.hinted_at_s.get(one, float("-inf")) >= hint_timeout_s
    ]
