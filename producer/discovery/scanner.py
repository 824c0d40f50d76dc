"""Looking into the inbox: every file there, found without any event.

The folder is the truth and events are hints, so start-up, a lost event and a share that announces nothing are all the
same case: the next scan. A scan follows no links and is bounded in depth and entries, so that a loop of links or a
runaway tree costs a bounded walk. It works in slices, between which the producer lives. It picks the files that have
waited longest, at most `MAX_PICKED`, and hands them over as there is room for them in the inbox; the next scan finds
the rest, so an inbox of a million files takes no more memory than one of `MAX_PICKED`. A folder is listed in no order,
so what is picked is handed over at the end of a scan, and before only if nothing else is there to be done.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from producer.discovery.arrival_order import OldestFiles, path_of
from producer.discovery.backlog import AT_A_TIME, SLICE_S, ScanBacklog
from producer.discovery.inbox import InboxIndex
from producer.policy import ScanInterval
from worker.adapters.share.walk import Met, Walk
from worker.contract.filenames import CANARY_PREFIX, is_own, may_be_letter

log = logging.getLogger("imr.producer")

PAUSE_S: Final = 0.005
"""How long the loop may sleep between two slices."""
HARVEST_S: Final = 15.0
"""How long nothing is claimed until the oldest found so far are used: on a slow share a scan may take minutes."""
HARVEST_LETTERS: Final = 2_000
"""So many at a time: they are older than few, and the rest of the scan may find older ones."""
MAX_PICKED: Final = 30_000
"""Files picked by one scan, some 3 MB: each scan looks at every file, and a flood of 200,000 takes seven."""
MAX_ENTRIES: Final = 5_000_000
"""A scan ends after so many files and folders, some twenty seconds on a local disk, and the next begins anew."""
MAX_FOLDERS: Final = 1_000
"""Folders that wait to be looked into; with more, the whole inbox is scanned instead."""


@dataclass(slots=True)
class _Round:
    """One walk through the inbox or one of its folders."""

    folder: str
    walk: Walk
    steps: Generator[Met]
    oldest: OldestFiles
    unseen: set[str]
    """Known letters that were not met so far."""
    begun_s: float
    fed_s: float
    """When there last was something to claim, or to be."""
    busy_s: float = 0.0
    ignored: int = 0
    found: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What the last whole scan met."""

    entries: int = 0
    busy_s: float = 0.0
    ignored: int = 0
    """Files that are no letters by their names."""
    too_deep: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class _Before:
    """The last whole scan, as the next one needs to know it."""

    begun_s: float
    knew_all: bool
    """Whether every letter that it met was known afterwards."""


class Scanner:
    """Scans one inbox, by and by."""

    def __init__(
        self,
        folder: str,
        inbox: InboxIndex,
        pace: ScanInterval,
        monotonic_s: Callable[[], float],
        blind_s: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._inbox = inbox
        self._pace = pace
        self._now_s = monotonic_s
        self._blind_s = blind_s
        """When events may last have failed to tell of a file, on the monotonic clock."""
        self._folders: deque[str] = deque()
        self._round: _Round | None = None
        self._handing_over = ScanBacklog(inbox, monotonic_s)
        self._before: _Before | None = None
        self._is_requested = False
        self._due_s = float("-inf")
        self.interval_s = pace.shortest_s
        self.tally = Tally()
        self.trouble: str | None = None
        """Why letters may stay unseen; None if they do not."""

    @property
    def waiting(self) -> int:
        """Letters that were met and are not known."""
        return self._handing_over.waiting

    def request(self) -> None:
        """Scan the whole inbox as soon as there is room for what it may find."""
        self._is_requested = True

    def look_into(self, folder: str) -> None:
        """Scan that folder soon: files may have come with it, or before its own watch, and no event tells of those."""
        if len(self._folders) < MAX_FOLDERS:
            self._folders.append(folder)
        else:
            self._folders.clear()
            self._inbox.fall_behind()
            self.request()

    def idle_s(self) -> float:
        """How long nothing is to be done."""
        if self._round is not None:
            return PAUSE_S
        is_due = self._has_folders() or self._wants_more() or self._handing_over.has_work()
        return 0.0 if is_due else max(0.0, self._due_s - self._now_s())

    def work(self) -> None:
        """Hand over what there is room for, and one slice of the scan that is under way or due."""
        self._handing_over.work()
        self._round = self._round or self._begin()
        if self._round is not None:
            self._slice(self._round)

    def close(self) -> None:
        """Leave the folders that are open."""
        if self._round is not None:
            self._end(self._round)

    def _has_folders(self) -> bool:
        """Whether folders are to be looked into: older letters come first, and their scan looks into these too."""
        return bool(self._folders) and not self._inbox.has_backlog

    def _wants_more(self) -> bool:
        """Whether there may be letters that nobody told of, and there is room for them."""
        is_wanted = self._is_requested or self._inbox.has_backlog
        return is_wanted and self._handing_over.has_room()

    def _begin(self) -> _Round | None:
        if self._has_folders():
            return self._new(self._folders.popleft(), OldestFiles(self._inbox.room), set())
        if self._wants_more() or self._now_s() >= self._due_s:
            self._is_requested = False  # another may be requested while this one is under way
            self._folders.clear()
            self._handing_over.begin()
            return self._new("", OldestFiles(MAX_PICKED, self._handing_over.behind), self._inbox.paths())
        return None

    def _new(self, folder: str, oldest: OldestFiles, unseen: set[str]) -> _Round:
        now_s, walk = self._now_s(), Walk(self._folder, folder)
        return _Round(folder, walk, walk.steps(), oldest, unseen, now_s, now_s)

    def _slice(self, one: _Round) -> None:
        begun_s = self._now_s()
        try:
            is_over = self._walk(one, begun_s + SLICE_S)
        except OSError as error:
            self._failed(one, error)
            return
        now_s = self._now_s()
        one.busy_s += now_s - begun_s
        if is_over:
            self._finish(one)
        elif self._inbox.has_complete():
            one.fed_s = now_s
        elif now_s - one.fed_s >= HARVEST_S:
            self._harvest(one, min(HARVEST_LETTERS, self._inbox.room))

    def _walk(self, one: _Round, until_s: float) -> bool:
        """Walk on; whether the round is over."""
        for count, met in enumerate(one.steps, 1):
            if not met.is_folder:
                self._meet(one, met)
            if one.walk.entries >= MAX_ENTRIES:
                return True
            if count % AT_A_TIME == 0 and self._now_s() >= until_s:
                return False
        return True

    def _meet(self, one: _Round, met: Met) -> None:
        one.unseen.discard(met.path)
        letter = self._inbox.letter_at(met.path)
        if letter is None:
            one.ignored += not may_be_letter(met.path) and not self._is_own(met)
        elif not self._inbox.knows(letter):
            with suppress(OSError):  # it is gone, or its done-file came before it
                is_met = letter == met.path
                found = (
                    met.entry.stat(follow_symlinks=False) if is_met else os.lstat(os.path.join(self._folder, letter))
                )
                one.oldest.add(letter, found.st_ctime_ns)

    def _is_own(self, met: Met) -> bool:
        """Whether it is a file of ours. A canary lives for microseconds: one that is met was left by a crash."""
        if met.entry.name.startswith(CANARY_PREFIX):
            with suppress(OSError):
                os.unlink(os.path.join(self._folder, met.path))
        return is_own(met.entry.name)

    def _harvest(self, one: _Round, most: int | None = None) -> None:
        """Hand over what was found so far, or the oldest of it."""
        picked = one.oldest.take(most)
        one.found += len(picked)
        one.fed_s = self._now_s()
        self._inbox.found(map(path_of, picked), unannounced=self._should_have_been_told(one))

    def _should_have_been_told(self, one: _Round) -> bool:
        """Whether events told of everything that is new, if they work: the last scan knew all, and none was missed."""
        before = self._before
        return not one.folder and before is not None and before.knew_all and self._blind_s() < before.begun_s

    def _finish(self, one: _Round) -> None:
        self._end(one)
        if one.folder:
            self._harvest(one)
            if one.oldest.left_out:
                self._inbox.fall_behind()
        else:
            self._finish_whole(one)

    def _finish_whole(self, one: _Round) -> None:
        self._inbox.check(one.unseen)
        walk, picked = one.walk, one.oldest.take()
        self.tally = Tally(walk.entries, one.busy_s, one.ignored, walk.too_deep, walk.unreadable)
        self._handing_over.put(picked, one.oldest.left_out, unannounced=self._should_have_been_told(one))
        self._before = _Before(one.begun_s, knew_all=not self.waiting and one.oldest.behind is None)
        crowded = walk.entries >= MAX_ENTRIES
        self._tell(f"the inbox holds more than {MAX_ENTRIES:,} files: not all are looked at" if crowded else None)
        found = one.found + len(picked)
        self.interval_s = self._pace.next_s(self.interval_s, busy_s=one.busy_s, new_letters=found)
        self._due_s = self._now_s() + self.interval_s

    def _failed(self, one: _Round, error: OSError) -> None:
        self._end(one)
        if one.folder:
            return  # gone again, or not readable yet: the next scan of all looks
        self._tell(f"the inbox cannot be listed (errno={error.errno})")
        self._before = None
        self._inbox.has_backlog = False
        self.interval_s = self._pace.shortest_s
        self._due_s = self._now_s() + self.interval_s

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            log.error("%s; letters wait in it", trouble)
        self.trouble = trouble

    def _end(self, one: _Round) -> None:
        self._round = None
        one.steps.close()
