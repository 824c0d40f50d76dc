"""Which files have been stable for long enough: decided from their samples and our own clock, without any I/O.

A file that is written in place is complete after it has looked the same for the quiet time: size, both times, inode and
number of links. Only differences between samples count, never the times themselves: the clock of a file server may be
an hour off. Which quiet time applies, and which files need none, is the `CompletionRule`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from worker.adapters.share.file_sample import FileSample

_SINCE: Final = struct.Struct("=d")


class StabilityTracker:
    """The files of an inbox that are not complete yet."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._tracked: dict[str, bytes] = {}
        """Path -> since when the file looks as it does (on the monotonic clock), and how it looks. Packed, which takes
        a quarter of the room. Ordered by the time: each change moves a file to the end."""

    def observe(self, path: str, sample: FileSample, now_s: float) -> bool:
        """Record a sample of a file; whether the file is complete. `now_s` never goes back."""
        known, fingerprint = self._tracked.get(path), sample.fingerprint
        if known is None or known[_SINCE.size :] != fingerprint:
            self.forget(path)
            self._tracked[path] = known = _SINCE.pack(now_s) + fingerprint
        return now_s - _since_s(known) >= self._quiet_s

    def forget(self, path: str) -> None:
        """Stop tracking a file: it was claimed, or is gone."""
        self._tracked.pop(path, None)

    def due(self, now_s: float) -> list[str]:
        """Files to sample again now: those that still look the same are complete.

        Longest quiet first, and those of the same moment in the order in which they were observed.
        """
        quiet = takewhile(lambda entry: now_s - _since_s(entry[1]) >= self._quiet_s, self._tracked.items())
        return [path for path, _ in quiet]

    def next_due_s(self) -> float | None:
        """When the next file may be complete, on the monotonic clock; None if no file is tracked."""
        longest_quiet = next(iter(self._tracked.values()), None)
        return _since_s(longest_quiet) + self._quiet_s if longest_quiet is not None else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tracked)

    def __contains__(self, path: str) -> bool:
        return path in self._tracked

    def __len__(self) -> int:
        return len(self._tracked)


def _since_s(tracked: bytes) -> float:
    since_s: float = _SINCE.unpack_from(tracked)[0]
    return since_s
