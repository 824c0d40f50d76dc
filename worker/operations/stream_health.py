"""What is wrong with a stream or its readers, in sentences with a remedy. Pure: from the state to the problems.

Age is told by ids, which are the server's clock, and not by `lag`: that is null where the server cannot tell it, and
does not count what is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worker.adapters.redis.stream_state import GroupState, StreamState, entry_id
from worker.contract.names import TAIL_GROUP, Keys
from worker.contract.settings import Settings

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
MOST_IDS: Final = 10
"""Ids that a problem names; there may be more."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """From when on something is a problem."""

    unread_days: float
    """An entry that a group has not acknowledged after so long."""
    tail_days: float
    """The same for `imr tail`, which is no reader but keeps entries from being trimmed."""
    stream_bytes: int
    """A stream that takes more memory than this."""
    idle_minutes: float = 10.0
    """A consumer that has not asked for anything for so long and holds entries: readers ask every second and take over
    after one minute."""
    deliveries: int = 5
    """An entry that was given more often than this: readers give up then."""


@dataclass(frozen=True, slots=True)
class StreamProblem:
    """One problem."""

    code: str
    stream: str
    what: str
    remedy: str
    group: str | None = None
    consumer: str | None = None
    count: int = 1
    ids: tuple[str, ...] = ()
    """Entries concerned, oldest first, at most ten."""


Lost = Mapping[str, Sequence[str]]


def limits_of(settings: Settings) -> StreamLimits:
    """The limits in force."""
    return StreamLimits(settings.unread_warn_days, settings.keep_acknowledged_days, settings.stream_warn_bytes)


def problems_of(
    states: Sequence[StreamState], keys: Keys, limits: StreamLimits, lost: Mapping[str, Lost]
) -> list[StreamProblem]:
    """The problems of all streams; nobody needs to read the dead letters, which lie in `review/`."""
    found = []
    for state in states:
        needs_reader = state.stream == keys.determinations
        found += diagnose(state, limits, lost.get(state.stream, {}), needs_reader=needs_reader)
    return found


def diagnose(state: StreamState, limits: StreamLimits, lost: Lost, *, needs_reader: bool) -> list[StreamProblem]:
    """Every problem of one stream; `lost` as `adapters.redis.stream_gaps` finds it, empty where that was not asked."""
    found = [*_of_stream(state, limits, needs_reader=needs_reader)]
    for group in state.groups:
        found += _losses(state, group, lost.get(group.name, ()))
        found += _unread(state, group, limits)
        found += _held(state, group, limits)
    return found


def _of_stream(state: StreamState, limits: StreamLimits, *, needs_reader: bool) -> Iterator[StreamProblem]:
    days = _days(state, state.first)
    if needs_reader and not _readers(state.groups) and days > limits.unread_days:
        what = f"nobody reads {state.stream}: {state.entries:,} entries, the oldest {days:.1f} days old"
        yield StreamProblem("no_reader", state.stream, what, "start a reader with a group of its own: docs/reading.md")
    if state.memory_bytes is not None and state.memory_bytes > limits.stream_bytes:
        what = f"{state.stream} takes {_mb(state.memory_bytes)}, more than {_mb(limits.stream_bytes)}"
        remedy = (
            "`imr stream trim --dry-run` says what keeps its entries; have readers catch up, end groups that nobody "
            "reads, or give Redis more memory and raise IMR_STREAM_WARN_BYTES"
        )
        yield StreamProblem("memory", state.stream, what, remedy)


def _losses(state: StreamState, group: GroupState, lost: Sequence[str]) -> Iterator[StreamProblem]:
    if lost:
        what = f"group {group.name} has lost {len(lost):,} entries of {state.stream}: deleted before it was given them"
        remedy = (
            "find who runs XTRIM, XDEL or MAXLEN on the stream and stop them; the letters are in archive/, and "
            "`imr parse --json FILE` reads them again"
        )
        yield _problem("lost_entries", state, group, what, remedy, lost)
    if group.ghosts:
        what = f"group {group.name} holds {len(group.ghosts):,} entries that were deleted before it acknowledged them"
        remedy = (
            "find who deletes entries; readers of docs/reading.md clear these away by themselves, else "
            f"`XACK {state.stream} {group.name} ID...`"
        )
        yield _problem("ghost_entries", state, group, what, remedy, group.ghosts)


def _unread(state: StreamState, group: GroupState, limits: StreamLimits) -> Iterator[StreamProblem]:
    most_days = limits.tail_days if group.name == TAIL_GROUP else limits.unread_days
    days = _days(state, group.next_unread)
    if group.next_unread is not None and days > most_days:
        lag = f"{group.lag:,} entries" if group.lag is not None else "an unknown number of entries"
        what = f"group {group.name} has not been given {lag} of {state.stream}, the oldest {days:.1f} days old"
        remedy = f"start its reader; if there is none any more: `XGROUP DESTROY {state.stream} {group.name}`"
        yield _problem("unread", state, group, what, remedy, [group.next_unread], count=group.lag or 1)
    old = [one.id for one in group.held if _days(state, one.id) > most_days]
    if old:
        days = _days(state, old[0])
        what = (
            f"group {group.name} was given {len(old):,} entries of {state.stream} and has not acknowledged them, the "
            f"oldest {days:.1f} days old"
        )
        remedy = "see that a reader of the group runs, and takes over what others left (docs/reading.md)"
        yield _problem("unacknowledged", state, group, what, remedy, old)


def _held(state: StreamState, group: GroupState, limits: StreamLimits) -> Iterator[StreamProblem]:
    for consumer in group.consumers:
        minutes = consumer.idle_ms / MINUTE_MS
        ids = [one.id for one in group.held if one.consumer == consumer.name]
        if ids and minutes > limits.idle_minutes:
            what = (
                f"consumer {consumer.name} of group {group.name} has been silent for {minutes:,.0f} minutes and holds "
                f"{consumer.pending:,} entries of {state.stream}"
            )
            remedy = "start it again under that name, or any reader of the group, which takes them over after a minute"
            yield _problem("idle_consumer", state, group, what, remedy, ids, consumer.name, count=consumer.pending)
    poison = [one for one in group.held if one.deliveries > limits.deliveries]
    if poison:
        most = max(one.deliveries for one in poison)
        what = f"group {group.name} fails at {len(poison):,} entries of {state.stream}, given up to {most} times"
        remedy = (
            "look at the reader's log for these ids; give the reader a `give_up`, or put the events aside by hand and "
            f"`XACK {state.stream} {group.name} ID...`"
        )
        yield _problem("poison", state, group, what, remedy, [one.id for one in poison])


def _problem(
    code: str,
    state: StreamState,
    group: GroupState,
    what: str,
    remedy: str,
    ids: Sequence[str],
    consumer: str | None = None,
    count: int | None = None,
) -> StreamProblem:
    shown = tuple(ids[:MOST_IDS])
    return StreamProblem(code, state.stream, what, remedy, group.name, consumer, count or len(ids), shown)


def _readers(groups: Iterable[GroupState]) -> list[GroupState]:
    return [group for group in groups if group.name != TAIL_GROUP]


def _days(state: StreamState, entry: str | None) -> float:
    """Age of an entry by its id, which is the server's clock when it was added."""
    return (state.now_ms - entry_id(entry)[0]) / DAY_MS if entry is not None else 0.0


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"
