"""The files of the inbox that the producer knows of: those that still settle, and those that are complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from producer.completing import Completion
from producer.settling import Sample, Settling
from producer.walking import sample_of
from producer.watching import Notice

MAX_KNOWN: Final = 20_000
"""Files known at a time, some 12 MB: ten times as many as may be claimed, so that claiming never waits for a scan."""


class Inbox:
    """What events and scans tell of an inbox, put together; forgotten with the process, and found again by a scan."""

    def __init__(self, folder: str, completion: Completion, monotonic_s: Callable[[], float]) -> None:
        self._folder = folder
        self._completion = completion
        self._now_s = monotonic_s
        self._settling = Settling(completion.quiet_s)
        self._complete: dict[str, Sample] = {}
        """Complete files and how they looked then, in order of arrival."""
        self._unannounced: set[str] = set()
        """Settling files of which events should have told before a scan found them."""
        self.unannounced = 0
        """Files that were complete before any event told of them, although one should have."""
        self.has_backlog = False
        """Whether the inbox holds older letters than those known, for which there was no room."""
        self.dropped = 0
        """Notices that were passed over: the scan finds their files in their turn."""
        self.gave_up_s = float("-inf")
        """When it last let go of a file that is still in the inbox, on the monotonic clock."""

    def letter_at(self, path: str) -> str | None:
        """The letter that a file at that path speaks for; None if it says nothing of any."""
        return self._completion.letter_at(path)

    def notice(self, notice: Notice) -> None:
        """An event told of a file."""
        path = self._completion.letter_at(notice.path)
        if path is None:
            return
        self._unannounced.discard(path)
        if not self.knows(path) and (self.has_backlog or len(self) >= MAX_KNOWN):
            self._drop()
            return
        sample = self.sample(path)
        # One that is being linked into place has two names for a moment: it settles before it is judged.
        is_complete = self._completion.is_told_by(renamed_in=notice.renamed_in)
        if is_complete and sample is not None and sample.links == 1:
            self._completed(path, sample)
        else:
            self._observe(path, sample)

    def found(self, files: Sequence[tuple[str, Sample]], *, unannounced: bool) -> None:
        """A scan found these letters, in this order of arrival; `unannounced` if events should have told of them."""
        new = [(path, sample) for path, sample in files if not self.knows(path)]
        if unannounced:
            self._unannounced.update(path for path, _ in new)
        for path, sample in new:
            self._observe(path, sample)

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
            if now == then:
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

    def sample(self, path: str) -> Sample | None:
        """How the file looks now; None if it is gone."""
        return sample_of(os.path.join(self._folder, path))

    def __len__(self) -> int:
        return len(self._complete) + len(self._settling)

    def _drop(self) -> None:
        self.has_backlog = True
        self.dropped += 1
        self.give_up()

    def _observe(self, path: str, sample: Sample | None) -> None:
        if sample is None:
            self._forget(path)
        elif self._settling.observe(path, sample, self._now_s()):
            self._completed(path, sample)

    def _completed(self, path: str, sample: Sample) -> None:
        self.unannounced += path in self._unannounced
        self._forget(path)
        self._complete[path] = sample

    def _forget(self, path: str) -> None:
        self._settling.forget(path)
        self._unannounced.discard(path)
