"""Looking into the inbox: every file there, found without any event.

The folder is the truth and events are hints, so start-up, a lost event and a share that announces nothing are all the
same case: the next scan. A scan follows no links and is bounded in depth and entries, so that a loop of links or a
runaway tree costs a bounded walk. It works in slices, between which the producer lives, and uses what it has found so
far every few seconds. It picks the files that have waited longest, at most as many as the producer may know at a time;
the next scan finds the rest, so an inbox of a million files takes no more memory than one of `MAX_KNOWN`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from producer.canary import CANARY_PREFIX
from producer.inbox import MAX_KNOWN, Inbox
from producer.oldest import Oldest, Rank
from producer.pacing import Pace
from producer.walking import Met, Walk, sample_of_entry
from worker.contract.junk import is_own, may_be_letter

log = logging.getLogger("imr.producer")

SLICE_S: Final = 0.02
"""How long a scan works before the loop lives again."""
PAUSE_S: Final = 0.005
"""How long the loop may sleep between two slices."""
HARVEST_S: Final = 5.0
"""How long what was found waits for the rest of the scan: a slow share may take minutes."""
MAX_ENTRIES: Final = 5_000_000
"""A scan ends after so many files and folders, some twenty seconds on a local disk, and the next begins anew."""
MAX_FOLDERS: Final = 1_000
"""Folders that wait to be looked into; with more, the whole inbox is scanned instead."""
_LOOKS_AT_CLOCK: Final = 32
"""Entries between two looks at the clock; a slow share answers some thousand times a second."""


@dataclass(slots=True)
class _Round:
    """One walk through the inbox or one of its folders."""

    folder: str
    walk: Walk
    steps: Generator[Met]
    oldest: Oldest
    unseen: set[str]
    """Known letters that were not met so far."""
    begun_s: float
    dropped_before: int
    harvested_s: float
    busy_s: float = 0.0
    ignored: int = 0
    found: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What the last whole scan met."""

    entries: int = 0
    busy_s: float = 0.0
    ignored: int = 0
    """Files that are no letters by their names."""
    left_out: int = 0
    """Letters that later scans pick: more were there than may be known at a time."""
    too_deep: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class _Before:
    """The last whole scan, as the next one needs to know it."""

    begun_s: float
    knew_all: bool
    """Whether every letter that it met was known afterwards."""
    last: Rank | None
    """The last in turn that it picked, if it left others out. The next scan goes on behind it, or files that cannot be
    claimed would be picked for ever, and the others never."""


class Scanner:
    """Scans one inbox, by and by."""

    def __init__(
        self, folder: str, inbox: Inbox, pace: Pace, monotonic_s: Callable[[], float], blind_s: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._inbox = inbox
        self._pace = pace
        self._now_s = monotonic_s
        self._blind_s = blind_s
        """When events may last have failed to tell of a file, on the monotonic clock."""
        self._folders: deque[str] = deque()
        self._round: _Round | None = None
        self._before: _Before | None = None
        self._due_s = float("-inf")
        self.interval_s = pace.shortest_s
        self.tally = Tally()
        self.trouble: str | None = None
        """Why letters may stay unseen; None if they do not."""

    def request(self) -> None:
        """Scan the whole inbox as soon as possible."""
        self._due_s = float("-inf")

    def look_into(self, folder: str) -> None:
        """Scan that folder soon: files may have come with it, or before its own watch, and no event tells of those."""
        if len(self._folders) < MAX_FOLDERS:
            self._folders.append(folder)
        else:
            self._folders.clear()
            self.request()

    def idle_s(self) -> float:
        """How long nothing is to be done."""
        if self._round is not None:
            return PAUSE_S
        return 0.0 if self._folders or self._wants_more() else max(0.0, self._due_s - self._now_s())

    def work(self) -> None:
        """One slice of the scan that is under way or due."""
        self._round = self._round or self._begin()
        if self._round is not None:
            self._slice(self._round)

    def close(self) -> None:
        """Leave the folders that are open."""
        if self._round is not None:
            self._end(self._round)

    def _wants_more(self) -> bool:
        """Whether letters were left out, and there is room for them."""
        return self._inbox.has_backlog and len(self._inbox) <= MAX_KNOWN // 2

    def _begin(self) -> _Round | None:
        if self._folders:
            return self._new(self._folders.popleft(), set())
        if self._wants_more() or self._now_s() >= self._due_s:
            self._due_s = float("inf")  # unless another is requested while this one is under way
            return self._new("", self._inbox.paths())
        return None

    def _new(self, folder: str, unseen: set[str]) -> _Round:
        now_s, walk = self._now_s(), Walk(self._folder, folder)
        behind = self._before.last if self._before is not None and not folder else None
        oldest = Oldest(MAX_KNOWN - len(self._inbox), below=behind)
        return _Round(folder, walk, walk.steps(), oldest, unseen, now_s, self._inbox.dropped, now_s)

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
        elif now_s - one.harvested_s >= HARVEST_S:
            self._harvest(one)

    def _walk(self, one: _Round, until_s: float) -> bool:
        """Walk on; whether the round is over."""
        for count, met in enumerate(one.steps, 1):
            if not met.is_folder:
                self._meet(one, met)
            if one.walk.entries >= MAX_ENTRIES:
                return True
            if count % _LOOKS_AT_CLOCK == 0 and self._now_s() >= until_s:
                return False
        return True

    def _meet(self, one: _Round, met: Met) -> None:
        one.unseen.discard(met.path)
        letter = self._inbox.letter_at(met.path)
        if letter is None:
            one.ignored += not may_be_letter(met.path) and not self._is_own(met)
        elif self._inbox.knows(letter):
            return
        elif not one.oldest.has_room:
            one.left_out += 1
        else:
            sample = sample_of_entry(met.entry) if letter == met.path else self._inbox.sample(letter)
            if sample is not None:
                one.oldest.add(letter, sample)

    def _is_own(self, met: Met) -> bool:
        """Whether it is a file of ours. A canary lives for microseconds: one that is met was left by a crash."""
        if met.entry.name.startswith(CANARY_PREFIX):
            with suppress(OSError):
                os.unlink(os.path.join(self._folder, met.path))
        return is_own(met.entry.name)

    def _harvest(self, one: _Round) -> None:
        """Hand over what was found so far."""
        picked, before = one.oldest.take(), one.oldest
        one.found += len(picked)
        one.left_out += before.left_out
        self._inbox.found(picked, unannounced=self._should_have_been_told(one))
        one.oldest = Oldest(MAX_KNOWN - len(self._inbox), before.below, before.last)
        one.harvested_s = self._now_s()

    def _should_have_been_told(self, one: _Round) -> bool:
        """Whether events told of everything that is new, if they work: the last scan knew all, and none was missed."""
        before = self._before
        return not one.folder and before is not None and before.knew_all and self._blind_s() < before.begun_s

    def _finish(self, one: _Round) -> None:
        self._harvest(one)
        self._end(one)
        if one.left_out:
            self._inbox.has_backlog = True
        if not one.folder:
            self._finish_whole(one)

    def _finish_whole(self, one: _Round) -> None:
        self._inbox.check(one.unseen)
        self._inbox.has_backlog = one.left_out > 0
        self._before = _Before(
            begun_s=one.begun_s,
            knew_all=one.left_out == 0 and one.oldest.below is None,
            last=one.oldest.last if one.left_out else None,
        )
        walk = one.walk
        self.tally = Tally(walk.entries, one.busy_s, one.ignored, one.left_out, walk.too_deep, walk.unreadable)
        crowded = walk.entries >= MAX_ENTRIES
        self._tell(f"the inbox holds more than {MAX_ENTRIES:,} files: not all are looked at" if crowded else None)
        self.interval_s = self._pace.next_s(self.interval_s, busy_s=one.busy_s, found=one.found)
        missed = self._inbox.dropped > one.dropped_before
        self._due_s = min(self._due_s, self._now_s() + (0.0 if missed else self.interval_s))

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
