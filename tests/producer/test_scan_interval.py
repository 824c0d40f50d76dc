"""How soon the next scan comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.policy import MAX_SCAN_SHARE, ScanInterval

PACE = ScanInterval(shortest_s=5.0, longest_s=30.0)


@pytest.mark.parametrize(
    ("last_s", "busy_s", "new_letters", "next_s"),
    [
        (5.0, 0.0, 0, 7.5),
        (7.5, 0.0, 0, 11.25),
        (29.0, 0.0, 0, 30.0),
        (30.0, 0.0, 0, 30.0),
        (30.0, 0.0, 1, 5.0),
        (5.0, 0.5, 1, 10.0),
        (5.0, 0.5, 0, 10.0),
        (20.0, 0.5, 0, 30.0),
        (5.0, 60.0, 1, 30.0),
    ],
)
def test_a_find_makes_scans_frequent_and_nothing_or_cost_makes_them_rare(
    last_s: float, busy_s: float, new_letters: int, next_s: float
) -> None:
    assert PACE.next_s(last_s, busy_s=busy_s, new_letters=new_letters) == next_s


def test_the_longest_interval_is_never_below_the_shortest() -> None:
    assert ScanInterval(shortest_s=60.0, longest_s=30.0).next_s(60.0, busy_s=0.0, new_letters=0) == 60.0


@given(st.lists(st.tuples(st.floats(0, 1e6, allow_nan=False), st.integers(0, 10**6))))
def test_the_bounds_hold_whatever_happens(scans: list[tuple[float, int]]) -> None:
    interval_s = PACE.shortest_s
    for busy_s, new_letters in scans:
        interval_s = PACE.next_s(interval_s, busy_s=busy_s, new_letters=new_letters)
        assert PACE.shortest_s <= interval_s <= PACE.longest_s
        assert interval_s == PACE.longest_s or busy_s <= interval_s * MAX_SCAN_SHARE * 1.000001
