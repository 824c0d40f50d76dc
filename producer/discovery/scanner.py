"""The scan of the inbox: it finds every file there, without any event.

The folder is the truth and events are hints. So start-up, a lost event and a share that announces nothing are all the
same case: the next scan. A full scan walks through the whole inbox; a folder scan walks through one folder that an
event announced, because no event announces the files that came with it or before its own watch.

A scan follows no links and is bounded in depth and entries, so that a loop of links or a runaway tree costs a bounded
walk. It works in slices, between which the producer's loop goes on. It only walks: what it meets and the index does not
know it gives to `producer.discovery.backlog`, which decides whose turn it is, and how much is kept in memory.

A folder is listed in no order, so letters are handed over at the end of a scan. Earlier only if there is nothing else
to claim for `HARVEST_S`: on a slow share a scan may take minutes.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from producer.discovery.arrival_order import OldestFiles
from producer.discovery.backlog import FILES_PER_CLOCK_READ, SLICE_S, Order, ScanBacklog
from producer.discovery.inbox import InboxIndex
from producer.policy import ScanInterval
from worker.adapters.logs import LogOnChange
from worker.adapters.share.walk import Met, Walk
from worker.contract.filenames import CANARY_PREFIX, is_own, may_be_letter

log = logging.getLogger("imr.producer")

PAUSE_S: Final = 0.005
"""How long the producer's loop may sleep between two slices."""
HARVEST_S: Final = 15.0
"""With nothing to claim for this long, a scan hands over the oldest letters that it has found so far."""
HARVEST_LETTERS: Final = 2_000
"""At most this many at a time: the rest of the scan may find older ones."""
MAX_ENTRIES: Final = 5_000_000
"""A scan ends after this many files and folders (some twenty seconds on a local disk); the next starts over."""
MAX_FOLDERS: Final = 1_000
"""Folders that wait for their scans; with more, a full scan takes their place."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the last full scan met."""

    entries: int = 0
    busy_s: float = 0.0
    ignored: int = 0
    """Files whose names say that they are no letters."""
    too_deep: int = 0
    unreadable: int = 0


class _Scan:
    """One walk through the inbox, or through one of its folders."""

    def __init__(self, root: str, folder: str, inbox: InboxIndex, oldest: OldestFiles, now_s: float) -> None:
        self._root = root
        self._inbox = inbox
        self.is_full = not folder
        self.oldest = oldest
        """Letters that it has met and that were not known."""
        self.unmet = inbox.paths() if self.is_full else set[str]()
        """Known letters that it has not met so far."""
        self.walk = Walk(root, folder)
        self._steps = self.walk.steps()
        self.busy_s = 0.0
        self.ignored = 0
        self.harvested = 0
        """Letters that it has handed over before its end."""
        self.fed_s = now_s
        """When there last was something to claim, or letters were handed over."""

    def advance(self, until_s: float, monotonic_s: Callable[[], float]) -> bool:
        """Walk on until that time; whether the scan is over. Raises OSError if its folder cannot be listed."""
        for count, met in enumerate(self._steps, 1):
            if not met.is_folder:
                self._meet(met)
            if self.walk.entries >= MAX_ENTRIES:
                return True
            if count % FILES_PER_CLOCK_READ == 0 and monotonic_s() >= until_s:
                return False
        return True

    def tally(self) -> Tally:
        """What it has met."""
        return Tally(self.walk.entries, self.busy_s, self.ignored, self.walk.too_deep, self.walk.unreadable)

    def close(self) -> None:
        """Close the folders that are open."""
        self._steps.close()

    def _meet(self, met: Met) -> None:
        self.unmet.discard(met.path)
        letter = self._inbox.letter_at(met.path)
        if letter is None:
            self.ignored += not may_be_letter(met.path) and not self._is_own(met)
        elif not self._inbox.knows(letter):
            with suppress(OSError):  # it is gone, or its done-file came before it
                self.oldest.add(letter, self._status(letter, met).st_ctime_ns)

    def _status(self, letter: str, met: Met) -> os.stat_result:
        """How the letter that this entry announces looks. Raises OSError."""
        is_met = letter == met.path
        return met.entry.stat(follow_symlinks=False) if is_met else os.lstat(os.path.join(self._root, letter))

    def _is_own(self, met: Met) -> bool:
        """Whether this system made the file. Removes canary files: one lives for microseconds, so a crash left this."""
        if met.entry.name.startswith(CANARY_PREFIX):
            with suppress(OSError):
                os.unlink(os.path.join(self._root, met.path))
        return is_own(met.entry.name)


class Scanner:
    """Scans one inbox, slice by slice."""

    def __init__(
        self,
        root: str,
        inbox: InboxIndex,
        backlog: ScanBacklog,
        interval: ScanInterval,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._root = root
        self._inbox = inbox
        self._backlog = backlog
        self._interval = interval
        self._now_s = monotonic_s
        self._folders: deque[str] = deque()
        self._scan: _Scan | None = None
        """The scan that is under way."""
        self._due_s = float("-inf")
        """When the next full scan begins by the clock."""
        self.interval_s = interval.shortest_s
        self.tally = Tally()
        self.trouble: str | None = None
        """Why letters may stay undiscovered; None if they do not."""
        self._troubles = LogOnChange(log)

    def scan_folder(self, folder: str) -> None:
        """Scan that folder soon; its path is relative to the inbox."""
        if len(self._folders) < MAX_FOLDERS:
            self._folders.append(folder)
        else:
            self._folders.clear()
            self._backlog.fall_behind()

    def idle_s(self) -> float:
        """How long there is nothing to do, in seconds."""
        if self._scan is not None:
            return PAUSE_S
        is_due = self._may_scan_folder() or self._backlog.wants_scan() or self._backlog.has_work()
        return 0.0 if is_due else max(0.0, self._due_s - self._now_s())

    def work(self) -> None:
        """Hand over what there is room for, and do one slice of the scan that is under way or due."""
        self._backlog.work()
        self._scan = self._scan or self._begin()
        if self._scan is not None:
            self._slice(self._scan)

    def close(self) -> None:
        """Close the folders that are open."""
        if self._scan is not None:
            self._end(self._scan)

    def _may_scan_folder(self) -> bool:
        """Whether a folder scan is due. Older letters come first, and the full scan for them meets the folder too."""
        return bool(self._folders) and self._backlog.order is Order.IN_ORDER

    def _begin(self) -> _Scan | None:
        if self._may_scan_folder():
            return self._new(self._folders.popleft(), OldestFiles(self._inbox.room))
        if self._backlog.wants_scan() or self._now_s() >= self._due_s:
            self._folders.clear()
            return self._new("", self._backlog.begin_scan())
        return None

    def _new(self, folder: str, oldest: OldestFiles) -> _Scan:
        return _Scan(self._root, folder, self._inbox, oldest, self._now_s())

    def _slice(self, scan: _Scan) -> None:
        begun_s = self._now_s()
        try:
            is_over = scan.advance(begun_s + SLICE_S, self._now_s)
        except OSError as error:
            self._fail(scan, error)
            return
        now_s = self._now_s()
        scan.busy_s += now_s - begun_s
        if is_over:
            self._finish(scan)
        elif self._inbox.has_complete():
            scan.fed_s = now_s
        elif now_s - scan.fed_s >= HARVEST_S:
            self._harvest(scan)

    def _harvest(self, scan: _Scan) -> None:
        """Hand over the oldest letters found so far."""
        ranks = scan.oldest.take(min(HARVEST_LETTERS, self._inbox.room))
        scan.harvested += len(ranks)
        scan.fed_s = self._now_s()
        self._backlog.add_found(ranks, by_full_scan=scan.is_full)

    def _finish(self, scan: _Scan) -> None:
        self._end(scan)
        if scan.is_full:
            self._finish_full(scan)
            return
        self._backlog.add_found(scan.oldest.take(), by_full_scan=False)
        if scan.oldest.left_out:
            self._backlog.fall_behind()

    def _finish_full(self, scan: _Scan) -> None:
        self._inbox.forget_missing(scan.unmet)
        self.tally = scan.tally()
        new_letters = scan.harvested + self._backlog.end_scan(scan.oldest)
        crowded = f"the inbox holds more than {MAX_ENTRIES:,} files: not all are looked at"
        self._set_trouble(crowded if scan.walk.entries >= MAX_ENTRIES else None)
        self._wait(self._interval.next_s(self.interval_s, busy_s=scan.busy_s, new_letters=new_letters))

    def _fail(self, scan: _Scan, error: OSError) -> None:
        self._end(scan)
        if not scan.is_full:
            return  # gone again, or not readable yet: the next full scan meets it
        self._set_trouble(f"the inbox cannot be listed (errno={error.errno})")
        self._backlog.abandon_scan()
        self._wait(self._interval.shortest_s)

    def _wait(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._due_s = self._now_s() + interval_s

    def _set_trouble(self, trouble: str | None) -> None:
        self.trouble = trouble
        if trouble is None:
            self._troubles.reset()
        else:
            self._troubles.log(trouble, logging.ERROR, "%s; letters wait in it", trouble)

    def _end(self, scan: _Scan) -> None:
        self._scan = None
        scan.close()
