"""What is answered, and what is asked of the records on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

import redis

from worker.adapters.redis.lookup import Lookup
from worker.adapters.start_problem import StartRefused
from worker.processing.records import RecordsUnavailable

Where = Literal["inbox", "claimed", "archive", "review", "discarded", "duplicates", "nowhere"]
Told = TypeVar("Told")


class NotFound(Exception):
    """Nothing is known of what was asked for."""

    def __init__(self, what: str, *, unsure: bool = False) -> None:
        super().__init__(what)
        self.unsure = unsure
        """Whether the records might have told, and did not answer."""


class NotUnique(Exception):
    """Several could be meant; `candidates` are their paths or ids."""

    def __init__(self, what: str, candidates: Sequence[str]) -> None:
        super().__init__(what)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a letter is, since when, and what it waits for."""

    where: Where
    """The folder, or `nowhere` for a letter that is known and whose file is not in the share."""
    state: str
    """In one word: ignored, settling, held, waiting, working, orphaned, published, dead, ..."""
    path: str | None
    """Relative to the share."""
    since: datetime | None
    """Since when it is there, or has been in that state."""
    sentence: str
    waits_for: tuple[str, ...] = ()
    """Whom or what it waits for; empty if nothing more is to come."""
    notes: tuple[str, ...] = ()
    """What else the person should know."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Ids, codes and counts, by name; None is left out."""


class Redis:
    """The records, for as long as they answer: after the first failure nothing else is asked."""

    def __init__(self, reach: Callable[[], Lookup]) -> None:
        """`reach` finds the server, or raises `StartRefused`."""
        self._reach = reach
        self._lookup: Lookup | None = None
        self.is_away = False
        """Whether a question went without an answer."""

    def ask(self, question: Callable[[Lookup], Told]) -> Told | None:
        """The answer; None if the records do not answer."""
        if self.is_away:
            return None
        try:
            self._lookup = self._lookup or self._reach()
            return question(self._lookup)
        except (RecordsUnavailable, redis.RedisError, StartRefused):
            self.is_away = True
            return None

    def notes(self) -> tuple[str, ...]:
        """That something is missing from the answer, if it is."""
        return ("Redis does not answer: this is what the share alone tells.",) if self.is_away else ()
