"""How long a claim waits between two hints: decided from figures, without looking at anything.

A letter that a worker gave back (share or disk in the way, file still written to, its end not there yet) is tried again
after a second, two, four and so on. One that nobody has begun may still be on the queue: it has the hint timeout first,
then twice that. No pause is longer than the longest, so no letter waits longer than that once the cause is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 1.0
_SPREAD: Final = 0.25
"""Pauses are up to a quarter shorter, by claim, so that what failed together is not tried together for ever."""
_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of one installation, in seconds."""

    hint_timeout_s: float
    longest_s: float

    @property
    def shortest_s(self) -> float:
        """No claim is hinted again sooner."""
        return min(FIRST_S, self.hint_timeout_s, self.longest_s)

    def after(self, times: int, claim_id: str, *, given_back: bool) -> float:
        """How long after its hint number `times` (from 1) a claim has the next one."""
        first_s = min(FIRST_S, self.hint_timeout_s) if given_back else self.hint_timeout_s
        pause_s = min(first_s * 2.0 ** min(times - 1, _MOST_DOUBLINGS), max(self.longest_s, first_s))
        return pause_s if times <= 1 else pause_s * (1 - _SPREAD * _share_of(claim_id))


def _share_of(claim_id: str) -> float:
    """From 0 to 1, always the same for the same claim."""
    return sum(claim_id.encode()) % 101 / 100
