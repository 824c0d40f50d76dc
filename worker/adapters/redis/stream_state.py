"""The state of a stream and its readers, as values. Reading it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar, cast

import redis

from worker.contract.names import Keys

MAX_PENDING_READ: Final = 1_000
"""Most pending entries read per group, oldest first; a group with more of them is in trouble anyway."""
_EXISTENCE_BATCH: Final = 100
"""Entries read in one round trip to see whether they exist: about a megabyte."""

Item = TypeVar("Item")
EntryId = tuple[int, int]
"""An entry id in its order: milliseconds, sequence number."""


def entry_id(text: str) -> EntryId:
    """The id in that text, comparable."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry that was delivered to a consumer and not acknowledged."""

    id: str
    consumer: str
    idle_ms: int
    """Time since its last delivery."""
    deliveries: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer of a group."""

    name: str
    pending: int
    idle_ms: int
    """Time since it last read."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group."""

    name: str
    last_delivered: str
    pending: int
    lag: int | None
    """Entries not yet delivered to it; null where the server does not know, and before Redis 7."""
    next_unread: str | None
    """The first entry not yet delivered to it; null if there is none."""
    consumers: tuple[Consumer, ...]
    held: tuple[PendingEntry, ...]
    """Its pending entries that still exist, oldest first, among the first 1,000 pending ones."""
    ghosts: tuple[str, ...]
    """Ids of those pending entries that were deleted."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream; one that does not exist has no entries and no groups. `imr stream check --json` prints these fields."""

    stream: str
    now_ms: int
    """The server's clock."""
    entries: int
    memory_bytes: int | None
    """Null where the server does not say."""
    first: str | None
    last_generated: str
    trimmed_below: str
    """First id that trimming kept; every group of that time had acknowledged the entries before it."""
    deleted_by_others: int | None
    """Entries that were deleted other than by trimming; null before Redis 7, which does not count them."""
    last_deleted: str | None
    """The newest entry that was deleted individually; null before Redis 7."""
    groups: tuple[GroupState, ...]


def read_states(client: redis.Redis, keys: Keys) -> list[StreamState]:
    """The state of both streams. Raises redis.RedisError."""
    return [_Snapshot(client, keys, stream).state() for stream in (keys.determinations, keys.dead_letters)]


class _Snapshot:
    """What the server says about one stream at one time."""

    def __init__(self, client: redis.Redis, keys: Keys, stream: str) -> None:
        self._client = client
        self._stream = stream
        # First the trimming, then the stream. Entries trimmed in between look as if others had deleted them, but no
        # group needs those. In the other order, deletions by others could pass for trimming.
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
        for group in self._client.xinfo_groups(self._stream):
            name, last = _text(group["name"]) or "", _text(group["last-delivered-id"]) or "0-0"
            pending = list(self._pending(group["name"]))
            gone = self._deleted([entry.id for entry in pending])
            following = cast("list[Any]", self._client.xrange(self._stream, f"({last}", "+", 1))
            yield GroupState(
                name=name,
                last_delivered=last,
                pending=group["pending"],
                lag=group.get("lag"),
                next_unread=_text(following[0][0]) if following else None,
                consumers=tuple(self._consumers(group["name"])),
                held=tuple(entry for entry in pending if entry.id not in gone),
                ghosts=tuple(entry.id for entry in pending if entry.id in gone),
            )

    def _consumers(self, group: bytes) -> Iterator[Consumer]:
        for consumer in self._client.xinfo_consumers(self._stream, group):
            yield Consumer(_text(consumer["name"]) or "", consumer["pending"], consumer["idle"])

    def _pending(self, group: bytes) -> Iterator[PendingEntry]:
        for row in cast("list[Any]", self._client.xpending_range(self._stream, group, "-", "+", MAX_PENDING_READ)):
            entry, consumer = _text(row["message_id"]) or "", _text(row["consumer"]) or ""
            yield PendingEntry(entry, consumer, row["time_since_delivered"], row["times_delivered"])

    def _deleted(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are no longer in the stream."""
        return missing(self._client, self._stream, ids, self._first, _text(self._info.get("max-deleted-entry-id")))


def missing(
    client: redis.Redis, stream: str, ids: Sequence[str], first: str | None, last_deleted: str | None
) -> set[str]:
    """Those of the ids whose entries are not in the stream. Raises redis.RedisError.

    Ids before the `first` entry are gone, ids after `last_deleted` exist; the server is asked about each of the others.
    """
    gone = {entry for entry in ids if first is None or entry_id(entry) < entry_id(first)}
    newest_gone = entry_id(last_deleted) if last_deleted is not None else None
    unknown = [entry for entry in ids if entry not in gone and (newest_gone is None or entry_id(entry) <= newest_gone)]
    for page in in_pages(unknown, _EXISTENCE_BATCH):
        with client.pipeline(transaction=False) as pipe:
            for entry in page:
                pipe.xrange(stream, entry, entry)
            gone.update(entry for entry, rows in zip(page, pipe.execute(), strict=True) if not rows)
    return gone


def in_pages(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, `size` at a time."""
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def _memory_of(client: redis.Redis, stream: str) -> int | None:
    """What MEMORY USAGE says; None where it is forbidden, as by managed servers."""
    try:
        return int(client.memory_usage(stream) or 0)
    except redis.ResponseError:
        return None


def _info_of(client: redis.Redis, stream: str) -> dict[str, Any]:
    """What XINFO STREAM says; empty if the stream does not exist."""
    try:
        return client.xinfo_stream(stream)
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return {}


def _first_of(info: dict[str, Any]) -> str | None:
    """The id of the first entry; XINFO STREAM gives the id together with the fields, or nothing."""
    first = info.get("first-entry")
    return _text(first[0]) if first else None


def _text(raw: Any) -> str | None:
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
