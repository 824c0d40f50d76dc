"""Sending hints: whatever waits, in one message, whenever the producer is free to send and a worker to take it.

There is no timer: a single letter goes at once, and while a message is being sent a burst gathers behind it and
travels in the next one. A producer can send ten small messages in the time that a worker needs for one of them, so
what comes while the workers have enough to go on with gathers too: it would only wait on the queue instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from producer.maintenance import TaskQueue
from worker.adapters.celery.client import QueueUnavailable

log = logging.getLogger("imr.producer")

PDF_WORK: Final = 3
"""So many letters of plain text a PDF counts as in a hint. It takes a worker five times as long; but each hint has its
own cost, a third of a PDF's, which a third of a hundred PDFs bear more easily than a fifth."""
ENOUGH_MESSAGES: Final = 4
"""With so many on the queue no worker waits for the next one, and small messages gather into one."""
LOOK_S: Final = 0.01
"""How often a queue that holds enough is looked at, by a producer that has something for it: a look takes some 0.2 ms,
and a worker some ten for what lies there."""
GATHER_S: Final = 0.5
"""But nothing gathers for longer: another producer's flood may keep the queue full for minutes. Two small messages a
second more cost nobody anything."""


def work_of(name: str) -> int:
    """How much work a letter of that name is likely to be, in letters of plain text.

    Nothing depends on it but how the work is shared: what a file is, its bytes tell the worker.
    """
    return PDF_WORK if name[-4:].lower() == ".pdf" else 1


class SendsHints(Protocol):
    """The client half of the queue; both raise `QueueUnavailable`."""

    def send(self, claim_ids: Sequence[str]) -> None:
        """One message for all these claims."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


class Queue(SendsHints, TaskQueue, Protocol):
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
        self._waiting: dict[str, int] = {}
        self.hinted: dict[str, Hinted] = {}
        """The last hint of each claim; of one that was not taken the time is minus infinity."""
        self._ahead = 0
        """Messages on the queue at the most: as many as there were at the last look, and those sent since."""
        self._look_at_s = float("-inf")
        self._gather_until_s: float | None = None
        """Until when what is waiting gathers; None if it does not."""
        self._is_refused = False
        """Whether the broker did not take the last message."""

    def add(self, claims: Mapping[str, int]) -> None:
        """These claims want a hint; each with how much work it is."""
        self._waiting.update(claims)

    def send(self) -> None:
        """Send one message, if anything is waiting and it need not gather.

        When the broker does not take it the claims are forgotten here: they lie in `claimed/`, and the reaper, which
        finds them there, is the one place that repeats hints.
        """
        batch = self._batch()
        if not batch or self._gathers(batch):
            return
        self._gather_until_s = None
        for claim_id in batch:
            del self._waiting[claim_id]
        try:
            self._hints.send(batch)
        except QueueUnavailable as error:
            log.warning("hint not sent letters=%d: %s; the reaper repeats it", len(batch), error)
            self.hinted.update((one, Hinted(float("-inf"), self._times(one))) for one in batch)
            self._is_refused = True
            return
        now_s = self._now_s()
        self.hinted.update((one, Hinted(now_s, self._times(one) + 1)) for one in batch)
        log.info("hinted letters=%d first=%s", len(batch), batch[0])
        self._is_refused = False
        self._ahead += 1
        if self._ahead >= ENOUGH_MESSAGES:
            # Now, and not when the next one comes: that would have to wait for the answer.
            self._look()

    def idle_s(self) -> float:
        """How long there is nothing to send, if nothing is added; infinite if nothing is waiting.

        A broker that took nothing is not tried again at once: the loop comes by within a second.
        """
        if not self._waiting or self._is_refused:
            return float("inf")
        if self._gather_until_s is None:
            return 0.0
        return max(0.0, min(self._look_at_s, self._gather_until_s) - self._now_s())

    def _gathers(self, batch: Sequence[str]) -> bool:
        """Whether these claims, all that are waiting, do better to wait for more than on the queue."""
        if self._ahead < ENOUGH_MESSAGES or len(batch) < len(self._waiting):
            return False
        now_s = self._now_s()
        if now_s >= self._look_at_s:
            self._look()
        if self._gather_until_s is None:
            self._gather_until_s = now_s + GATHER_S
        return self._ahead >= ENOUGH_MESSAGES and now_s < self._gather_until_s

    def _look(self) -> None:
        self._look_at_s = self._now_s() + LOOK_S
        try:
            self._ahead = self._hints.depth()
        except QueueUnavailable:
            self._ahead = 0  # sending will tell

    def _batch(self) -> list[str]:
        """What has waited longest, as much as makes one batch of work, and one claim at least.

        A worker has the whole message to itself: the smaller the last ones of a flood, the sooner all workers are done.
        """
        batch: list[str] = []
        work = 0
        for claim_id, its_work in self._waiting.items():
            work += its_work
            if batch and work > self._batch_letters:
                break
            batch.append(claim_id)
        return batch

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
