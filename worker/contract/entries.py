"""Stream entries as a reader gets them, and the memory of handled events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    stream: str
    id: str
    """Its id in the stream. Deduplicate by `event_id`, not by this."""
    data: bytes
    """The CloudEvent as JSON."""
    deliveries: int = 1
    """How often it was delivered to the group, this time included."""

    def event(self) -> dict[str, Any]:
        """The CloudEvent; empty if the entry holds none."""
        try:
            event = orjson.loads(self.data)
        except ValueError:
            return {}
        return cast("dict[str, Any]", event) if isinstance(event, dict) else {}

    @property
    def event_id(self) -> str:
        """The id to deduplicate by: the event's `id`, or stream and entry id if the entry holds no event."""
        return str(self.event().get("id") or f"{self.stream} {self.id}")


class Seen(Protocol):
    """The events that were handled: a `set`, or for example a table with a unique column."""

    def __contains__(self, event_id: str, /) -> bool:
        """Whether the event was handled before."""

    def add(self, event_id: str, /) -> None:
        """Remember that the event was handled."""


class RecentIds:
    """The last handled events, in memory: about 200 bytes each, forgotten when the process ends."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, event_id: str, /) -> bool:
        return event_id in self._ids

    def add(self, event_id: str, /) -> None:
        """Remember the event, and forget the oldest if there are more than `capacity`."""
        self._ids[event_id] = None
        self._ids.move_to_end(event_id)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)


def entries_of(reply: Any) -> Iterator[Entry]:
    """The entries of a reply of XREAD or XREADGROUP, in the order of the streams."""
    for stream, rows in reply or ():
        for entry_id, fields in rows:
            if fields:  # a pending entry that was deleted has no fields
                yield Entry(stream.decode(), entry_id.decode(), data_of(fields))


def data_of(fields: dict[bytes, bytes]) -> bytes:
    """The event in the fields of an entry; empty if there is none."""
    return fields.get(b"data", b"")
