"""The reaper finds claims that nobody works on, and hints them again: the one place that repeats hints.

A hint can be lost anywhere on its way to a worker, a worker can die, a step can wait for something else. Whatever the
cause, the file still lies in `claimed/` and its claim has no lease. After the retry back-off (`producer.policy`) it is
hinted again; at once if something that was in the way works again (`Recovery`). Doubled hints cost nothing; still, none
are sent into a deep queue, where the first hints are waiting.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import redis

from producer.dispatch import Hinted, HintQueue, Outbox, work_of
from producer.policy import RetryBackoff, may_send_again
from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.share.walk import readable_files_below
from worker.contract.claim_ids import ID_CHARS, SEPARATOR, claimed_at_ms, split_claimed_name
from worker.contract.names import CLAIMED, Keys

log = logging.getLogger("imr.producer")


@dataclass(frozen=True, slots=True)
class LeaseStates:
    """What the workers' records say about claims.

    A claim in neither set was not begun, or not with this Redis server.
    """

    held: frozenset[str] = frozenset()
    """A worker holds a lease on it now."""
    given_back: frozenset[str] = frozenset()
    """A worker began it and gave it back: something other than the letter was in the way."""


class Leases(Protocol):
    """Which claims are being worked on."""

    def states(self, claim_ids: Sequence[str]) -> LeaseStates:
        """The states of these claims. Raises redis.RedisError."""


class RedisLeases:
    """Leases as the workers' records keep them: claim id -> end of its lease, on the server's clock."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def states(self, claim_ids: Sequence[str]) -> LeaseStates:
        """See `Leases.states`."""
        if not claim_ids:
            return LeaseStates()
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zmscore(self._keys.open, list(claim_ids))
            (seconds, micros), ends = cast("Any", pipe.execute())
        now_ms = seconds * 1000 + micros // 1000
        leases = [(claim_id, end) for claim_id, end in zip(claim_ids, ends, strict=True) if end is not None]
        return LeaseStates(
            held=frozenset(claim_id for claim_id, end in leases if end > now_ms),
            given_back=frozenset(claim_id for claim_id, end in leases if end == 0),
        )


Observer = Literal["admission", "reaper"]
"""Who notices trouble: admission sees share, disk and Redis, the reaper sees `claimed/`, broker and leases."""


class Recovery:
    """Ends the retry back-off of every claim when trouble is over: what kept letters from being done works again."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._in_trouble: set[Observer] = set()

    def is_in_trouble(self, observer: Observer) -> bool:
        """Whether this observer's last report was of trouble."""
        return observer in self._in_trouble

    def trouble(self, observer: Observer) -> None:
        """This observer finds something in the way."""
        self._in_trouble.add(observer)

    def works(self, observer: Observer) -> bool:
        """This observer finds nothing in the way; whether it reported trouble until now, and every claim is due."""
        if observer not in self._in_trouble:
            return False
        self._in_trouble.remove(observer)
        self._outbox.end_backoff()
        return True


class Reaper:
    """Hints again what is claimed and has waited long enough."""

    def __init__(
        self,
        *,
        share: str,
        outbox: Outbox,
        queue: HintQueue,
        leases: Leases,
        recovery: Recovery,
        backoff: RetryBackoff,
        monotonic_s: Callable[[], float],
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._share = share
        self._outbox = outbox
        self._queue = queue
        self._leases = leases
        self._recovery = recovery
        self._backoff = backoff
        self._now_s = monotonic_s
        self._now_ms = wall_clock_ms
        self._has_reaped = False

    def reap(self) -> None:
        """Put orphaned claims into the outbox. Never raises: what is not reaped now is reaped the next time."""
        try:
            self._reap()
        except OSError as error:
            self._recovery.trouble("reaper")
            log.error("claimed/ cannot be listed (errno=%s); letters in it wait until it can", error.errno)
        except (QueueUnavailable, redis.RedisError) as error:
            self._recovery.trouble("reaper")
            log.warning("not reaped (%s); claims will be looked at again", type(error).__name__)

    def _reap(self) -> None:
        work = claimed_work(self._share)
        claimed = list(work)
        self._outbox.keep_only(set(claimed))
        depth = self._queue.depth()
        if self._recovery.is_in_trouble("reaper"):
            self._leases.states(claimed[:1])  # raises if Redis is still away
        if not self._recovery.works("reaper") and self._has_reaped:
            self._leave_to_other_producers(claimed)
        self._has_reaped = True
        candidates = orphan_candidates(claimed, self._outbox, self._now_s(), self._backoff)
        if candidates and may_send_again(depth):
            states = self._leases.states(candidates)
            orphans = {claim_id: work[claim_id] for claim_id in candidates if self._is_orphan(claim_id, states)}
            self._outbox.add(orphans)
            if orphans:
                log.info("reaped letters=%d leased=%d", len(orphans), len(states.held))

    def _is_orphan(self, claim_id: str, states: LeaseStates) -> bool:
        """Whether nobody works on the claim, and its back-off is over."""
        if claim_id in states.held:
            return False
        last = self._outbox.hinted.get(claim_id)
        if last is None:
            return True
        wait_s = self._backoff.wait_s(last.times, claim_id, given_back=claim_id in states.given_back)
        return self._now_s() - last.at_s >= wait_s

    def _leave_to_other_producers(self, claimed: Sequence[str]) -> None:
        """A young claim that this producer knows nothing of is another producer's, which hints what it claims.

        It counts as hinted when it was claimed. That time is in its id, on the clock of another host; a claim from the
        future counts from now. At this producer's start there may be no other one, and no claim is taken for hinted.
        """
        now_s, now_ms = self._now_s(), self._now_ms()
        for claim_id in claimed:
            if claim_id not in self._outbox.hinted and not self._outbox.is_waiting(claim_id):
                age_s = max(0.0, (now_ms - claimed_at_ms(claim_id)) / 1000)
                self._outbox.hinted[claim_id] = Hinted(now_s - age_s, 1)


def claimed_work(share: str) -> dict[str, int]:
    """Claim ids of the files in `claimed/`, oldest first, each with how much work it is (see `work_of`).

    Raises OSError if it cannot be listed.
    """
    splits = (split_claimed_name(name) for _, name in readable_files_below(os.path.join(share, CLAIMED)))
    return dict(sorted((split[0], work_of(split[1])) for split in splits if split is not None))


def count_claimed(share: str) -> int:
    """How many files lie in `claimed/`. Raises OSError if it cannot be listed."""
    return sum(
        name[ID_CHARS : ID_CHARS + 1] == SEPARATOR for _, name in readable_files_below(os.path.join(share, CLAIMED))
    )


def orphan_candidates(claimed: Sequence[str], outbox: Outbox, now_s: float, backoff: RetryBackoff) -> list[str]:
    """Claims that may be due for a hint: hinted at least the shortest back-off ago, or never as far as is known."""
    hinted = outbox.hinted
    shortest_s = backoff.shortest_s
    return [
        claim_id
        for claim_id in claimed
        if not outbox.is_waiting(claim_id) and (claim_id not in hinted or now_s - hinted[claim_id].at_s >= shortest_s)
    ]
