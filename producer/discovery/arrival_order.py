"""The order of arrival: ranks by which files are compared, and the oldest files of a scan in bounded memory.

Files are ordered by their time of change, which a rename or a write sets: the order of arrival as far as the file
system shows it, on its own clock, and by name within one tick of that clock. The clock's offset does not matter,
because files are only compared with each other.
"""

from __future__ import annotations

import math
import os
import struct
from typing import Final, TypeAlias

Rank: TypeAlias = bytes
"""Time of change and path in one value: smaller means earlier. Takes a third of the memory of a pair."""

_TIME: Final = struct.Struct(">Q")
_MIDDLE: Final = 1 << 63
_LAST: Final = (1 << 64) - 1


def rank_of(path: str, ctime_ns: int) -> Rank:
    """The rank of a file. A time that no clock shows (before 1677, after 2262) counts as the nearest that one does."""
    return _TIME.pack(min(max(ctime_ns + _MIDDLE, 0), _LAST)) + os.fsencode(path)


def path_of(rank: Rank) -> str:
    """The path of a file by its rank."""
    return os.fsdecode(rank[_TIME.size :])


def time_of(rank: Rank) -> int:
    """The time of change of a file by its rank, in nanoseconds."""
    time: int = _TIME.unpack_from(rank)[0]
    return time - _MIDDLE


class OldestFiles:
    """The oldest of the files added: at most `room`, in memory for little more."""

    def __init__(self, room: int, after: Rank | None = None) -> None:
        self._room = room
        self.after = after
        """Only files that rank after this one are kept; None for all."""
        self.left_out = 0
        """Files for which there was no room."""
        self._ranks: list[Rank] = []
        """The oldest so far, and some more that are not sorted out yet."""
        self._youngest_ns: float = math.inf
        """Once the room is full: the time of the youngest file that is kept."""
        self._most = room + room // 8 + 64

    def add(self, path: str, ctime_ns: int) -> None:
        """Keep this file, in place of a younger one if there is no room."""
        if ctime_ns > self._youngest_ns:  # most of a flood
            self.left_out += 1
            return
        rank = rank_of(path, ctime_ns)
        if self.after is not None and rank <= self.after:
            return
        self._ranks.append(rank)
        if len(self._ranks) >= self._most:
            self._sort_out()

    def take(self, most: int | None = None) -> list[Rank]:
        """The files kept, oldest first, or the first `most` of them; they leave room for others."""
        self._sort_out()
        taken, self._ranks = self._ranks[:most], self._ranks[len(self._ranks) if most is None else most :]
        return taken

    def _sort_out(self) -> None:
        self._ranks.sort()
        if len(self._ranks) > self._room:
            self.left_out += len(self._ranks) - self._room
            del self._ranks[self._room :]
            self._youngest_ns = time_of(self._ranks[-1]) if self._ranks else -math.inf


class PickedFiles:
    """What the last full scan picked and what is left of it."""

    def __init__(self) -> None:
        self._ranks: list[Rank] = []
        """Oldest last."""
        self.left_out = 0
        """Letters that the scan met and did not pick."""
        self.resume_after: Rank | None = None
        """The last letter that was taken, if others were left out: the next full scan picks only later ones. Else files
        that cannot be claimed would be picked each time, and the others never."""

    def __len__(self) -> int:
        return len(self._ranks)

    def replace(self, ranks: list[Rank], left_out: int) -> None:
        """Another full scan has ended: it picked these, oldest first."""
        self._ranks, self.left_out = ranks[::-1], left_out

    def take(self, most: int) -> list[Rank]:
        """Up to `most` letters (at least 1), oldest first."""
        ranks = self._ranks[: -most - 1 : -1]
        del self._ranks[-most:]
        self.resume_after = ranks[-1]
        return ranks

    def start_over(self) -> None:
        """Nothing was left out: the next full scan picks from the oldest letter on."""
        self.resume_after = None
