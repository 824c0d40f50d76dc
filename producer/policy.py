"""Whether to claim more letters: decided from figures, without looking at anything.

A letter that is not claimed lies safely in the inbox, where anybody can see it; that is this system's back-pressure.

How often the inbox is scanned: decided from what the last scan found and what it cost, without looking at anything.

A scan that finds a letter that nothing announced is soon followed by another one. One that finds nothing makes the next
one later, by half each time, and one that takes long makes it later in proportion. Never beyond the longest interval:
that is how long a letter may lie unseen when everything else fails.

How long a claim waits between two hints: decided from figures, without looking at anything.

A letter that a worker gave back (share or disk in the way, file still written to, its end not there yet) is tried again
after a second, two, four and so on. One that nobody has begun may still be on the queue: it has the hint timeout first,
then twice that. No pause is longer than the longest, so no letter waits longer than that once the cause is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_UNFILED_LETTERS: Final = 20_000
"""Finished letters are filed within seconds; so many are there only if they cannot be."""


@dataclass(frozen=True, slots=True)
class Load:
    """The figures; None for one that cannot be had, which holds the intake."""

    claimed_letters: int | None
    """Files in `claimed/`."""
    free_disk_bytes: int | None
    redis_used_bytes: int | None
    redis_max_bytes: int | None
    """0 for a server without a limit."""
    redis_writable: bool
    paused: bool = False
    """Whether an operator holds the intake."""
    finished_letters: int = 0
    """Files in `claimed/` whose letters are finished, and wait for Redis' disk before they are filed away."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Where to stop; see the settings of the same names."""

    max_claimed_letters: int
    min_free_disk_bytes: int
    max_redis_memory_percent: int


@dataclass(frozen=True, slots=True)
class Admission:
    """How many letters may be claimed now, and what holds the others, in words for `imr status`.

    The words name limits, not measurements: they stay the same for as long as the obstacle does.
    """

    letters: int
    reason: str | None
    is_hindrance: bool = field(default=False, compare=False)
    """Whether it is in the way of workers too: share, disk, Redis."""


def admit(load: Load, limits: AdmissionLimits, told: str | None = None) -> Admission:
    """How many letters may be claimed under that load; none if `told` is a reason why not."""
    reason = told or _obstacle(load, limits)
    if reason is not None or load.claimed_letters is None:
        return Admission(0, reason, is_hindrance=not load.paused)
    unfiled = MAX_UNFILED_LETTERS - load.finished_letters
    if unfiled <= 0:
        what = f"{MAX_UNFILED_LETTERS:,} finished letters wait to be filed away"
        return Admission(0, f"{what}: Redis' disk or the share is behind")
    unfinished = max(0, load.claimed_letters - load.finished_letters)
    room = min(limits.max_claimed_letters - unfinished, unfiled)
    if room <= 0:
        what = f"{limits.max_claimed_letters:,} letters are claimed and unfinished (IMR_MAX_CLAIMED_LETTERS)"
        return Admission(0, f"{what}: the workers are behind")
    return Admission(room, None)


def _obstacle(load: Load, limits: AdmissionLimits) -> str | None:
    if load.claimed_letters is None or load.free_disk_bytes is None:
        return "the share cannot be looked at"
    if load.paused:
        return "paused by an operator (`imr resume` opens the intake)"
    if load.free_disk_bytes < limits.min_free_disk_bytes:
        return f"less than {limits.min_free_disk_bytes:,} bytes are free on the share (IMR_MIN_FREE_DISK_BYTES)"
    if load.redis_used_bytes is None or load.redis_max_bytes is None:
        return "Redis cannot be reached"
    if not load.redis_writable:
        return "Redis does not take writes (read-only replica, or its disk is full)"
    if load.redis_max_bytes and load.redis_used_bytes * 100 > load.redis_max_bytes * limits.max_redis_memory_percent:
        share = f"{limits.max_redis_memory_percent} % of its memory limit"
        return f"Redis uses more than {share} (IMR_MAX_REDIS_MEMORY_PERCENT)"
    return None


GROWTH: Final = 1.5
"""From 5 to 30 seconds in five scans that find nothing: half a minute of quiet."""
MOST_OF_THE_TIME: Final = 1 / 20
"""Scanning takes at most this share of a processor, as far as the longest interval allows."""


@dataclass(frozen=True, slots=True)
class ScanInterval:
    """The bounds of the interval, in seconds."""

    shortest_s: float
    longest_s: float

    def next_s(self, last_s: float, *, busy_s: float, found: int) -> float:
        """The interval after a scan that came `last_s` after its predecessor, worked for `busy_s` and found so many."""
        wanted_s = self.shortest_s if found else last_s * GROWTH
        affordable_s = max(wanted_s, busy_s / MOST_OF_THE_TIME, self.shortest_s)
        return min(affordable_s, max(self.longest_s, self.shortest_s))


FIRST_S: Final = 1.0
_SPREAD: Final = 0.25
"""Pauses are up to a quarter shorter, by claim, so that what failed together is not tried together for ever."""
_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class RetryBackoff:
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
