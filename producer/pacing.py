"""How often the inbox is scanned: decided from what the last scan found and what it cost, without looking at anything.

A scan that finds a letter that nothing announced is soon followed by another one. One that finds nothing makes the next
one later, by half each time, and one that takes long makes it later in proportion. Never beyond the longest interval:
that is how long a letter may lie unseen when everything else fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROWTH: Final = 1.5
"""From 5 to 30 seconds in five scans that find nothing: half a minute of quiet."""
MOST_OF_THE_TIME: Final = 1 / 20
"""Scanning takes at most this share of a processor, as far as the longest interval allows."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The bounds of the interval, in seconds."""

    shortest_s: float
    longest_s: float

    def next_s(self, last_s: float, *, busy_s: float, found: int) -> float:
        """The interval after a scan that came `last_s` after its predecessor, worked for `busy_s` and found so many."""
        wanted_s = self.shortest_s if found else last_s * GROWTH
        affordable_s = max(wanted_s, busy_s / MOST_OF_THE_TIME, self.shortest_s)
        return min(affordable_s, max(self.longest_s, self.shortest_s))
