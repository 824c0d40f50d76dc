"""Of a stream of files the ones that have waited longest: as many as there is room for, in memory for little more.

Files are ordered by their time of change, which a rename or a write sets: the order of arrival as far as the file
system tells, on its own clock, and by name within one tick of that clock. The clock's offset does not matter, because
files are only compared with each other.
"""

from __future__ import annotations

import math
import os
import struct
from typing import Final, TypeAlias

Rank: TypeAlias = bytes
"""Time of change and path in one: the smaller, the earlier it is a file's turn. Takes a third of the room of a pair."""

_TIME: Final = struct.Struct(">Q")
_MIDDLE: Final = 1 << 63
_LAST: Final = (1 << 64) - 1


def rank_of(path: str, ctime_ns: int) -> Rank:
    """The rank of a file; times that no clock shows (before 1677, after 2262) are taken for the last one that does."""
    return _TIME.pack(min(max(ctime_ns + _MIDDLE, 0), _LAST)) + os.fsencode(path)


def path_of(rank: Rank) -> str:
    """The path of a file by its rank."""
    return os.fsdecode(rank[_TIME.size :])


def time_of(rank: Rank) -> int:
    """The time of change of a file by its rank, in nanoseconds."""
    time: int = _TIME.unpack_from(rank)[0]
    return time - _MIDDLE


class OldestFiles:
    """The oldest files of those added."""

    def __init__(self, room: int, behind: Rank | None = None) -> None:
        self._room = room
        self.behind = behind
        """Only files whose turn comes after this one are picked; None for all."""
        self.left_out = 0
        """Files for which there was no room."""
        self._ranks: list[Rank] = []
        """The oldest so far, and some that may be."""
        self._youngest_ns: float = math.inf
        """The time of the youngest of them that has a chance, once there are more than have room."""
        self._most = room + room // 8 + 64

    def add(self, path: str, ctime_ns: int) -> None:
        """Pick this file, in place of a younger one if need be."""
        if ctime_ns > self._youngest_ns:  # most of a flood
            self.left_out += 1
            return
        rank = rank_of(path, ctime_ns)
        if self.behind is not None and rank <= self.behind:
            return
        self._ranks.append(rank)
        if len(self._ranks) >= self._most:
            self._sort_out()

    def take(self, most: int | None = None) -> list[Rank]:
        """The files picked, oldest first, or so many of them; they are not kept, and leave room for others."""
        self._sort_out()
        picked, self._ranks = self._ranks[:most], self._ranks[len(self._ranks) if most is None else most :]
        return picked

    def _sort_out(self) -> None:
        self._ranks.sort()
        if len(self._ranks) > self._room:
            self.left_out += len(self._ranks) - self._room
            del self._ranks[self._room :]
            self._youngest_ns = time_of(self._ranks[-1]) if self._ranks else -math.inf
