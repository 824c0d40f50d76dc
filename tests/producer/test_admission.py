"""Whether to claim more: every reason not to, from figures alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from producer.policy import Admission, AdmissionLimits, Load, admit

LIMITS = AdmissionLimits(max_claimed_letters=100, min_free_disk_bytes=1_000_000, max_redis_memory_percent=90)
IDLE = Load(claimed_letters=0, free_disk_bytes=10**9, redis_used_bytes=50, redis_max_bytes=100, redis_writable=True)


@pytest.mark.parametrize(
    ("load", "letters"),
    [
        pytest.param(IDLE, 100, id="nothing claimed"),
        pytest.param(replace(IDLE, claimed_letters=99), 1, id="room for one"),
        pytest.param(replace(IDLE, claimed_letters=150, finished_letters=60), 10, id="finished ones do not count"),
        pytest.param(replace(IDLE, claimed_letters=3, finished_letters=5), 100, id="some were filed meanwhile"),
        pytest.param(replace(IDLE, claimed_letters=19_990, finished_letters=19_990), 10, id="many wait to be filed"),
        pytest.param(replace(IDLE, free_disk_bytes=1_000_000), 100, id="disk exactly at the limit"),
        pytest.param(replace(IDLE, redis_used_bytes=90), 100, id="memory exactly at the limit"),
        pytest.param(replace(IDLE, redis_used_bytes=10**15, redis_max_bytes=0), 100, id="a Redis without a limit"),
    ],
)
def test_it_admits_up_to_the_limit_of_claimed_letters(load: Load, letters: int) -> None:
    assert admit(load, LIMITS) == Admission(letters, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"claimed_letters": None}, "the share cannot be looked at"),
        ({"free_disk_bytes": None}, "the share cannot be looked at"),
        ({"free_disk_bytes": 999_999}, "less than 1,000,000 bytes are free on the share (IMR_MIN_FREE_DISK_BYTES)"),
        ({"paused": True}, "paused by an operator (`imr resume` opens the intake)"),
        ({"paused": True, "redis_used_bytes": None}, "paused by an operator (`imr resume` opens the intake)"),
        ({"redis_used_bytes": None}, "Redis cannot be reached"),
        ({"redis_max_bytes": None}, "Redis cannot be reached"),
        ({"redis_writable": False}, "Redis does not take writes (read-only replica, or its disk is full)"),
        (
            {"redis_used_bytes": 91},
            "Redis uses more than 90 % of its memory limit (IMR_MAX_REDIS_MEMORY_PERCENT)",
        ),
        (
            {"claimed_letters": 100},
            "100 letters are claimed and unfinished (IMR_MAX_CLAIMED_LETTERS): the workers are behind",
        ),
        (
            {"claimed_letters": 20_000, "finished_letters": 20_000},
            "20,000 finished letters wait to be filed away: Redis' disk or the share is behind",
        ),
        (
            {"claimed_letters": 250},
            "100 letters are claimed and unfinished (IMR_MAX_CLAIMED_LETTERS): the workers are behind",
        ),
    ],
)
def test_it_holds_and_says_why_in_words_that_stay_the_same(change: dict[str, int | None], reason: str) -> None:
    assert admit(replace(IDLE, **change), LIMITS) == Admission(0, reason)  # type: ignore[arg-type]


def test_what_cannot_be_seen_holds_before_anything_else_is_said() -> None:
    nothing = Load(None, None, None, None, redis_writable=False)
    assert admit(nothing, LIMITS) == Admission(0, "the share cannot be looked at")


def test_an_obstacle_of_share_disk_or_redis_blocks_workers_too() -> None:
    """Its end ends the retry back-off of what they gave back; being behind, or paused, blocks no worker."""
    limits = AdmissionLimits(max_claimed_letters=10, min_free_disk_bytes=100, max_redis_memory_percent=90)
    fine = Load(5, 1000, 1, 100, redis_writable=True)
    blocked = {
        "no share": replace(fine, claimed_letters=None),
        "full disk": replace(fine, free_disk_bytes=99),
        "no Redis": replace(fine, redis_used_bytes=None),
        "no writes": replace(fine, redis_writable=False),
    }
    assert all(admit(load, limits).blocks_workers for load in blocked.values())
    other = (fine, replace(fine, paused=True), replace(fine, claimed_letters=10))
    assert not any(admit(load, limits).blocks_workers for load in other)
