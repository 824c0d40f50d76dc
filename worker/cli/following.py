"""Reading the two streams: what `imr tail` and the live view of `imr up` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import redis
from rich.text import Text as Styled

from worker.contract.event import DEAD_LETTERED, RESOLVED


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    stream: str
    id: str
    data: bytes

    def event(self) -> dict[str, Any]:
        """The CloudEvent; empty for an entry that holds none."""
        try:
            return cast("dict[str, Any]", orjson.loads(self.data))
        except ValueError:
            return {}


def entries(reply: Any) -> Iterator[Entry]:
    """The entries of a reply of XREAD or XREADGROUP, in the order of the streams."""
    for stream, rows in reply or ():
        for entry_id, fields in rows:
            if fields:  # a pending entry that was trimmed away has none
                yield Entry(stream.decode(), entry_id.decode(), fields.get(b"data", b""))


class Group:
    """A consumer group over streams, from their beginning; resumes where it stopped."""

    def __init__(self, client: redis.Redis, streams: Sequence[str], name: str, consumer: str) -> None:
        self._client = client
        self._streams = list(streams)
        self._name = name
        self._consumer = consumer

    def create(self) -> None:
        """Make the group on each stream where it does not exist. Raises redis.RedisError."""
        for stream in self._streams:
            try:
                self._client.xgroup_create(stream, self._name, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def read(self, *, block_ms: int | None, count: int = 100) -> list[Entry]:
        """Entries delivered and not acknowledged before, else new ones; waits up to `block_ms` for those."""
        return self._read("0", None, count) or self._read(">", block_ms, count)

    def _read(self, start: str, block_ms: int | None, count: int) -> list[Entry]:
        wanted: Any = dict.fromkeys(self._streams, start)
        reply = self._client.xreadgroup(self._name, self._consumer, wanted, count=count, block=block_ms)
        return list(entries(reply))

    def acknowledge(self, entry: Entry) -> None:
        """This entry was dealt with."""
        self._client.xack(entry.stream, self._name, entry.id)


def line(event: dict[str, Any]) -> Styled:
    """An event in one line for people: no names, the treatments left to those who ask for them."""
    kind, data = event.get("type"), event.get("data") or {}
    when = Styled(str(event.get("time", ""))[11:19] + " ", style="dim")
    identity = Styled(" " + str(event.get("id", ""))[:12], style="dim")
    if kind == DEAD_LETTERED:
        told = Styled.assemble(("✗ to review  ", "red"), (str(data.get("code")), "bold"), f"  {data.get('message')}")
    elif kind == RESOLVED:
        told = Styled.assemble(("• ", "blue"), f"{data.get('action')} by {data.get('decided_by')}")
    else:
        told = _determination(data)
    return Styled.assemble(when, told, identity)


def _determination(data: dict[str, Any]) -> Styled:
    outcome = str(data.get("outcome", "")).replace("_", " ")
    issues = data.get("issues") or []
    due = (data.get("deadlines") or {}).get("authorize_by")
    case = data.get("case_number") or "no case number"
    return Styled.assemble(
        ("✓ published  ", "green"),
        (case, "bold"),
        f"  {len(issues)} issue{'s' if len(issues) != 1 else ''}  ",
        (outcome, "green" if outcome == "upheld" else "yellow"),
        f"  authorise by {due}" if due else "",
    )
