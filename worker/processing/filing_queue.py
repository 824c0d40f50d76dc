"""When finished letters are filed away: once their outcome is on the server's disk, at once or a little later.

Where the server syncs before it answers, letters are filed by whoever finished them. Else a thread of the worker's own
waits: one wait for everything that was finished since the last one. What is on disk then is filed by that thread, or,
while the worker works on letters, by the worker between two batches: two threads that both want the interpreter hand
it to each other with every call to the system, and wait for it up to 5 ms each time. Nothing is lost with the thread or
its memory: what was not filed is in `claimed/`, the reaper hints it, BEGIN answers `done`, and it is filed then.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, Protocol

from worker.adapters.share.spool import Spool
from worker.processing.filing import Filing
from worker.processing.filing_order import Departure
from worker.processing.records import Durability, RecordsUnavailable

log = logging.getLogger("imr.worker")

MAX_WAITING: Final = 20_000
"""What a process finishes in 6 s, the longest regular wait, at 3,000 letters a second; about 20 MB."""
MAX_WAITING_BYTES: Final = 32_000_000
"""Text of PDFs that waits to be written beside them: as much as a worker holds of letters in work."""
RETRY_S: Final = 1.0
"""After a wait in vain; as often as a server syncs at the best."""
TIDY_S: Final = 60.0
"""How often entries are looked for whose letter was filed by a worker that was killed right after."""
DRAIN_S: Final = 7.0
"""How long a worker that is told to stop waits for the disk: twice the longest regular wait, 3 s, for the round that is
under way and for what was finished since."""


class Files(Protocol):
    """Takes finished letters to where they belong, in its own time."""

    def submit(self, departures: Sequence[Departure]) -> None:
        """File these away once their outcome is on disk; at most logs what fails."""

    def at_work(self) -> AbstractContextManager[None]:
        """While the block runs its thread works on letters, and calls `submit` after each batch of them."""


class Filer:
    """Files what stands and is on disk. `submit` and `round` may be called from two threads."""

    def __init__(self, *, spool: Spool, durability: Durability, monotonic_s: Callable[[], float]) -> None:
        self._spool = spool
        self._filing = Filing(spool)
        self._durability = durability
        self._now_s = monotonic_s
        self._lock = threading.Lock()
        self._waiting: dict[str, Departure] = {}
        self._waiting_bytes = 0
        self._ready: deque[Departure] = deque()
        """On disk, to be moved."""
        self._is_at_work = False
        self._tidied_s = monotonic_s()

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for the disk."""
        return bool(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether anything is still to be filed."""
        return bool(self._waiting or self._ready)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `Files.at_work`."""
        self._is_at_work = True
        try:
            yield
        finally:
            self._is_at_work = False

    def submit(self, departures: Sequence[Departure]) -> None:
        """See `Files.submit`; what cannot be filed at once waits for the next round."""
        try:
            standing = self._durability.now(_outcomes(departures)) if departures else ()
        except RecordsUnavailable:
            standing = None
        if standing is None:
            self._put_off(departures)
        else:
            self._file(one for one in departures if one.file.claim_id in standing)
        self._file(self._taken())
        self._tidy()

    def _put_off(self, departures: Sequence[Departure]) -> None:
        left = 0
        with self._lock:
            for one in departures:
                # Of a letter that waits already the later departure counts: its file may have been written to since.
                self._forget(one.file.claim_id)
                size = len(one.extracted or b"")
                letters = len(self._waiting) + len(self._ready)
                if letters >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
                    left += 1
                else:
                    self._waiting[one.file.claim_id] = one
                    self._waiting_bytes += size
        if left:
            log.warning("filing is behind: letters=%d stay in claimed/ until they are hinted again", left)

    def round(self) -> bool:
        """Wait for the disk once, then file what waited for it; False if the wait was in vain. Never raises."""
        with self._lock:
            batch = list(self._waiting.values())
        try:
            standing = self._durability.later(_outcomes(batch)) if batch else ()
        except RecordsUnavailable as error:
            log.warning("filing waits letters=%d: %s", len(batch), error)
            return False
        if standing is None:
            log.warning("filing waits letters=%d: Redis does not say that it has them on its disk", len(batch))
            return False
        stands = [one for one in batch if one.file.claim_id in standing]
        self._ready.extend(one for one in stands if not one.has_companions)
        # What is written beside a letter is synced, and a thread that waits for a disk is in nobody's way.
        self._file(one for one in stands if one.has_companions)
        # One that does not stand is gone from the records with the server's last moments, or was filed by another
        # worker. Its file tells, when it is hinted again.
        self._drop(batch)
        self.catch_up()
        self._tidy()
        return True

    def catch_up(self) -> None:
        """File what is on disk, until the worker is at work and does it itself."""
        self._file(self._taken(only_if_idle=True))

    def _taken(self, *, only_if_idle: bool = False) -> Iterator[Departure]:
        """What is on disk, each taken by one thread."""
        with suppress(IndexError):
            while not (only_if_idle and self._is_at_work):
                yield self._ready.popleft()

    def _drop(self, batch: Sequence[Departure]) -> None:
        with self._lock:
            for one in batch:
                if self._waiting.get(one.file.claim_id) is one:
                    self._forget(one.file.claim_id)

    def _forget(self, claim_id: str) -> None:
        forgotten = self._waiting.pop(claim_id, None)
        if forgotten is not None:
            self._waiting_bytes -= len(forgotten.extracted or b"")

    def _file(self, departures: Iterable[Departure]) -> None:
        filed = [one.file.claim_id for one in departures if self._has_filed(one)]
        try:
            self._durability.filed(filed)
        except RecordsUnavailable as error:
            log.warning("filed letters=%d stand as not filed until the next tidying: %s", len(filed), error)

    def _has_filed(self, one: Departure) -> bool:
        try:
            return self._filing.file(one)
        except Exception as error:  # noqa: BLE001 - one letter's failure stays its own, MemoryError included
            log.error("filing failed claim=%s kind=%s: it stays claimed", one.file.claim_id, type(error).__name__)
            return False

    def _tidy(self) -> None:
        """Strike out what was filed by a worker that could not say so any more; every `TIDY_S`."""
        if self._now_s() - self._tidied_s < TIDY_S:
            return
        self._tidied_s = self._now_s()
        try:
            # In this order: a file leaves `claimed/` only after its claim was finished.
            finished = set(self._durability.finished())
            if finished:
                self._durability.filed(finished - {file.claim_id for file in self._spool.claimed()})
        except (RecordsUnavailable, OSError) as error:
            log.warning("not tidied (%s); tried again", type(error).__name__)


def _outcomes(departures: Sequence[Departure]) -> dict[str, str]:
    return {one.file.claim_id: one.finished_as for one in departures}


class FilingThread:
    """A filer whose rounds are made by a thread of its own, from the first letter that has to wait."""

    def __init__(self, filer: Filer) -> None:
        self._filer = filer
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def submit(self, departures: Sequence[Departure]) -> None:
        """See `Files.submit`."""
        self._filer.submit(departures)
        if self._filer.is_waiting:
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="imr-filer", daemon=True)
                self._thread.start()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `Files.at_work`; what is on disk by the end is filed by the thread."""
        try:
            with self._filer.at_work():
                yield
        finally:
            self._wanted.set()

    def close(self, timeout_s: float = DRAIN_S) -> None:
        """File what waits, if the disk is ready within `timeout_s`; the rest is hinted again and filed then."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._filer.is_behind:
                log.warning("stopped with letters that wait for Redis' disk: they are filed by the next worker")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            is_through = False
            while not is_through:
                if self._round():
                    is_through = not self._filer.is_waiting
                elif self._stopping.wait(RETRY_S):
                    return

    def _round(self) -> bool:
        try:
            return self._filer.round()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever it meets
            log.error("filing failed kind=%s; tried again", type(error).__name__)
            return False
