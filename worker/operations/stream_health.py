"""Problems of a stream or its readers, as sentences with a remedy. Pure: from the state to the problems.

Age is read from entry ids, which are the server's clock, and not from `lag`: that is null where the server cannot
compute it, and does not count what is pending.
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
"""Ids that a problem names at most, so that a sentence stays readable."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The limits beyond which something is a problem."""

    unread_days: float
    """Age of an entry that a group has not acknowledged."""
    tail_days: float
    """The same for `imr tail`, which does not count as a reader but keeps entries from being trimmed."""
    stream_bytes: int
    """Memory that a stream takes."""
    idle_minutes: float = 10.0
    """Silence of a consumer that holds entries: readers ask every second, and take over after one minute."""
    deliveries: int = 5
    """Deliveries of one entry: readers give up after this number."""


@dataclass(frozen=True, slots=True)
class StreamProblem:
    """One problem of a stream, with what to do about it."""

    code: str
    stream: str
    what: str
    remedy: str
    group: str | None = None
    consumer: str | None = None
    count: int = 1
    ids: tuple[str, ...] = ()
    """Ids of entries concerned, oldest first, at most ten."""


LostEntries = Mapping[str, Sequence[str]]
"""Ids of lost entries, by consumer group."""


def limits_of(settings: Settings) -> StreamLimits:
    """The limits in force."""
    return StreamLimits(settings.unread_warn_days, settings.keep_acknowledged_days, settings.stream_warn_bytes)


def problems_of(
    states: Sequence[StreamState], keys: Keys, limits: StreamLimits, lost: Mapping[str, LostEntries]
) -> list[StreamProblem]:
    """The problems of all streams. Dead letters need no reader: they lie in `review/`, too."""
    problems = []
    for state in states:
        needs_reader = state.stream == keys.determinations
        problems += diagnose(state, limits, lost.get(state.stream, {}), needs_reader=needs_reader)
    return problems


def diagnose(state: StreamState, limits: StreamLimits, lost: LostEntries, *, needs_reader: bool) -> list[StreamProblem]:
    """Every problem of one stream; `lost` comes from `adapters.redis.stream_gaps`, or is empty."""
    problems = [*_of_stream(state, limits, needs_reader=needs_reader)]
    for group in state.groups:
        problems += _losses(state, group, lost.get(group.name, ()))
        problems += _unread(state, group, limits)
        problems += _held(state, group, limits)
    return problems


def _of_stream(state: StreamState, limits: StreamLimits, *, needs_reader: bool) -> Iterator[StreamProblem]:
    days = _days(state, state.first)
    if needs_reader and not _readers(state.groups) and days > limits.unread_days:
        what = f"no program reads {state.stream}: {state.entries:,} entries, the oldest {days:.1f} days old"
        yield StreamProblem("no_reader", state.stream, what, "start a reader with a group of its own: docs/reading.md")
    if state.memory_bytes is not None and state.memory_bytes > limits.stream_bytes:
        what = f"{state.stream} takes {_mb(state.memory_bytes)}, more than {_mb(limits.stream_bytes)}"
        remedy = (
            "`imr stream trim --dry-run` says what keeps its entries; let readers catch up, remove groups that nobody "
            "reads (XGROUP DESTROY), or give Redis more memory and raise IMR_STREAM_WARN_BYTES"
        )
        yield StreamProblem("memory", state.stream, what, remedy)


def _losses(state: StreamState, group: GroupState, lost: Sequence[str]) -> Iterator[StreamProblem]:
    if lost:
        what = f"group {group.name} has lost {len(lost):,} entries of {state.stream}: deleted before it could read them"
        remedy = (
            "find who runs XTRIM, XDEL or MAXLEN on the stream and stop them; the letters are in archive/, and "
            "`imr parse --json FILE` reads them again"
        )
        yield _problem("lost_entries", state, group, what, remedy, lost)
    if group.ghosts:
        what = f"group {group.name} holds {len(group.ghosts):,} entries that were deleted before it acknowledged them"
        remedy = (
            "find who deletes entries; readers as in docs/reading.md remove these by themselves, others need "
            f"`XACK {state.stream} {group.name} ID...`"
        )
        yield _problem("ghost_entries", state, group, what, remedy, group.ghosts)


def _unread(state: StreamState, group: GroupState, limits: StreamLimits) -> Iterator[StreamProblem]:
    most_days = limits.tail_days if group.name == TAIL_GROUP else limits.unread_days
    days = _days(state, group.next_unread)
    if group.next_unread is not None and days > most_days:
        lag = f"{group.lag:,} entries" if group.lag is not None else "an unknown number of entries"
        what = f"group {group.name} has not read {lag} of {state.stream}, the oldest {days:.1f} days old"
        remedy = f"start its reader; if the group is no longer needed: `XGROUP DESTROY {state.stream} {group.name}`"
        yield _problem("unread", state, group, what, remedy, [group.next_unread], count=group.lag or 1)
    old = [entry.id for entry in group.held if _days(state, entry.id) > most_days]
    if old:
        days = _days(state, old[0])
        what = (
            f"group {group.name} has read {len(old):,} entries of {state.stream} without acknowledging them, the "
            f"oldest {days:.1f} days old"
        )
        remedy = "make sure that a reader of the group runs and takes over the entries of others (docs/reading.md)"
        yield _problem("unacknowledged", state, group, what, remedy, old)


def _held(state: StreamState, group: GroupState, limits: StreamLimits) -> Iterator[StreamProblem]:
    for consumer in group.consumers:
        minutes = consumer.idle_ms / MINUTE_MS
        ids = [entry.id for entry in group.held if entry.consumer == consumer.name]
        if ids and minutes > limits.idle_minutes:
            what = (
                f"consumer {consumer.name} of group {group.name} has been silent for {minutes:,.0f} minutes and holds "
                f"{consumer.pending:,} entries of {state.stream}"
            )
            remedy = "start it again under that name, or any reader of the group, which takes over after a minute"
            yield _problem("idle_consumer", state, group, what, remedy, ids, consumer.name, count=consumer.pending)
    failing = [entry for entry in group.held if entry.deliveries > limits.deliveries]
    if failing:
        most = max(entry.deliveries for entry in failing)
        what = f"group {group.name} fails at {len(failing):,} entries of {state.stream}, delivered up to {most} times"
        remedy = (
            "look for these ids in the reader's log; give the reader a `give_up`, or save the events yourself and "
            f"`XACK {state.stream} {group.name} ID...`"
        )
        yield _problem("poison", state, group, what, remedy, [entry.id for entry in failing])


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
