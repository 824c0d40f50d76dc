"""Trimming the two streams: only what every reader has acknowledged, and only after it was kept for a while.

The letters stay in `archive/`, but what was read out of them, and who decided what, stands in the streams alone. So
they are trimmed for memory's sake, when every reader has said that it is theirs now, and where anything speaks against
it they are left as they are:

- without a consumer group nothing is deleted, ever; `imr tail` alone is no reader;
- a dead letter that waits for a person stays, and with it what came after it: a worker that was killed before it filed
  the letter away takes the words of its `.error.json` from the entry.

One script finds the first id that must stay and trims up to it. It frees 3 µs an entry (12 kB each), so that a year of
California's letters stops the server for half a second, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal, cast

import orjson
import redis

from worker.contract.event import DEAD_LETTERED
from worker.contract.names import TAIL_GROUP, Keys

PAGE_ENTRIES: Final = 200
"""Dead letters looked at in one step: about half a megabyte."""

Why = Literal["age", "group", "letter", "further", "empty", "no_reader"]
Mode = Literal["trim", "look"]
Telling = tuple[str, str]
"""Id of an entry, digest of the letter that it tells of; the digest is empty where it is no dead letter."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What a trimming did to one stream, or would do."""

    stream: str
    removed: int
    """Entries deleted, or that would be."""
    first_kept: str
    """No entry from this id on was deleted."""
    why: Why
    """What keeps the rest."""
    group: str
    """The group that keeps it, if one does."""


class Trimmer:
    """Trims the streams of one installation. Everything raises redis.RedisError."""

    def __init__(self, client: redis.Redis, keys: Keys, keep_days: float) -> None:
        self._client = client
        self._keys = keys
        self._keep_ms = int(keep_days * 86_400_000)
        self._script = client.register_script(_source())

    def trim(self) -> list[Trimmed]:
        """Delete what nobody needs; one answer for each stream."""
        return [self._run(self._keys.determinations, "trim"), self._trim_dead_letters()]

    def look(self) -> list[Trimmed]:
        """What `trim` would do now. It reads what it counts."""
        return [self._look(self._run(self._keys.determinations, "look")), self._look_at_dead_letters()]

    def _trim_dead_letters(self) -> Trimmed:
        """Page by page, so that a script holds the server for as long as one page takes."""
        stream, removed = self._keys.dead_letters, 0
        while True:
            page = self._page(stream, "-")
            answer = self._run(stream, "trim", page)
            removed += answer.removed
            if answer.removed < PAGE_ENTRIES:
                return _with(answer, removed)

    def _look_at_dead_letters(self) -> Trimmed:
        stream, start = self._keys.dead_letters, "-"
        while True:
            page = self._page(stream, start)
            answer = self._run(stream, "look", page)
            if answer.why != "further" or len(page) < PAGE_ENTRIES:
                return self._look(answer)
            start = f"({page[-1][0]}"

    def _look(self, answer: Trimmed) -> Trimmed:
        deletes = answer.why not in ("empty", "no_reader")
        return _with(answer, sum(1 for _ in self._ids_below(answer.stream, answer.first_kept)) if deletes else 0)

    def _ids_below(self, stream: str, end: str) -> Iterator[str]:
        start = "-"
        while rows := cast("list[Any]", self._client.xrange(stream, start, f"({end}", PAGE_ENTRIES)):
            yield from (entry.decode() for entry, _ in rows)
            start = f"({rows[-1][0].decode()}"

    def _page(self, stream: str, start: str) -> list[Telling]:
        """The next entries."""
        rows = cast("list[Any]", self._client.xrange(stream, start, "+", PAGE_ENTRIES))
        return [(entry.decode(), _dead_letter_of(fields.get(b"data", b""))) for entry, fields in rows]

    def _run(self, stream: str, mode: Mode, page: Sequence[Telling] | None = None) -> Trimmed:
        """Run the script; with a `page` nothing after it is touched."""
        limit = "" if page is None else _after(page[-1][0]) if page else "0-0"
        told = [(entry, digest) for entry, digest in page or () if digest]
        removed, first_kept, why, group = cast(
            "tuple[int, bytes, bytes, bytes]",
            self._script(
                keys=[stream, self._keys.trimmed, *(self._keys.letter(digest) for _, digest in told)],
                args=[self._keep_ms, mode, TAIL_GROUP, limit, *(entry for entry, _ in told)],
            ),
        )
        shown = group.decode("utf-8", "backslashreplace")
        return Trimmed(stream, removed, first_kept.decode(), cast("Why", why.decode()), shown)


def _source() -> str:
    package = resources.files("worker.adapters.redis") / "scripts"
    return "".join((package / name).read_text() for name in ("keys_and_types.lua", "trim.lua"))


def _dead_letter_of(data: bytes) -> str:
    """The digest of the letter that an entry declares dead; empty for any other entry."""
    try:
        event = orjson.loads(data)
    except ValueError:
        return ""
    is_dead_letter = isinstance(event, dict) and event.get("type") == DEAD_LETTERED
    return str(event.get("id", "")).partition(":")[0] if is_dead_letter else ""


def _after(entry: str) -> str:
    ms, _, sequence = entry.partition("-")
    return f"{ms}-{int(sequence) + 1}"


def _with(answer: Trimmed, removed: int) -> Trimmed:
    return Trimmed(answer.stream, removed, answer.first_kept, answer.why, answer.group)
