"""The oldest of a stream of files, in bounded memory: compared with sorting all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.discovery.arrival_order import OldestFiles, path_of, rank_of

FILES = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 9), max_size=300)


def in_turn(times: dict[str, int]) -> list[str]:
    """By time, and by name among those of one time."""
    return sorted(times, key=lambda path: (times[path], path))


def picked_of(oldest: OldestFiles, most: int | None = None) -> list[str]:
    return [path_of(rank) for rank in oldest.take(most)]


@given(FILES, st.integers(1, 70))
def test_the_oldest_are_picked_in_order_and_the_others_counted(times: dict[str, int], room: int) -> None:
    oldest = OldestFiles(room)
    for path, ctime_ns in times.items():
        oldest.add(path, ctime_ns)
    assert picked_of(oldest) == in_turn(times)[:room]
    assert oldest.left_out == max(0, len(times) - room)


@given(FILES, st.integers(1, 7))
def test_going_on_behind_the_last_one_picks_each_file_once_in_turn(times: dict[str, int], room: int) -> None:
    """Also when none of them is ever claimed, and many have the same time."""
    seen: list[str] = []
    after = None
    for _ in range(len(times) + 1):
        oldest = OldestFiles(room, after)
        for path, ctime_ns in times.items():
            oldest.add(path, ctime_ns)
        picked = oldest.take()
        seen += map(path_of, picked)
        if not oldest.left_out:
            break
        after = picked[-1]
    assert seen == in_turn(times)


def test_files_without_number_take_little_more_room_than_is_there() -> None:
    oldest = OldestFiles(100)
    for number in range(100_000):
        oldest.add(f"{number}", 100_000 - number)
        assert len(oldest._ranks) <= 100 + 100 // 8 + 64
    assert picked_of(oldest) == [f"{number}" for number in range(99_999, 99_899, -1)]


def test_a_part_is_taken_and_the_rest_competes_on() -> None:
    oldest = OldestFiles(3)
    for number in (5, 3, 4):
        oldest.add(f"{number}", number)
    assert picked_of(oldest, 1) == ["3"]
    for number in (1, 2, 6):
        oldest.add(f"{number}", number)
    assert picked_of(oldest) == ["1", "2", "4"]
    assert oldest.left_out == 2


def test_without_room_nothing_is_picked_and_all_is_counted() -> None:
    oldest = OldestFiles(0)
    for number in range(1000):
        oldest.add(f"{number}", number)
    assert oldest.take() == []
    assert oldest.left_out == 1000


@pytest.mark.parametrize("path", ["a", "clinic/a.pdf", "\udcff\udcfe", "line\nbreak", "ü" * 100], ids=ascii)
@pytest.mark.parametrize("ctime_ns", [0, -1, 10**18, 2**63, -(2**63) - 1, 2**93])
def test_any_name_and_any_time_has_a_rank(path: str, ctime_ns: int) -> None:
    assert path_of(rank_of(path, ctime_ns)) == path
    assert rank_of(path, ctime_ns) <= rank_of(path, ctime_ns + 1)
