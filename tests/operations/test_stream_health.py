"""Problems as a table: a state in, codes and sentences out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.adapters.redis.stream_state import Consumer, GroupState, PendingEntry, StreamState
from worker.operations.stream_health import DAY_MS, MINUTE_MS, StreamLimits, StreamProblem, diagnose

NOW_MS = 1_800_000_000_000
LIMITS = StreamLimits(unread_days=2, tail_days=90, stream_bytes=1000)


def at(days: float) -> str:
    """An entry of that age."""
    return f"{int(NOW_MS - days * DAY_MS)}-0"


DESK = GroupState("desk", at(0), 0, 0, None, (), (), ())
WELL = StreamState("imr:determinations", NOW_MS, 5, 900, at(9), at(0), "0-0", 0, "0-0", (DESK,))


def found(state: StreamState, *, lost: tuple[str, ...] = (), needs_reader: bool = True) -> list[StreamProblem]:
    return diagnose(state, LIMITS, {"desk": lost} if lost else {}, needs_reader=needs_reader)


def codes(state: StreamState, *, needs_reader: bool = True) -> list[str]:
    return [one.code for one in found(state, needs_reader=needs_reader)]


def with_desk(**changes: object) -> StreamState:
    return replace(WELL, groups=(replace(DESK, **changes),))  # type: ignore[arg-type]


def held(days: float, consumer: str = "one", idle_ms: int = 0, deliveries: int = 1) -> PendingEntry:
    return PendingEntry(at(days), consumer, idle_ms, deliveries)


TAIL_BEHIND = replace(DESK, name="imr-tail", next_unread=at(60))
TAIL_FAR_BEHIND = replace(TAIL_BEHIND, next_unread=at(91))
SILENT = (Consumer("one", 1, 11 * MINUTE_MS),)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        pytest.param(WELL, [], id="well"),
        pytest.param(replace(WELL, groups=()), ["no_reader"], id="nobody reads"),
        pytest.param(replace(WELL, groups=(replace(DESK, name="imr-tail"),)), ["no_reader"], id="only imr tail looks"),
        pytest.param(replace(WELL, groups=(), first=at(1.9)), [], id="nobody reads yet"),
        pytest.param(replace(WELL, groups=(), first=None, entries=0), [], id="nothing to read"),
        pytest.param(replace(WELL, memory_bytes=1001), ["memory"], id="too large"),
        pytest.param(replace(WELL, memory_bytes=None), [], id="size not told"),
        pytest.param(with_desk(next_unread=at(2.1), lag=7), ["unread"], id="behind"),
        pytest.param(with_desk(next_unread=at(1.9)), [], id="a little behind"),
        pytest.param(replace(WELL, groups=(DESK, TAIL_BEHIND)), [], id="imr tail a little behind"),
        pytest.param(
            replace(WELL, groups=(DESK, replace(TAIL_BEHIND, next_unread=at(91)))),
            ["unread"],
            id="imr tail holds entries",
        ),
        pytest.param(with_desk(held=(held(2.1), held(1))), ["unacknowledged"], id="never acknowledged"),
        pytest.param(with_desk(held=(held(1),), consumers=SILENT), ["idle_consumer"], id="dead consumer"),
        pytest.param(with_desk(held=(held(1, "two"),), consumers=SILENT), [], id="silent, with nothing"),
        pytest.param(with_desk(held=(held(1, deliveries=6),)), ["poison"], id="poison"),
        pytest.param(with_desk(held=(held(1, deliveries=5),)), [], id="a few tries"),
        pytest.param(with_desk(ghosts=(at(1),)), ["ghost_entries"], id="ghosts"),
    ],
)
def test_each_state_has_its_problems(state: StreamState, wanted: list[str]) -> None:
    assert codes(state) == wanted


def test_nobody_needs_to_read_the_dead_letters() -> None:
    assert codes(replace(WELL, groups=()), needs_reader=False) == []


def test_a_problem_says_what_where_and_what_to_do() -> None:
    (problem,) = found(with_desk(next_unread=at(3), lag=7))
    assert problem.what == "group desk has not read 7 entries of imr:determinations, the oldest 3.0 days old"
    assert (problem.group, problem.count, problem.ids) == ("desk", 7, (at(3),))
    assert "XGROUP DESTROY imr:determinations desk" in problem.remedy


def test_a_lag_that_the_server_does_not_know_is_no_lag_of_nothing() -> None:
    (problem,) = found(with_desk(next_unread=at(3), lag=None))
    assert "an unknown number of entries" in problem.what


def test_lost_entries_are_counted_and_the_first_ones_named() -> None:
    lost = tuple(at(20 - number) for number in range(12))
    (problem,) = found(WELL, lost=lost)
    assert (problem.code, problem.count, problem.ids) == ("lost_entries", 12, lost[:10])
    assert "has lost 12 entries" in problem.what
