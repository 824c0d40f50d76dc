"""Handing over what a scan picked: oldest first, as the inbox has room, and until then as ranks, which take little.

When everything is handed over that there was, the inbox has caught up: what comes from then on is younger than all that
is known, and known at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from producer.discovery.arrival_order import Rank, path_of
from producer.discovery.inbox import InboxIndex

SLICE_S: Final = 0.02
"""How long a scan or a handing over works before the loop lives again."""
AT_A_TIME: Final = 32
"""Files between two looks at the clock; a slow share answers some thousand times a second."""


class ScanBacklog:
    """What the last scan of a whole inbox picked."""

    def __init__(self, inbox: InboxIndex, monotonic_s: Callable[[], float]) -> None:
        self._inbox = inbox
        self._now_s = monotonic_s
        self._picked: list[Rank] = []
        """Oldest last."""
        self._left_out = 0
        self._is_current = False
        """Whether no other scan has begun since, and the inbox has not caught up with this one."""
        self.behind: Rank | None = None
        """The last that was handed over, if others were left out. The next scan goes on behind it, or files that cannot
        be claimed would be picked for ever, and the others never."""

    @property
    def waiting(self) -> int:
        """Letters that were met and are not known."""
        return len(self._picked) + self._left_out

    def begin(self) -> None:
        """Another scan of everything begins; what the last one picked is handed over until that has ended."""
        self._is_current = False
        self._inbox.begin_to_catch_up()

    def put(self, picked: list[Rank], left_out: int, *, unannounced: bool) -> None:
        """A scan of everything picked these, oldest first, and left out so many; see `InboxIndex.found`."""
        cut = self._in_order(picked)
        self._picked, self._is_current = picked[:cut][::-1], True
        self._left_out = left_out + (0 if self._inbox.will_catch_up() else len(picked) - cut)
        self.work(unannounced=unannounced)

    def work(self, *, unannounced: bool = False) -> None:
        """Make known what there is room for, for no longer than a slice."""
        until_s = self._now_s() + SLICE_S
        while self.has_work():
            self._next(unannounced=unannounced)
            if self._now_s() >= until_s:
                break
        if self._is_current and not self._picked and (self._left_out or self._inbox.may_catch_up()):
            self._end(is_all=not self._left_out)

    def has_work(self) -> bool:
        """Whether there is something to hand over, and room for it."""
        return bool(self._picked) and self._inbox.room > 0

    def has_room(self) -> bool:
        """Whether it is time to pick more: while half of what may be known is left, claims need not wait for it."""
        return not self._picked and not self._is_current and self._inbox.room >= len(self._inbox)

    def _end(self, *, is_all: bool) -> None:
        self._is_current = False
        self.behind = None if is_all else self.behind
        self._inbox.catch_up(is_all_known=is_all)

    def _in_order(self, picked: list[Rank]) -> int:
        """How many of them have no other before them: of what comes while it is made, a listing shows any or none."""
        first = self._inbox.passed_over
        return bisect_right(picked, first) if first is not None else len(picked)

    def _next(self, *, unannounced: bool) -> None:
        most = min(AT_A_TIME, self._inbox.room)
        ranks = self._picked[: -most - 1 : -1]
        del self._picked[-most:]
        self.behind = ranks[-1]
        self._inbox.found(map(path_of, ranks), unannounced=unannounced)
