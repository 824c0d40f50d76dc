"""Of a stream of files the ones that have waited longest: as many as there is room for, in memory for no more.

Files are ordered by their time of change, which a rename or a write sets: the order of arrival as far as the file
system tells, on its own clock. The clock's offset does not matter, because files are only compared with each other.
"""

from __future__ import annotations

import heapq
from typing import TypeAlias

from producer.settling import Sample

Rank: TypeAlias = tuple[int, str]
"""(time of change in ns, negative; path): the greater, the earlier it is a file's turn."""


class Oldest:
    """The oldest files of those added."""

    def __init__(self, room: int, below: Rank | None = None, last: Rank | None = None) -> None:
        self._room = room
        self.below = below
        """Only files whose turn comes after this one are picked; None for all."""
        self.last = last
        """The last in turn of all that were ever taken."""
        self.left_out = 0
        """Files for which there was no room."""
        self._heap: list[tuple[int, str, Sample]] = []
        """The last in turn on top."""

    @property
    def has_room(self) -> bool:
        """Whether any file can be picked at all."""
        return self._room > 0

    def add(self, path: str, sample: Sample) -> None:
        """Pick this file, in place of a younger one if need be."""
        item = (-sample.ctime_ns, path, sample)
        if self.below is not None and item[:2] >= self.below:
            return
        if len(self._heap) < self._room:
            heapq.heappush(self._heap, item)
            return
        self.left_out += 1
        heapq.heappushpop(self._heap, item)

    def take(self) -> list[tuple[str, Sample]]:
        """The files picked, oldest first; they are not kept."""
        picked, self._heap = self._heap, []
        if picked:
            self.last = min(picked[0][:2], self.last) if self.last is not None else picked[0][:2]
        return [(path, sample) for _, path, sample in sorted(picked, key=lambda one: (-one[0], one[1]))]
