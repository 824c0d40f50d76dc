"""The producer's decisions, made from figures alone: how much to claim, when to scan, when to send a message again.

Everything here is pure: no file, no server and no clock is looked at.

*Admission* says how many more letters may be claimed. A letter that is not claimed lies safely in the inbox, where
anybody can see it: that is this system's back-pressure.

The *scan interval* follows what the last scan found and what it cost. A scan that finds a letter that no event
announced is soon followed by the next one. A scan that finds nothing makes the interval longer by half, and a scan that
takes long makes it longer in proportion. It never exceeds the longest interval: that is how long a letter may lie
unnoticed when everything else fails.

The *retry back-off* is how long a claim waits between two hints. A letter that a worker gave back (share or disk
unavailable, file still written to, rest of the file not there yet) is retried after 1 s, 2 s, 4 s and so on. A letter
that no worker has begun may still be on the queue: it waits for the hint timeout first, then for twice that. No wait
exceeds the upper bound, so no letter waits longer than that once the cause is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# --- Admission -------------------------------------------------------------------------------------------------------

MAX_UNFILED_LETTERS: Final = 20_000
"""Finished letters are filed within seconds: that many wait only if they cannot be filed."""


@dataclass(frozen=True, slots=True)
class Load:
    """The figures that admission is decided from. None is a figure that cannot be had; it holds the intake."""

    claimed_letters: int | None
    """Files in `claimed/`."""
    free_disk_bytes: int | None
    redis_used_bytes: int | None
    redis_max_bytes: int | None
    """0 for a server without a limit."""
    redis_writable: bool
    paused: bool = False
    """Whether an operator holds the intake (`imr pause`)."""
    finished_letters: int = 0
    """Files in `claimed/` whose letters are finished, and wait for Redis' disk before they are filed away."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Where to stop claiming; see the settings of the same names."""

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
    blocks_workers: bool = field(default=False, compare=False)
    """Whether the obstacle (share, disk, Redis) is in the way of workers too."""


def admit(load: Load, limits: AdmissionLimits, absence: str | None = None) -> Admission:
    """How many letters may be claimed under that load; none if `absence` says why the share cannot be used."""
    reason = absence or _obstacle(load, limits)
    if reason is not None or load.claimed_letters is None:
        return Admission(0, reason, blocks_workers=not load.paused)
    unfiled_room = MAX_UNFILED_LETTERS - load.finished_letters
    if unfiled_room <= 0:
        what = f"{MAX_UNFILED_LETTERS:,} finished letters wait to be filed away"
        return Admission(0, f"{what}: Redis' disk or the share is behind")
    unfinished = max(0, load.claimed_letters - load.finished_letters)
    room = min(limits.max_claimed_letters - unfinished, unfiled_room)
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
        limit = f"{limits.max_redis_memory_percent} % of its memory limit"
        return f"Redis uses more than {limit} (IMR_MAX_REDIS_MEMORY_PERCENT)"
    return None


# --- Scan interval ---------------------------------------------------------------------------------------------------

SCAN_INTERVAL_GROWTH: Final = 1.5
"""From 5 to 30 seconds in five scans that find nothing: half a minute of quiet."""
MAX_SCAN_SHARE: Final = 1 / 20
"""Scanning takes at most this share of one processor's time, as far as the longest interval allows."""


@dataclass(frozen=True, slots=True)
class ScanInterval:
    """The bounds of the scan interval, in seconds."""

    shortest_s: float
    longest_s: float

    def next_s(self, last_s: float, *, busy_s: float, new_letters: int) -> float:
        """The interval after a scan that came `last_s` after the one before it and worked for `busy_s`."""
        wanted_s = self.shortest_s if new_letters else last_s * SCAN_INTERVAL_GROWTH
        affordable_s = max(wanted_s, busy_s / MAX_SCAN_SHARE, self.shortest_s)
        return min(affordable_s, max(self.longest_s, self.shortest_s))


# --- Retry back-off, and other messages that are sent again ----------------------------------------------------------

FIRST_RETRY_S: Final = 1.0
"""How soon a letter that a worker gave back is retried."""
_JITTER: Final = 0.25
"""Waits are up to a quarter shorter, by claim, so that claims that failed together are not retried together forever."""
_MAX_DOUBLINGS: Final = 30
"""2^30 s is 34 years: above any upper bound, and far below where a float overflows."""

SHALLOW_QUEUE_MESSAGES: Final = 4
"""With more messages than this on the queue, a message that was sent earlier is most likely among them."""


@dataclass(frozen=True, slots=True)
class RetryBackoff:
    """The bounds of the retry back-off, in seconds."""

    hint_timeout_s: float
    longest_s: float

    @property
    def shortest_s(self) -> float:
        """No claim is hinted again sooner."""
        return min(FIRST_RETRY_S, self.hint_timeout_s, self.longest_s)

    def wait_s(self, hints: int, claim_id: str, *, given_back: bool) -> float:
        """How long a claim waits for its next hint after hint number `hints` (from 1)."""
        first_s = min(FIRST_RETRY_S, self.hint_timeout_s) if given_back else self.hint_timeout_s
        wait_s = min(first_s * 2.0 ** min(hints - 1, _MAX_DOUBLINGS), max(self.longest_s, first_s))
        return wait_s if hints <= 1 else wait_s * (1 - _JITTER * _jitter_of(claim_id))


def _jitter_of(claim_id: str) -> float:
    """From 0 to 1, always the same for the same claim."""
    return sum(claim_id.encode()) % 101 / 100


def may_send_again(queue_messages: int) -> bool:
    """Whether a hint, or the message of a periodic task, is worth sending again at this depth of the queue.

    In a deep queue the earlier message is waiting, and another one would only make the queue deeper.
    """
    return queue_messages <= SHALLOW_QUEUE_MESSAGES
