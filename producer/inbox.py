"""The files of the inbox that the producer knows of: those that still settle, and those that are complete."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator

from producer.scanning import sample_of, scan
from producer.settling import Sample, Settling
from producer.watching import Notice
from worker.contract.junk import may_be_letter

log = logging.getLogger("imr.producer")


class Inbox:
    """What events and scans tell of an inbox, put together; forgotten with the process, and found again by a scan."""

    def __init__(self, folder: str, quiet_s: float, monotonic_s: Callable[[], float]) -> None:
        self._folder = folder
        self._now_s = monotonic_s
        self._settling = Settling(quiet_s)
        self._complete: dict[str, Sample] = {}
        """Complete files and how they looked then, in order of arrival."""
        self.ignored = 0
        """Files that are no letters by their names, as last counted."""

    def notice(self, notice: Notice) -> None:
        """An event told of a path."""
        if notice.is_folder:
            self._look_into(notice.path)
        elif may_be_letter(notice.path):
            sample = self._sample(notice.path)
            # One that is being linked into place has two names for a moment: it settles before it is judged.
            if notice.renamed_in and sample is not None and sample.links == 1:
                self._completed(notice.path, sample)
            else:
                self._observe(notice.path, sample)

    def scan(self) -> None:
        """Find what no event told of, and forget what is gone."""
        try:
            found = dict(scan(self._folder))
        except OSError as error:
            log.error("the inbox cannot be listed (errno=%s); letters wait until it can", error.errno)
            return
        letters = {path: sample for path, sample in found.items() if sample is not None}
        self.ignored = len(found) - len(letters)
        self._settling.keep_only(letters)
        for path in [path for path in self._complete if path not in letters]:
            del self._complete[path]
        self._found(letters)

    def look_again(self) -> None:
        """See whether files that were quiet for long enough still look the same."""
        for path in self._settling.due(self._now_s()):
            self._observe(path, self._sample(path))

    def take(self, most: int) -> Iterator[str]:
        """Up to `most` complete files, in order of arrival, not known here any more.

        One that has changed since it was complete settles again: it may have waited here for long.
        """
        for path in list(self._complete)[:most]:
            then, now = self._complete.pop(path), self._sample(path)
            if now == then:
                yield path
            else:
                self._observe(path, now)

    def has_complete(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._complete)

    def next_due_s(self) -> float | None:
        """When `look_again` may find something, on the monotonic clock; None if nothing settles."""
        return self._settling.next_due_s()

    def __len__(self) -> int:
        return len(self._complete) + len(self._settling)

    def _look_into(self, folder: str) -> None:
        """Files may have come with a folder, or before its own watch: no event tells of those."""
        if os.path.islink(os.path.join(self._folder, folder)):
            return
        try:
            self._found({path: sample for path, sample in scan(self._folder, folder) if sample is not None})
        except OSError:
            return  # gone again, or not readable yet: the next scan of all looks

    def _found(self, letters: dict[str, Sample]) -> None:
        """Observe these files in the order in which they came to be where they are, as far as their times tell."""
        for path, sample in _by_arrival(letters.items()):
            if path not in self._complete:
                self._observe(path, sample)

    def _observe(self, path: str, sample: Sample | None) -> None:
        if sample is None:
            self._settling.forget(path)
        elif self._settling.observe(path, sample, self._now_s()):
            self._completed(path, sample)

    def _completed(self, path: str, sample: Sample) -> None:
        self._settling.forget(path)
        self._complete[path] = sample

    def _sample(self, path: str) -> Sample | None:
        return sample_of(os.path.join(self._folder, path))


def _by_arrival(files: Iterable[tuple[str, Sample]]) -> list[tuple[str, Sample]]:
    return sorted(files, key=lambda file: file[1].ctime_ns)
