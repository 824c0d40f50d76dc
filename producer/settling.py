"""Which files are complete: decided from how they looked and when, on our own clock, without looking at anything.

A file renamed into the inbox is complete at once. One that is written in place is complete after it has looked the
same for the quiet time: size, both times, inode and link count. Only differences between samples count, never the
times themselves: the clock of a file server may be an hour off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple


class Sample(NamedTuple):
    """How a file looked at one moment. A tuple, because a scan makes one of each file."""

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
        """In the order in which they began to look as they do: each change puts a file behind the others."""

    def observe(self, path: str, sample: Sample, now_s: float) -> bool:
        """Take a sample of a file; whether it is complete. `now_s` never goes back."""
        known = self._watched.get(path)
        if known is None or known.sample != sample:
            self.forget(path)
            self._watched[path] = known = _Watched(sample, now_s)
        return now_s - known.since_s >= self._quiet_s

    def forget(self, path: str) -> None:
        """The file was claimed, or is gone."""
        self._watched.pop(path, None)

    def due(self, now_s: float) -> list[str]:
        """Files that are complete if they still look the same: to be looked at again now.

        Longest quiet first, and those of the same moment in the order in which they were observed.
        """
        ripe = takewhile(lambda one: now_s - one[1].since_s >= self._quiet_s, self._watched.items())
        return [path for path, _ in ripe]

    def next_due_s(self) -> float | None:
        """When the next file may be complete, on the monotonic clock; None if none is waiting."""
        first = next(iter(self._watched.values()), None)
        return first.since_s + self._quiet_s if first is not None else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._watched)

    def __contains__(self, path: str) -> bool:
        return path in self._watched

    def __len__(self) -> int:
        return len(self._watched)
