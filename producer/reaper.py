"""Finding claims that nobody works on: the one place that repeats hints.

A hint can be lost anywhere between here and a worker, a worker can die, a step can wait for something else. Whatever
the cause, the file still lies in `claimed/`, and has no lease; after a pause it is hinted again (`producer.policy`
says how long), at once if what went wrong was seen to be right again. Doubled hints cost nothing; still, none are sent
into a deep queue, where the first ones are waiting.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import redis

from producer.dispatch import Hinted, Outbox, SendsHints, work_of
from producer.policy import RetryBackoff
from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.share.walk import walk
from worker.contract.claim_ids import ID_CHARS, SEPARATOR, claimed_at_ms, split_claimed_name
from worker.contract.names import CLAIMED, Keys

log = logging.getLogger("imr.producer")

SHALLOW_MESSAGES: Final = 4
"""With more messages than this on the queue a letter's first hint is most likely among them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What workers say of claims; one that is in neither was not begun, or not under that server."""

    held: frozenset[str] = frozenset()
    """A worker holds it now."""
    given_back: frozenset[str] = frozenset()
    """A worker began it and gave it back: something other than the letter was in the way."""


class Leases(Protocol):
    """Who is being worked on."""

    def standing(self, claim_ids: Sequence[str]) -> Standing:
        """How these claims stand now. Raises redis.RedisError."""


class RedisLeases:
    """Leases as the workers' records keep them: claim id -> end, on the server's clock."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def standing(self, claim_ids: Sequence[str]) -> Standing:
        """See `Leases.standing`."""
        if not claim_ids:
            return Standing()
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zmscore(self._keys.open, list(claim_ids))
            (seconds, micros), ends = cast("Any", pipe.execute())
        now_ms = seconds * 1000 + micros // 1000
        ended = [(one, end) for one, end in zip(claim_ids, ends, strict=True) if end is not None]
        return Standing(
            held=frozenset(one for one, end in ended if end > now_ms),
            given_back=frozenset(one for one, end in ended if end == 0),
        )


class Reaper:
    """Hints again what is claimed and has been waiting for too long."""

    def __init__(
        self,
        *,
        share: str,
        outbox: Outbox,
        hints: SendsHints,
        leases: Leases,
        pauses: RetryBackoff,
        monotonic_s: Callable[[], float],
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._share = share
        self._outbox = outbox
        self._hints = hints
        self._leases = leases
        self._pauses = pauses
        self._now_s = monotonic_s
        self._now_ms = wall_clock_ms
        self._was_hindered = False
        self._has_reaped = False

    def reap(self) -> None:
        """Put orphaned claims into the outbox; never raises, what is not reaped now is at the next time."""
        try:
            self._reap()
        except OSError as error:
            self._was_hindered = True
            log.error("claimed/ cannot be listed (errno=%s); letters in it wait until it can", error.errno)
        except (QueueUnavailable, redis.RedisError) as error:
            self._was_hindered = True
            log.warning("not reaped (%s); tried again", type(error).__name__)

    def _reap(self) -> None:
        works = claimed_work(self._share)
        claimed = list(works)
        self._outbox.keep_only(set(claimed))
        depth = self._hints.depth()
        if self._was_hindered:
            self._leases.standing(claimed[:1])  # raises if Redis is still away
            self._was_hindered = False
            self._outbox.begin_anew()
        elif self._has_reaped:
            self._trust_others(claimed)
        self._has_reaped = True
        late = orphans(claimed, self._outbox, self._now_s(), self._pauses)
        if late and depth <= SHALLOW_MESSAGES:
            standing = self._leases.standing(late)
            again = [one for one in late if self._is_due(one, standing)]
            self._outbox.add({one: works[one] for one in again})
            if again:
                log.info("reaped letters=%d leased=%d", len(again), len(standing.held))

    def _is_due(self, claim_id: str, standing: Standing) -> bool:
        hinted = self._outbox.hinted.get(claim_id)
        if claim_id in standing.held or hinted is None:
            return claim_id not in standing.held
        is_given_back = claim_id in standing.given_back
        pause_s = self._pauses.after(hinted.times, claim_id, given_back=is_given_back)
        return self._now_s() - hinted.at_s >= pause_s

    def _trust_others(self, claimed: Sequence[str]) -> None:
        """A young claim that is not ours is another producer's, which hints what it claims.

        Its age is told by its id, on the clock of another host: one from the future counts from now. At our start
        there may be no other producer, and nothing is taken for hinted.
        """
        now_s, now_ms = self._now_s(), self._now_ms()
        for claim_id in claimed:
            if claim_id not in self._outbox.hinted and not self._outbox.is_waiting(claim_id):
                age_s = max(0.0, (now_ms - claimed_at_ms(claim_id)) / 1000)
                self._outbox.hinted[claim_id] = Hinted(now_s - age_s, 1)


def claimed_work(share: str) -> dict[str, int]:
    """Claim ids of the files in `claimed/`, oldest first, each with how much work it is.

    Raises OSError if it cannot be listed.
    """
    splits = (split_claimed_name(name) for _, name in walk(os.path.join(share, CLAIMED)))
    return dict(sorted((split[0], work_of(split[1])) for split in splits if split is not None))


def count_claimed(share: str) -> int:
    """How many files lie in `claimed/`. Raises OSError if it cannot be listed."""
    return sum(name[ID_CHARS : ID_CHARS + 1] == SEPARATOR for _, name in walk(os.path.join(share, CLAIMED)))


def orphans(claimed: Sequence[str], outbox: Outbox, now_s: float, pauses: RetryBackoff) -> list[str]:
    """Claims that may be due: not hinted for the shortest pause at least, or never as far as is known."""
    last = outbox.hinted
    waiting_s = pauses.shortest_s
    return [
        one
        for one in claimed
        if not outbox.is_waiting(one) and (one not in last or now_s - last[one].at_s >= waiting_s)
    ]
