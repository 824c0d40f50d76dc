"""Whether to claim more letters: decided from figures, without looking at anything.

A letter that is not claimed lies safely in the inbox, where anybody can see it; that is this system's back-pressure.
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
class Limits:
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


def admit(load: Load, limits: Limits, told: str | None = None) -> Admission:
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


def _obstacle(load: Load, limits: Limits) -> str | None:
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
