"""Dispatch: hints about claimed letters go to the workers, as many as are waiting in one message.

There is no timer. A single letter goes at once; while a message is being sent a burst gathers behind it and travels in
the next message. A producer sends ten small messages in the time that a worker needs for one of them. So letters that
come while the workers have enough on the queue gather too: their message would only wait there instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from worker.adapters.celery.client import QueueUnavailable

log = logging.getLogger("imr.producer")

PDF_WORK: Final = 3
"""The work of a PDF, in letters of plain text, when a hint is filled. A PDF takes a worker five times as long as a
text; but each hint has a cost of its own, a third of a PDF's, which weighs less on a third of a hundred PDFs than on a
fifth."""
GATHER_FROM_MESSAGES: Final = 4
"""With this many messages on the queue no worker waits for the next one, and claims gather into one message."""
DEPTH_CHECK_S: Final = 0.01
"""How often the depth of the queue is checked while claims gather: a check takes some 0.2 ms, and a worker some 10 ms
for what is on the queue."""
GATHER_MAX_S: Final = 0.5
"""Claims gather no longer than this: another producer's burst may keep the queue full for minutes, and two small
messages a second more cost nobody anything."""
NEVER_S: Final = float("-inf")


def work_of(name: str) -> int:
    """How much work a letter of that name is likely to be, in letters of plain text.

    It only decides how the work is shared out. What type a file is, the worker finds in its bytes.
    """
    return PDF_WORK if name[-4:].lower() == ".pdf" else 1


class HintQueue(Protocol):
    """The queue as hints need it; both methods raise `QueueUnavailable`."""

    def send(self, claim_ids: Sequence[str]) -> None:
        """Send one message with a hint for all these claims."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


@dataclass(frozen=True, slots=True)
class Hinted:
    """When a claim was hinted last, and how often so far."""

    at_s: float
    """On the monotonic clock; minus infinity if the broker did not take the last hint."""
    times: int


class Outbox:
    """Claims that wait for a hint, and the last hint of each claim."""

    def __init__(self, queue: HintQueue, monotonic_s: Callable[[], float], batch_letters: int) -> None:
        """`batch_letters`: the most work in one message, in letters of plain text."""
        self._queue = queue
        self._now_s = monotonic_s
        self._batch_letters = batch_letters
        self._waiting: dict[str, int] = {}
        """Claim id -> how much work it is, in the order in which they were added."""
        self.hinted: dict[str, Hinted] = {}
        """Claim id -> its last hint; the retry back-off counts from there."""
        self._depth = 0
        """Upper bound of the messages on the queue: those at the last check, and those sent since."""
        self._check_depth_at_s = NEVER_S
        self._gather_until_s: float | None = None
        """Until when the waiting claims gather; None if they do not."""
        self._is_refused = False
        """Whether the broker did not take the last message."""

    def add(self, claims: Mapping[str, int]) -> None:
        """Have these claims hinted: claim id -> how much work it is."""
        self._waiting.update(claims)

    def send(self) -> None:
        """Send one message, if anything is waiting and need not gather.

        Claims whose message the broker does not take are no longer waiting here: their files lie in `claimed/`, where
        the reaper finds them, the one place that repeats hints.
        """
        batch = self._next_batch()
        if not batch or self._should_gather(batch):
            return
        self._gather_until_s = None
        for claim_id in batch:
            del self._waiting[claim_id]
        try:
            self._queue.send(batch)
        except QueueUnavailable as error:
            self._refused(batch, error)
        else:
            self._sent(batch)

    def idle_s(self) -> float:
        """How long there is nothing to send if no claim is added, in seconds; infinite if none is waiting.

        After a broker has refused a message there is no hurry: the loop's next regular step sends the next one.
        """
        if not self._waiting or self._is_refused:
            return float("inf")
        if self._gather_until_s is None:
            return 0.0
        return max(0.0, min(self._check_depth_at_s, self._gather_until_s) - self._now_s())

    def is_waiting(self, claim_id: str) -> bool:
        """Whether the claim waits for a hint here."""
        return claim_id in self._waiting

    def end_backoff(self) -> None:
        """Forget every hint so far: the reaper takes each claim for one that was never hinted, and hints it at once."""
        self.hinted.clear()

    def keep_only(self, claim_ids: set[str]) -> None:
        """Forget claims whose files have left `claimed/`."""
        for claim_id in self.hinted.keys() - claim_ids:
            del self.hinted[claim_id]
        for claim_id in self._waiting.keys() - claim_ids:
            del self._waiting[claim_id]

    def _next_batch(self) -> list[str]:
        """The claims that have waited longest, up to one batch of work, and at least one claim.

        A worker has the whole message to itself: the smaller the last messages of a burst, the sooner all workers are
        done.
        """
        batch: list[str] = []
        batch_work = 0
        for claim_id, work in self._waiting.items():
            batch_work += work
            if batch and batch_work > self._batch_letters:
                break
            batch.append(claim_id)
        return batch

    def _should_gather(self, batch: Sequence[str]) -> bool:
        """Whether this batch, if it is all that waits, should wait here for more claims and not on the queue."""
        if self._depth < GATHER_FROM_MESSAGES or len(batch) < len(self._waiting):
            return False
        now_s = self._now_s()
        if now_s >= self._check_depth_at_s:
            self._check_depth()
        if self._gather_until_s is None:
            self._gather_until_s = now_s + GATHER_MAX_S
        return self._depth >= GATHER_FROM_MESSAGES and now_s < self._gather_until_s

    def _check_depth(self) -> None:
        self._check_depth_at_s = self._now_s() + DEPTH_CHECK_S
        try:
            self._depth = self._queue.depth()
        except QueueUnavailable:
            self._depth = 0  # nothing gathers: sending shows whether the broker is back

    def _sent(self, batch: Sequence[str]) -> None:
        now_s = self._now_s()
        self.hinted.update((claim_id, Hinted(now_s, self._hints(claim_id) + 1)) for claim_id in batch)
        log.info("hinted letters=%d first=%s", len(batch), batch[0])
        self._is_refused = False
        self._depth += 1
        if self._depth >= GATHER_FROM_MESSAGES:
            # Now, and not when the next claim comes: its hint would have to wait for the answer.
            self._check_depth()

    def _refused(self, batch: Sequence[str], error: QueueUnavailable) -> None:
        log.warning("hint not sent letters=%d (%s); they stay in claimed/ and will be hinted again", len(batch), error)
        self.hinted.update((claim_id, Hinted(NEVER_S, self._hints(claim_id))) for claim_id in batch)
        self._is_refused = True

    def _hints(self, claim_id: str) -> int:
        """How many hints the claim had so far."""
        return self.hinted[claim_id].times if claim_id in self.hinted else 0
