"""Which files are complete: decided from how they looked and when, on our own clock, without looking at anything.

A file renamed into the inbox is complete at once. One that is written in place is complete after it has looked the
same for the quiet time: size, both times, inode and link count. Only differences between samples count, never the
times themselves: the clock of a file server may be an hour off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """How a file looked at one moment."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int


@dataclass(frozen=True, slots=True)
class _Watched:
    sample: Sample
    since_s: float
    """When it began to look like that, on the monotonic clock."""


class Settling:
    """The files of an inbox that are not complete yet."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._watched: dict[str, _Watched] = {}

    def observe(self, path: str, sample: Sample, now_s: float) -> bool:
        """Take a sample of a file; whether it is complete."""
        known = self._watched.get(path)
        if known is None or known.sample != sample:
            self._watched[path] = known = _Watched(sample, now_s)
        return now_s - known.since_s >= self._quiet_s

    def forget(self, path: str) -> None:
        """The file was claimed, or is gone."""
        self._watched.pop(path, None)

    def keep_only(self, paths: Iterable[str]) -> None:
        """A full scan found these paths and no others."""
        found = set(paths)
        for path in [path for path in self._watched if path not in found]:
            del self._watched[path]

    def due(self, now_s: float) -> list[str]:
        """Files that are complete if they still look the same: to be looked at again now.

        Longest quiet first, and those of the same moment in the order in which they were observed.
        """
        ripe = [path for path, known in self._watched.items() if now_s - known.since_s >= self._quiet_s]
        return sorted(ripe, key=lambda path: self._watched[path].since_s)

    def next_due_s(self) -> float | None:
        """When the next file may be complete, on the monotonic clock; None if none is waiting."""
        if not self._watched:
            return None
        return min(known.since_s for known in self._watched.values()) + self._quiet_s

    def __len__(self) -> int:
        return len(self._watched)
