"""Of a stream of files the oldest, in memory for no more: against sorting them all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producer.oldest import Oldest
from producer.settling import Sample


def sample(ctime_ns: int) -> Sample:
    return Sample(size_bytes=1, mtime_ns=0, ctime_ns=ctime_ns, inode=1, links=1)


FILES = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 9), max_size=60)


@given(FILES, st.integers(1, 70))
def test_the_oldest_are_picked_in_order_and_the_others_counted(times: dict[str, int], room: int) -> None:
    oldest = Oldest(room)
    for path, ctime_ns in times.items():
        oldest.add(path, sample(ctime_ns))
    picked = oldest.take()
    in_order = sorted(times.values())
    assert [found.ctime_ns for _, found in picked] == in_order[:room]
    assert picked == sorted(picked, key=lambda one: (one[1].ctime_ns, one[0]))
    assert oldest.left_out == max(0, len(times) - room)


@given(FILES, st.integers(1, 7))
def test_going_on_behind_the_last_one_picks_each_file_once(times: dict[str, int], room: int) -> None:
    """Also when none of them is ever claimed, and many have the same time."""
    seen: list[str] = []
    below = None
    for _ in range(len(times) + 1):
        oldest = Oldest(room, below)
        for path, ctime_ns in times.items():
            oldest.add(path, sample(ctime_ns))
        seen += [path for path, _ in oldest.take()]
        below = oldest.last
        if not oldest.left_out:
            break
    assert sorted(seen) == sorted(times)


def test_without_room_nothing_is_picked() -> None:
    oldest = Oldest(0)
    assert not oldest.has_room
    assert oldest.take() == []
    assert oldest.last is None


def test_what_was_taken_before_counts_for_the_last_one() -> None:
    first = Oldest(2)
    first.add("young", sample(9))
    first.take()
    second = Oldest(2, below=None, last=first.last)
    second.add("old", sample(1))
    assert second.take() == [("old", sample(1))]
    assert second.last == first.last == (-9, "young")
