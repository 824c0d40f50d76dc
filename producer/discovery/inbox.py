"""The index of the inbox: files that the producer knows, those that still settle and those that are complete.

It is lost when the process ends, and the first scan fills it again. Whose turn it is to get into the index is decided
by `producer.discovery.backlog`; here each file stands on its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from producer.discovery.stability import StabilityTracker
from worker.adapters.share.completion_rule import CompletionRule
from worker.adapters.share.file_sample import FileSample, Fingerprint, sample_of

MAX_KNOWN: Final = 10_000
"""Files known at a time, some 2 MB: five times as many as may be claimed, so that claims need not wait for a scan."""


class InboxIndex:
    """The known files of one inbox, by their paths relative to it."""

    def __init__(self, folder: str, completion: CompletionRule, monotonic_s: Callable[[], float]) -> None:
        self._folder = folder
        self._completion = completion
        self._now_s = monotonic_s
        self._settling = StabilityTracker(completion.quiet_s)
        self._complete: dict[str, Fingerprint] = {}
        """Complete files in order of arrival, and how they looked when they were complete."""
        self._unannounced: set[str] = set()
        """Settling files that a scan found although an event should have announced them before."""
        self.unannounced = 0
        """Files that were complete before any event announced them, although one should have."""
        self.claim_failed_s = float("-inf")
        """When a file was last taken and then could not be claimed, on the monotonic clock."""

    @property
    def quiet_s(self) -> float:
        """How long a file must stay unchanged that is not known to be complete, in seconds."""
        return self._completion.quiet_s

    @property
    def room(self) -> int:
        """How many more files may be known."""
        return max(0, MAX_KNOWN - len(self))

    def letter_at(self, path: str) -> str | None:
        """The letter that the file at that path announces; None if it announces none."""
        return self._completion.letter_at(path)

    def add_announced(self, letter: str, *, renamed_in: bool, must_settle: bool = False) -> None:
        """An event announced a letter. `must_settle`: it waits for its quiet time even if the event shows it complete.

        `renamed_in`: whether the file that announces it came by a rename.
        """
        self._unannounced.discard(letter)
        sample = self.sample(letter)
        is_complete = self._completion.is_complete_at_once(renamed_in=renamed_in) and not must_settle
        # A file that is being linked into place has two names for a moment: it settles before it is judged.
        if is_complete and sample is not None and sample.links == 1:
            self._complete_now(letter, sample)
        else:
            self._observe(letter, sample)

    def add_found(self, letters: Iterable[str], *, unannounced: bool) -> int:
        """A scan found these letters, in this order of arrival; how many of them were not known.

        `unannounced`: whether an event should have announced each of them.
        """
        new = 0
        for letter in letters:
            if self.knows(letter):
                continue
            new += 1
            if unannounced:
                self._unannounced.add(letter)
            self._observe(letter, self.sample(letter))
        return new

    def forget_missing(self, letters: Iterable[str]) -> None:
        """A scan did not meet these letters: forget those that are gone."""
        for letter in letters:
            if self.knows(letter) and self.sample(letter) is None:
                self._forget(letter)
                self._complete.pop(letter, None)

    def recheck(self) -> None:
        """Sample the files again whose quiet time is over: those that still look the same are complete."""
        for letter in self._settling.due(self._now_s()):
            self._observe(letter, self.sample(letter))

    def take_complete(self, most: int) -> Iterator[str]:
        """Up to `most` complete files, in order of arrival; they are no longer known here.

        A file that has changed since it was complete settles again: it may have waited here for long.
        """
        for letter in list(islice(self._complete, most)):
            fingerprint, sample = self._complete.pop(letter), self.sample(letter)
            if sample is not None and sample.fingerprint == fingerprint:
                yield letter
            else:
                self._observe(letter, sample)

    def claim_failed(self) -> None:
        """A file that was taken could not be claimed: a scan finds it again, and no event need announce it."""
        self.claim_failed_s = self._now_s()

    def has_complete(self) -> bool:
        """Whether there is a complete file to take."""
        return bool(self._complete)

    def next_due_s(self) -> float | None:
        """When `recheck` may find a complete file, on the monotonic clock; None if no file is settling."""
        return self._settling.next_due_s()

    def knows(self, letter: str) -> bool:
        """Whether the file is known."""
        return letter in self._complete or letter in self._settling

    def paths(self) -> set[str]:
        """The known files."""
        return {*self._complete, *self._settling}

    def sample(self, letter: str) -> FileSample | None:
        """How the file looks now; None if it is gone."""
        return sample_of(os.path.join(self._folder, letter))

    def __len__(self) -> int:
        return len(self._complete) + len(self._settling)

    def _observe(self, letter: str, sample: FileSample | None) -> None:
        if sample is None:
            self._forget(letter)
        elif self._settling.observe(letter, sample, self._now_s()):
            self._complete_now(letter, sample)

    def _complete_now(self, letter: str, sample: FileSample) -> None:
        self.unannounced += letter in self._unannounced
        self._forget(letter)
        self._complete[letter] = sample.fingerprint

    def _forget(self, letter: str) -> None:
        self._settling.forget(letter)
        self._unannounced.discard(letter)
