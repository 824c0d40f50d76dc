"""The files of the inbox that the producer knows of: those that still settle, and those that are complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from producer.discovery.arrival_order import Rank, rank_of
from producer.discovery.inotify import FileEvent
from producer.discovery.stability import StabilityTracker
from worker.adapters.share.completion_rule import CompletionRule
from worker.adapters.share.file_sample import FileSample, Looks, sample_of

MAX_KNOWN: Final = 10_000
"""Files known at a time, some 2 MB: five times as many as may be claimed, so that claiming need not wait for any."""
MAX_HELD: Final = 4_000
"""Notices that are held until a scan has found what is older, and that has settled."""
MAX_TURN_S: Final = 5.0
"""Letters of which events tell wait at most so long for older ones to settle; a quiet time that is longer they do not
wait for at all."""


class InboxIndex:
    """What events and scans tell of an inbox, put together; forgotten with the process, and found again by a scan."""

    def __init__(self, folder: str, completion: CompletionRule, monotonic_s: Callable[[], float]) -> None:
        self._folder = folder
        self._completion = completion
        self._now_s = monotonic_s
        self._settling = StabilityTracker(completion.quiet_s)
        self._complete: dict[str, Looks] = {}
        """Complete files and how they looked then, in order of arrival."""
        self._unannounced: set[str] = set()
        """Files that are not complete yet, of which events should have told before a scan found them."""
        self.unannounced = 0
        """Files that were complete before any event told of them, although one should have."""
        self.has_backlog = False
        """Whether the inbox may hold letters that are not known and older than what is noticed now."""
        self._held: list[FileEvent] | None = None
        """Notices since the scan began that may end the backlog; None if there is none, or it will not."""
        self.passed_over: Rank | None = None
        """The first file that was renamed in since the scan began and passed over: of those that came later, the scan
        may have met any or none."""
        self._found_s = float("-inf")
        """When a scan last found a letter, on the monotonic clock."""
        self.dropped = 0
        """Notices that were passed over: a scan finds their files in their turn."""
        self.gave_up_s = float("-inf")
        """When it last let go of a file that is still in the inbox, on the monotonic clock."""

    def letter_at(self, path: str) -> str | None:
        """The letter that a file at that path speaks for; None if it says nothing of any."""
        return self._completion.letter_at(path)

    def notice(self, notice: FileEvent) -> None:
        """An event told of a file."""
        path = self._completion.letter_at(notice.path)
        if path is None:
            return
        self._unannounced.discard(path)
        if not self.knows(path) and (self.has_backlog or not self.room):
            self._pass_over(path, notice)
            return
        sample = self.sample(path)
        # One that is being linked into place has two names for a moment: it settles before it is judged. One that a
        # scan has found already settles like the older ones that it found.
        is_complete = self._completion.is_complete_at_once(renamed_in=notice.renamed_in) and not self._keeps_order()
        if is_complete and sample is not None and sample.links == 1:
            self._completed(path, sample)
        else:
            self._observe(path, sample)

    def found(self, paths: Iterable[str], *, unannounced: bool) -> None:
        """A scan found these letters, in this order of arrival; `unannounced` if events should have told of them."""
        for path in paths:
            if self.knows(path):
                continue
            if unannounced:
                self._unannounced.add(path)
            self._found_s = self._now_s()
            self._observe(path, self.sample(path))

    def fall_behind(self) -> None:
        """There may be letters that are not known and older than those that are noticed from now on."""
        self.has_backlog, self._held = True, None

    def will_catch_up(self) -> bool:
        """Whether nothing was dropped since the scan began: what it may not have met is held."""
        return self._held is not None or not self.has_backlog

    def may_catch_up(self) -> bool:
        """Whether what is held need not wait any longer: before what scans found has settled, it would overtake it."""
        is_settled = self._now_s() - self._found_s >= self._completion.quiet_s
        return self._held is None or is_settled or not self._keeps_order()

    def begin_to_catch_up(self) -> None:
        """A scan of everything begins: it finds whatever was passed over so far."""
        self._held = [] if self.has_backlog else None
        self.passed_over = None

    def catch_up(self, *, is_all_known: bool) -> None:
        """What that scan picked is known, and is all if `is_all_known`: then it is the turn of what was held."""
        self.has_backlog = not (is_all_known and self.will_catch_up())
        held, self._held = self._held, None
        if self.has_backlog:
            self.dropped += len(held or ())
            return
        self.look_again()
        for notice in held or ():
            self.notice(notice)

    def check(self, paths: Iterable[str]) -> None:
        """A scan did not meet these letters: those that are gone are forgotten."""
        for path in paths:
            if self.knows(path) and self.sample(path) is None:
                self._forget(path)
                self._complete.pop(path, None)

    def look_again(self) -> None:
        """See whether files that were quiet for long enough still look the same."""
        for path in self._settling.due(self._now_s()):
            self._observe(path, self.sample(path))

    def take(self, most: int) -> Iterator[str]:
        """Up to `most` complete files, in order of arrival, not known here any more.

        One that has changed since it was complete settles again: it may have waited here for long.
        """
        for path in list(islice(self._complete, most)):
            then, now = self._complete.pop(path), self.sample(path)
            if now is not None and now.looks == then:
                yield path
            else:
                self._observe(path, now)

    def give_up(self) -> None:
        """A file that was taken could not be claimed: the scan finds it again, and no event need have told of it."""
        self.gave_up_s = self._now_s()

    def has_complete(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._complete)

    def next_due_s(self) -> float | None:
        """When `look_again` may find something, on the monotonic clock; None if nothing settles."""
        return self._settling.next_due_s()

    def knows(self, path: str) -> bool:
        """Whether the file is known."""
        return path in self._complete or path in self._settling

    def paths(self) -> set[str]:
        """The files known."""
        return {*self._complete, *self._settling}

    def sample(self, path: str) -> FileSample | None:
        """How the file looks now; None if it is gone."""
        return sample_of(os.path.join(self._folder, path))

    @property
    def room(self) -> int:
        """How many more files may be known."""
        return max(0, MAX_KNOWN - len(self))

    def __len__(self) -> int:
        return len(self._complete) + len(self._settling)

    def _keeps_order(self) -> bool:
        """Whether letters that are complete wait for older ones that are not known or have not settled."""
        return self.has_backlog and self._completion.quiet_s <= MAX_TURN_S

    def _pass_over(self, path: str, notice: FileEvent) -> None:
        """Hold the notice, or drop it, and with it the hope that the scan that is under way ends the backlog."""
        if self.passed_over is None and notice.renamed_in and (sample := self.sample(path)) is not None:
            self.passed_over = rank_of(path, sample.ctime_ns)
        if self._held is not None and len(self._held) < MAX_HELD:
            self._held.append(notice)
        else:
            self.dropped += 1 + len(self._held or ())
            self.has_backlog, self._held = True, None
        self.give_up()

    def _observe(self, path: str, sample: FileSample | None) -> None:
        if sample is None:
            self._forget(path)
        elif self._settling.observe(path, sample, self._now_s()):
            self._completed(path, sample)

    def _completed(self, path: str, sample: FileSample) -> None:
        self.unannounced += path in self._unannounced
        self._forget(path)
        self._complete[path] = sample.looks

    def _forget(self, path: str) -> None:
        self._settling.forget(path)
        self._unannounced.discard(path)
