"""Which files are complete: by differences between samples and our own clock alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.discovery.stability import StabilityTracker
from worker.adapters.share.file_sample import FileSample

QUIET_S = 2.0
U64, S64, U32 = st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1)
FIRST = FileSample(size_bytes=10, mtime_ns=1, ctime_ns=1, inode=7, links=1)


@pytest.mark.parametrize(
    ("seconds_later", "is_complete"),
    [(0.0, False), (1.999, False), (2.0, True), (2.001, True), (3600.0, True)],
)
def test_a_file_that_looks_the_same_is_complete_after_the_quiet_time(seconds_later: float, is_complete: bool) -> None:
    settling = StabilityTracker(QUIET_S)
    assert not settling.observe("x", FIRST, 100.0)
    assert settling.observe("x", FIRST, 100.0 + seconds_later) is is_complete


@pytest.mark.parametrize("field", ["size_bytes", "mtime_ns", "ctime_ns", "inode", "links"])
def test_any_difference_begins_the_quiet_time_anew(field: str) -> None:
    settling = StabilityTracker(QUIET_S)
    settling.observe("x", FIRST, 0.0)
    changed = FIRST._replace(**{field: getattr(FIRST, field) + 1})
    assert not settling.observe("x", changed, 2.0)
    assert not settling.observe("x", changed, 3.9)
    assert settling.observe("x", changed, 4.0)


@pytest.mark.parametrize(
    "clock_ns",
    [0, -1, 10**9 * 3600, 2**62, 2**93, -(2**93)],
    ids=["1970", "before 1970", "past", "future", "the latest that a file can have", "the earliest"],
)
def test_what_the_clock_of_the_file_server_says_is_irrelevant(clock_ns: int) -> None:
    settling, sample = StabilityTracker(QUIET_S), FIRST._replace(mtime_ns=clock_ns, ctime_ns=clock_ns)
    assert not settling.observe("x", sample, 50.0)
    assert settling.observe("x", sample, 52.0)


def test_a_pre_sized_file_that_is_filled_later_is_not_complete_before() -> None:
    """Its size never changes; its times do."""
    settling = StabilityTracker(QUIET_S)
    for second in range(10):
        assert not settling.observe("x", FIRST._replace(mtime_ns=second), float(second))
    assert settling.observe("x", FIRST._replace(mtime_ns=9), 11.0)


def test_a_file_that_keeps_changing_is_never_complete() -> None:
    settling = StabilityTracker(QUIET_S)
    assert not any(settling.observe("x", FIRST._replace(size_bytes=size), size * 1.9) for size in range(1000))


def test_a_forgotten_file_begins_from_nothing() -> None:
    settling = StabilityTracker(QUIET_S)
    settling.observe("x", FIRST, 0.0)
    settling.forget("x")
    settling.forget("never seen")
    assert len(settling) == 0
    assert not settling.observe("x", FIRST, 5.0)


@given(st.builds(FileSample, U64, S64, S64, U64, U32), st.builds(FileSample, U64, S64, S64, U64, U32))
def test_what_is_kept_of_samples_differs_when_they_do(one: FileSample, other: FileSample) -> None:
    assert (one.fingerprint == other.fingerprint) == (one == other)


def test_what_is_due_comes_longest_quiet_first_and_then_as_it_was_observed() -> None:
    settling = StabilityTracker(QUIET_S)
    settling.observe("late", FIRST, 0.5)
    for path, since_s in {"first": 1.0, "b": 2.0, "a": 2.0}.items():
        settling.observe(path, FIRST, since_s)
    settling.observe("late", FIRST._replace(size_bytes=11), 3.0)
    settling.observe("too young", FIRST, 4.5)
    assert settling.due(5.0) == ["first", "b", "a", "late"]
    assert settling.due(2.5) == []
    assert list(settling) == ["first", "b", "a", "late", "too young"]
    assert "late" in settling
    assert "gone" not in settling


def test_the_next_file_is_due_when_the_longest_quiet_one_is() -> None:
    settling = StabilityTracker(QUIET_S)
    assert settling.next_due_s() is None
    settling.observe("x", FIRST, 10.0)
    settling.observe("y", FIRST, 11.0)
    assert settling.next_due_s() == 12.0
    settling.observe("x", FIRST._replace(size_bytes=11), 11.5)
    assert settling.next_due_s() == 13.0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.floats(0, 3, allow_nan=False)), max_size=60),
)
def test_complete_means_one_look_and_no_other_for_the_whole_quiet_time(looks: list[tuple[str, int, float]]) -> None:
    """Against the rule said plainly: over the whole history, since when has this file looked as it looks now?"""
    settling, now_s = StabilityTracker(QUIET_S), 0.0
    history: dict[str, list[tuple[float, int]]] = {}
    for path, look, wait_s in looks:
        now_s += wait_s
        seen = history.setdefault(path, [])
        seen.append((now_s, look))
        since_s = now_s
        for at_s, was in reversed(seen):
            if was != look:
                break
            since_s = at_s
        complete = settling.observe(path, FIRST._replace(size_bytes=look), now_s)
        assert complete is (now_s - since_s >= QUIET_S)
        assert (path in settling.due(now_s)) is complete
    assert len(settling) == len(history)
