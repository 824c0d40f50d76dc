"""The answer about a file, and the look-ups in the records that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

import redis

from worker.adapters.redis.lookup import Lookup
from worker.adapters.start_problem import StartRefused
from worker.processing.records import RecordsUnavailable

Location = Literal["inbox", "claimed", "archive", "review", "discarded", "duplicates", "nowhere"]
Result = TypeVar("Result")


class NotFound(Exception):
    """No file and no record matches what was asked for."""

    def __init__(self, what: str, *, unsure: bool = False) -> None:
        super().__init__(what)
        self.unsure = unsure
        """Whether the records did not answer, so that they might know it."""


class NotUnique(Exception):
    """Several files or letters match; `candidates` are their paths or ids."""

    def __init__(self, what: str, candidates: Sequence[str]) -> None:
        super().__init__(what)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a letter is, since when, and what it waits for."""

    where: Location
    """The folder, or `nowhere` for a letter that has a record and no file in the share."""
    state: str
    """In one word: ignored, settling, held, waiting, working, orphaned, published, dead, ..."""
    path: str | None
    """Relative to the share."""
    since: datetime | None
    """When it came there, or into that state."""
    sentence: str
    waits_for: tuple[str, ...] = ()
    """What it waits for, and whom; empty if nothing more will happen to it."""
    notes: tuple[str, ...] = ()
    """What else the person should know."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Ids, codes and counts, by name; those that are None are not shown."""


class OptionalLookup:
    """Look-ups in the records for as long as Redis answers: after the first failure, nothing else is asked."""

    def __init__(self, connect: Callable[[], Lookup]) -> None:
        """`connect` finds the server, or raises `StartRefused`."""
        self._connect = connect
        self._lookup: Lookup | None = None
        self.is_unreachable = False
        """Whether a look-up failed."""

    def ask(self, look_up: Callable[[Lookup], Result]) -> Result | None:
        """The result of the look-up; None if Redis does not answer."""
        if self.is_unreachable:
            return None
        try:
            self._lookup = self._lookup or self._connect()
            return look_up(self._lookup)
        except (RecordsUnavailable, redis.RedisError, StartRefused):
            self.is_unreachable = True
            return None

    def notes(self) -> tuple[str, ...]:
        """A note that something is missing from the answer, if a look-up failed."""
        return ("Redis does not answer: this is what the share alone shows.",) if self.is_unreachable else ()
