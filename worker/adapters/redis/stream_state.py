"""What Redis tells of a stream and its readers, as values. Reading it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar, cast

import redis

from worker.contract.names import Keys

MOST_PENDING: Final = 1_000
"""Pending entries of a group that are looked at, oldest first; a group with more than that is in trouble anyway."""
_CHECKED_AT_ONCE: Final = 100
"""Entries asked for in one round trip to see whether they are there: about a megabyte."""

Item = TypeVar("Item")
EntryId = tuple[int, int]
"""An id as it is ordered: milliseconds, number."""


def entry_id(text: str) -> EntryId:
    """The id in that text."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)


@dataclass(frozen=True, slots=True)
class Held:
    """An entry that was given to a consumer and not acknowledged."""

    id: str
    consumer: str
    idle_ms: int
    """How long ago it was given last."""
    deliveries: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer of a group."""

    name: str
    pending: int
    idle_ms: int
    """How long it has not asked for anything."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group."""

    name: str
    last_delivered: str
    pending: int
    lag: int | None
    """Entries that it has not been given; null where the server cannot tell, and before Redis 7."""
    next_unread: str | None
    """The first entry that it has not been given."""
    consumers: tuple[Consumer, ...]
    held: tuple[Held, ...]
    """Its pending entries that are there, oldest first, of the first 1,000."""
    ghosts: tuple[str, ...]
    """Pending entries that were deleted."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream; empty if it is not there."""

    stream: str
    now_ms: int
    """The server's clock."""
    entries: int
    memory_bytes: int | None
    """Null where the server does not tell."""
    first: str | None
    last_generated: str
    trimmed_below: str
    """What is gone before this id was acknowledged by every group that there was."""
    deleted_by_others: int | None
    """Entries that are gone and were not trimmed by us; null where the server does not count, before Redis 7."""
    last_deleted: str | None
    """The newest entry that was deleted one by one; null before Redis 7."""
    groups: tuple[GroupState, ...]


def read_states(client: redis.Redis, keys: Keys) -> list[StreamState]:
    """Both streams. Raises redis.RedisError."""
    return [_Look(client, keys, stream).state() for stream in (keys.determinations, keys.dead_letters)]


class _Look:
    """One look at one stream."""

    def __init__(self, client: redis.Redis, keys: Keys, stream: str) -> None:
        self._client = client
        self._stream = stream
        # First what was trimmed, then the stream: a trimming in between looks like deletions by others, of entries that
        # no group needs, and not the other way round.
        below, count = client.hmget(keys.trimmed, [f"{stream} below", f"{stream} entries"])
        self._trimmed_below = _text(below) or "0-0"
        self._trimmed = int(count or 0)
        self._info = _info_of(client, stream)
        self._first = _first_of(self._info)

    def state(self) -> StreamState:
        seconds, micros = self._client.time()
        info, added = self._info, self._info.get("entries-added")
        return StreamState(
            stream=self._stream,
            now_ms=seconds * 1000 + micros // 1000,
            entries=int(info.get("length", 0)),
            memory_bytes=_memory_of(self._client, self._stream),
            first=self._first,
            last_generated=_text(info.get("last-generated-id")) or "0-0",
            trimmed_below=self._trimmed_below,
            deleted_by_others=None if added is None else max(0, added - info["length"] - self._trimmed),
            last_deleted=_text(info.get("max-deleted-entry-id")),
            groups=tuple(self._groups()) if info else (),
        )

    def _groups(self) -> Iterator[GroupState]:
        for told in self._client.xinfo_groups(self._stream):
            name, last = _text(told["name"]) or "", _text(told["last-delivered-id"]) or "0-0"
            held = list(self._held(told["name"]))
            gone = self._gone([one.id for one in held])
            following = cast("list[Any]", self._client.xrange(self._stream, f"({last}", "+", 1))
            yield GroupState(
                name=name,
                last_delivered=last,
                pending=told["pending"],
                lag=told.get("lag"),
                next_unread=_text(following[0][0]) if following else None,
                consumers=tuple(self._consumers(told["name"])),
                held=tuple(one for one in held if one.id not in gone),
                ghosts=tuple(one.id for one in held if one.id in gone),
            )

    def _consumers(self, group: bytes) -> Iterator[Consumer]:
        for one in self._client.xinfo_consumers(self._stream, group):
            yield Consumer(_text(one["name"]) or "", one["pending"], one["idle"])

    def _held(self, group: bytes) -> Iterator[Held]:
        for row in cast("list[Any]", self._client.xpending_range(self._stream, group, "-", "+", MOST_PENDING)):
            entry, consumer = _text(row["message_id"]) or "", _text(row["consumer"]) or ""
            yield Held(entry, consumer, row["time_since_delivered"], row["times_delivered"])

    def _gone(self, ids: Sequence[str]) -> set[str]:
        """Those that are no longer in the stream."""
        return missing(self._client, self._stream, ids, self._first, _text(self._info.get("max-deleted-entry-id")))


def missing(
    client: redis.Redis, stream: str, ids: Sequence[str], first: str | None, last_deleted: str | None
) -> set[str]:
    """Those of the ids whose entries are not in the stream. Raises redis.RedisError.

    Whatever is before the `first` entry is gone, whatever is after `last_deleted` is there; for the rest the server is
    asked entry by entry.
    """
    gone = {one for one in ids if first is None or entry_id(one) < entry_id(first)}
    newest_gone = entry_id(last_deleted) if last_deleted is not None else None
    doubtful = [one for one in ids if one not in gone and (newest_gone is None or entry_id(one) <= newest_gone)]
    for some in in_pages(doubtful, _CHECKED_AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for one in some:
                pipe.xrange(stream, one, one)
            gone.update(one for one, found in zip(some, pipe.execute(), strict=True) if not found)
    return gone


def in_pages(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, `size` at a time."""
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def _memory_of(client: redis.Redis, stream: str) -> int | None:
    """Managed servers forbid MEMORY."""
    try:
        return int(client.memory_usage(stream) or 0)
    except redis.ResponseError:
        return None


def _info_of(client: redis.Redis, stream: str) -> dict[str, Any]:
    """What XINFO STREAM tells; empty if the stream is not there."""
    try:
        return client.xinfo_stream(stream)
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return {}


def _first_of(info: dict[str, Any]) -> str | None:
    """The id of the first entry: what XINFO STREAM tells is its id with its fields, or nothing."""
    first = info.get("first-entry")
    return _text(first[0]) if first else None


def _text(raw: Any) -> str | None:
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
