"""Trimming the two streams: only what every reader has acknowledged, and only after it was kept for a while.

The letters stay in `archive/`, but the values read from them, and the decisions about them, are only in the streams. So
the streams are trimmed only to save memory, only what every reader has acknowledged, and never when in doubt:

- without a consumer group nothing is ever deleted; `imr tail` alone does not count as a reader;
- the entry of a dead letter that waits for a person stays, and so does everything after it: a worker that was killed
  before it filed the letter away copies the text of its `.error.json` from the entry.

One script finds the first id that must stay and trims up to it. Freeing an entry (12 kB) takes 3 µs, so a year of
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
"""Dead letters examined in one step: about half a megabyte."""

KeepReason = Literal["age", "group", "letter", "further", "empty", "no_reader"]
Mode = Literal["trim", "preview"]
EntryOfLetter = tuple[str, str]
"""Id of an entry, digest of the letter that it declares dead; the digest is empty for any other entry."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What trimming did to one stream, or would do. `imr stream trim --json` prints these fields."""

    stream: str
    removed: int
    """Entries deleted, or to be deleted."""
    first_kept: str
    """No entry from this id on was deleted."""
    why: KeepReason
    """Why the rest stays."""
    group: str
    """The group that needs the rest, if `why` is `group`; else empty."""


class Trimmer:
    """Trims the streams of one installation. Every method raises redis.RedisError."""

    def __init__(self, client: redis.Redis, keys: Keys, keep_days: float) -> None:
        self._client = client
        self._keys = keys
        self._keep_ms = int(keep_days * 86_400_000)
        self._script = client.register_script(_source())

    def trim(self) -> list[Trimmed]:
        """Delete the entries that no reader needs; one result for each stream."""
        return [self._run(self._keys.determinations, "trim"), self._trim_dead_letters()]

    def preview(self) -> list[Trimmed]:
        """What `trim` would do now; it reads all entries that would be deleted."""
        return [self._counted(self._run(self._keys.determinations, "preview")), self._preview_dead_letters()]

    def _trim_dead_letters(self) -> Trimmed:
        """Page by page, so that a script blocks the server only for the time of one page."""
        stream, removed = self._keys.dead_letters, 0
        while True:
            page = self._page(stream, "-")
            answer = self._run(stream, "trim", page)
            removed += answer.removed
            if answer.removed < PAGE_ENTRIES:
                return _with(answer, removed)

    def _preview_dead_letters(self) -> Trimmed:
        stream, start = self._keys.dead_letters, "-"
        while True:
            page = self._page(stream, start)
            answer = self._run(stream, "preview", page)
            if answer.why != "further" or len(page) < PAGE_ENTRIES:
                return self._counted(answer)
            start = f"({page[-1][0]}"

    def _counted(self, answer: Trimmed) -> Trimmed:
        """A preview with the number of entries that would be deleted."""
        deletes = answer.why not in ("empty", "no_reader")
        return _with(answer, sum(1 for _ in self._ids_below(answer.stream, answer.first_kept)) if deletes else 0)

    def _ids_below(self, stream: str, end: str) -> Iterator[str]:
        start = "-"
        while rows := cast("list[Any]", self._client.xrange(stream, start, f"({end}", PAGE_ENTRIES)):
            yield from (entry.decode() for entry, _ in rows)
            start = f"({rows[-1][0].decode()}"

    def _page(self, stream: str, start: str) -> list[EntryOfLetter]:
        """The next entries, from `start` on."""
        rows = cast("list[Any]", self._client.xrange(stream, start, "+", PAGE_ENTRIES))
        return [(entry.decode(), _dead_letter_of(fields.get(b"data", b""))) for entry, fields in rows]

    def _run(self, stream: str, mode: Mode, page: Sequence[EntryOfLetter] | None = None) -> Trimmed:
        """Run the script; with a `page`, entries after it are left alone."""
        limit = "" if page is None else _after(page[-1][0]) if page else "0-0"
        dead_letters = [(entry, digest) for entry, digest in page or () if digest]
        removed, first_kept, why, group = cast(
            "tuple[int, bytes, bytes, bytes]",
            self._script(
                keys=[stream, self._keys.trimmed, *(self._keys.letter(digest) for _, digest in dead_letters)],
                args=[self._keep_ms, mode, TAIL_GROUP, limit, *(entry for entry, _ in dead_letters)],
            ),
        )
        group_name = group.decode("utf-8", "backslashreplace")
        return Trimmed(stream, removed, first_kept.decode(), cast("KeepReason", why.decode()), group_name)


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
