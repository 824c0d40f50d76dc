"""When finished letters are filed: once their outcome is on the server's disk, at once or a little later.

Where the server syncs before it replies, letters are filed by the worker that finished them. Otherwise a thread of the
worker waits: one wait for everything that was finished since the last one. What is on disk then is filed by that
thread, or, while the worker processes letters, by the worker between two batches: two threads that both want the
interpreter hand it to each other with every system call, and wait for it up to 5 ms each time. Nothing is lost with the
thread or its memory: what was not filed is in `claimed/`, the reaper hints it, BEGIN replies `done`, and it is filed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from worker.adapters.share.spool import Spool
from worker.processing.filing import FilingOrder, file_letter
from worker.processing.records import Durability, RecordsUnavailable

log = logging.getLogger("imr.worker")

MAX_WAITING: Final = 20_000
"""What a process finishes in 6 s, the longest regular wait, at 3,000 letters a second; about 20 MB."""
MAX_WAITING_BYTES: Final = 32_000_000
"""Text of PDFs that waits to be written beside them: as much as a worker holds of letters in work."""
RETRY_S: Final = 1.0
"""Pause after a failed wait; equals the server's fastest sync interval."""
TIDY_S: Final = 60.0
"""How often entries are looked for whose letter was filed by a worker that was killed right after."""
DRAIN_S: Final = 7.0
"""How long a stopping worker waits for the disk: twice the longest regular wait, 3 s, for the round that is under way
and for what was finished since."""


class FilingQueue:
    """Files letters whose outcome is recorded and on disk. `submit` and `round` may be called from two threads."""

    def __init__(self, *, spool: Spool, durability: Durability, monotonic_s: Callable[[], float]) -> None:
        self._spool = spool
        self._durability = durability
        self._now_s = monotonic_s
        self._lock = threading.Lock()
        self._waiting: dict[str, FilingOrder] = {}
        """By claim id; their outcome is not known to be on disk."""
        self._waiting_bytes = 0
        self._ready: deque[FilingOrder] = deque()
        """Their outcome is on disk: to be moved."""
        self._is_at_work = False
        self._tidied_s = monotonic_s()

    @property
    def is_waiting(self) -> bool:
        """Whether any letter waits for the disk."""
        return bool(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether any letter is still to be filed."""
        return bool(self._waiting or self._ready)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `FilingPort.at_work`."""
        self._is_at_work = True
        try:
            yield
        finally:
            self._is_at_work = False

    def submit(self, orders: Sequence[FilingOrder]) -> None:
        """See `FilingPort.submit`; what cannot be filed at once waits for the next round."""
        try:
            on_disk = self._durability.now(_outcomes(orders)) if orders else ()
        except RecordsUnavailable:
            on_disk = None
        if on_disk is None:
            self._enqueue(orders)
        else:
            self._file(order for order in orders if order.file.claim_id in on_disk)
        self._file(self._take_ready())
        self._tidy()

    def _enqueue(self, orders: Sequence[FilingOrder]) -> None:
        left = 0
        with self._lock:
            for order in orders:
                # A later order of the same letter replaces the earlier one: its file may have been written to since.
                self._forget(order.file.claim_id)
                if self._has_room_for(order):
                    self._waiting[order.file.claim_id] = order
                    self._waiting_bytes += len(order.extracted or b"")
                else:
                    left += 1
        if left:
            log.warning("filing is behind, will be retried letters=%d: they stay in claimed/ until hinted again", left)

    def _has_room_for(self, order: FilingOrder) -> bool:
        size_bytes = len(order.extracted or b"")
        letters = len(self._waiting) + len(self._ready)
        return letters < MAX_WAITING and self._waiting_bytes + size_bytes <= MAX_WAITING_BYTES

    def round(self) -> bool:
        """Wait for the disk once, then file what waited for it; False if the wait failed. Never raises."""
        with self._lock:
            batch = list(self._waiting.values())
        on_disk = self._wait_for_disk(batch)
        if on_disk is None:
            return False
        recorded = [order for order in batch if order.file.claim_id in on_disk]
        self._ready.extend(order for order in recorded if not order.has_sidecars)
        # Sidecar files are synced, and a thread that waits for a disk is in nobody's way.
        self._file(order for order in recorded if order.has_sidecars)
        # An outcome that is not recorded was lost with the server's last moments, or the letter was filed by another
        # worker. Its file shows which, when it is hinted again.
        self._drop(batch)
        self.catch_up()
        self._tidy()
        return True

    def _wait_for_disk(self, batch: Sequence[FilingOrder]) -> set[str] | None:
        """Claim ids of the outcomes that are on disk; None if the wait failed."""
        try:
            on_disk = self._durability.later(_outcomes(batch)) if batch else ()
        except RecordsUnavailable as error:
            log.warning("not filed yet, will be retried letters=%d: %s", len(batch), error)
            return None
        if on_disk is None:
            log.warning("not filed yet, will be retried letters=%d: Redis does not confirm its sync", len(batch))
            return None
        return set(on_disk)

    def catch_up(self) -> None:
        """File what is on disk, until the worker is at work and does it itself."""
        self._file(self._take_ready(only_if_idle=True))

    def _take_ready(self, *, only_if_idle: bool = False) -> Iterator[FilingOrder]:
        """Orders whose outcome is on disk, each given to one thread."""
        with suppress(IndexError):
            while not (only_if_idle and self._is_at_work):
                yield self._ready.popleft()

    def _drop(self, batch: Sequence[FilingOrder]) -> None:
        with self._lock:
            for order in batch:
                if self._waiting.get(order.file.claim_id) is order:
                    self._forget(order.file.claim_id)

    def _forget(self, claim_id: str) -> None:
        forgotten = self._waiting.pop(claim_id, None)
        if forgotten is not None:
            self._waiting_bytes -= len(forgotten.extracted or b"")

    def _file(self, orders: Iterable[FilingOrder]) -> None:
        filed = [order.file.claim_id for order in orders if _has_filed(self._spool, order)]
        try:
            self._durability.filed(filed)
        except RecordsUnavailable as error:
            log.warning("filed letters=%d count as unfiled until the next tidying: %s", len(filed), error)

    def _tidy(self) -> None:
        """Remove the entries of letters that were filed by a worker which was killed right after; every `TIDY_S`."""
        if self._now_s() - self._tidied_s < TIDY_S:
            return
        self._tidied_s = self._now_s()
        try:
            # In this order: a file leaves `claimed/` only after its claim was finished.
            finished = set(self._durability.finished())
            if finished:
                self._durability.filed(finished - {file.claim_id for file in self._spool.claimed()})
        except (RecordsUnavailable, OSError) as error:
            log.warning("not tidied, will be retried (%s)", type(error).__name__)


def _has_filed(spool: Spool, order: FilingOrder) -> bool:
    try:
        return file_letter(spool, order)
    except Exception as error:  # noqa: BLE001 - one letter's failure stays its own, MemoryError included
        log.error("filing failed, will be retried claim=%s kind=%s", order.file.claim_id, type(error).__name__)
        return False


def _outcomes(orders: Sequence[FilingOrder]) -> dict[str, str]:
    return {order.file.claim_id: order.finished_as for order in orders}


class FilingThread:
    """A filing queue whose rounds are made by a thread of its own, from the first letter that has to wait."""

    def __init__(self, queue: FilingQueue) -> None:
        self._queue = queue
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def submit(self, orders: Sequence[FilingOrder]) -> None:
        """See `FilingPort.submit`."""
        self._queue.submit(orders)
        if self._queue.is_waiting:
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="imr-filing", daemon=True)
                self._thread.start()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `FilingPort.at_work`; what is on disk by the end is filed by the thread."""
        try:
            with self._queue.at_work():
                yield
        finally:
            self._wanted.set()

    def close(self, timeout_s: float = DRAIN_S) -> None:
        """File what waits, if the disk is ready within `timeout_s`; the rest is hinted again and filed then."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._queue.is_behind:
                log.warning("stopped while letters wait for Redis' disk: the next worker files them")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            is_through = False
            while not is_through:
                if self._round():
                    is_through = not self._queue.is_waiting
                elif self._stopping.wait(RETRY_S):
                    return

    def _round(self) -> bool:
        try:
            return self._queue.round()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever it meets
            log.error("filing failed, will be retried kind=%s", type(error).__name__)
            return False
