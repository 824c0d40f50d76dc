"""Sending hints: whatever waits, in one message, whenever the producer is free to send.

There is no timer: a single letter goes at once, and while a message is being sent a burst gathers behind it and
travels in the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from producer.chores import AsksForChores
from worker.hints import QueueUnavailable

log = logging.getLogger("imr.producer")


class SendsHints(Protocol):
    """The client half of the queue; both raise `QueueUnavailable`."""

    def send(self, claim_ids: Sequence[str]) -> None:
        """One message for all these claims."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


class Queue(SendsHints, AsksForChores, Protocol):
    """All that the producer wants of the queue."""


@dataclass(frozen=True, slots=True)
class Hinted:
    """The last hint of a claim, on the monotonic clock, and how many it had so far."""

    at_s: float
    times: int


class Outbox:
    """Claims that wait for a hint, and when each claim had its last one."""

    def __init__(self, hints: SendsHints, monotonic_s: Callable[[], float], batch_letters: int) -> None:
        self._hints = hints
        self._now_s = monotonic_s
        self._batch_letters = batch_letters
        self._waiting: dict[str, None] = {}
        self.hinted: dict[str, Hinted] = {}
        """The last hint of each claim; of one that was not taken the time is minus infinity."""

    def add(self, claim_ids: Sequence[str]) -> None:
        """These claims want a hint."""
        self._waiting.update(dict.fromkeys(claim_ids))

    def send(self) -> bool:
        """Send one message; whether more is waiting that could be sent at once.

        When the broker does not take it the claims are forgotten here: they lie in `claimed/`, and the reaper, which
        finds them there, is the one place that repeats hints.
        """
        batch = list(self._waiting)[: self._batch_letters]
        if not batch:
            return False
        for claim_id in batch:
            del self._waiting[claim_id]
        try:
            self._hints.send(batch)
        except QueueUnavailable as error:
            log.warning("hint not sent letters=%d: %s; the reaper repeats it", len(batch), error)
            self.hinted.update((one, Hinted(float("-inf"), self._times(one))) for one in batch)
            return False
        now_s = self._now_s()
        self.hinted.update((one, Hinted(now_s, self._times(one) + 1)) for one in batch)
        log.info("hinted letters=%d first=%s", len(batch), batch[0])
        return bool(self._waiting)

    def is_waiting(self, claim_id: str) -> bool:
        """Whether the claim has yet to be hinted."""
        return claim_id in self._waiting

    def begin_anew(self) -> None:
        """Whatever kept letters from being done is gone: no claim has to sit out its pause."""
        self.hinted.clear()

    def _times(self, claim_id: str) -> int:
        return self.hinted[claim_id].times if claim_id in self.hinted else 0

    def keep_only(self, claim_ids: set[str]) -> None:
        """Forget claims whose files have left `claimed/`."""
        for claim_id in [one for one in self.hinted if one not in claim_ids]:
            del self.hinted[claim_id]
        for claim_id in [one for one in self._waiting if one not in claim_ids]:
            del self._waiting[claim_id]
