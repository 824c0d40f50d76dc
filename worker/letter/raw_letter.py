"""What a layout reads from a letter, before anything is checked: values with their places, absent ones None.

Reading never judges. A date is kept as the words that stand where a date belongs; that no such day exists is found
by `validation`, which sees the whole letter and reports everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Generic, Literal, NamedTuple, TypeVar

from worker.letter.model import Decision, Layout
from worker.letter.text import Place

T = TypeVar("T")

DATE_FIELDS = ("date_of_injury", "ur_decision_date", "application_received", "date_assigned", "decision_date")
"""The letter's dates, in the order in which they come to pass."""


PARTS = ("claims_administrator_guideline", "reviewer_guideline", "rationale")
"""The parts of an issue after its heading, in the order of the letter."""


class FoundValue(NamedTuple, Generic[T]):
    """A value and where it stands."""

    value: T
    place: Place


class RawProblem(NamedTuple):
    """A broken rule, noticed while reading or checking."""

    code: str
    field: str | None = None
    place: Place | None = None
    detail: str = ""
    """Names what is missing; words of ours, never the letter's."""
    source: Place | None = None
    """The place in the source, where it is given in that rather than in the clean text."""


@dataclass(slots=True)
class RawCitation:
    """One source of a guideline."""

    text: Place
    mtus: bool
    chapter: FoundValue[str] | None = None
    known: bool = True
    """False for an MTUS chapter that is not in the list."""
    year: FoundValue[int] | None = None
    sections: list[Place] = field(default_factory=list)
    pages: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class RawGuideline:
    """One side's statement of what it relied on."""

    text: Place
    none_cited: Place | None
    citations: list[RawCitation]


@dataclass(slots=True)
class RawIssue:
    """One disputed treatment: its parts as far as they are there."""

    start: int
    """Where it starts, for messages about what it lacks."""
    heading: Place | None = None
    decision: FoundValue[Decision | None] | None = None
    """A decision word that is none of the known ones has the value None."""
    claims_guideline: RawGuideline | None = None
    reviewer_guideline: RawGuideline | None = None
    rationale: Place | None = None
    labels: dict[str, int] = field(default_factory=dict)
    """Where the part of each name in `PARTS` begins, label included."""
    end: int = 0
    """Where it ends."""
    only_reviewer: bool = False
    """True in a layout that has no guideline of the claims administrator."""
    closed: bool = True
    """False where the rationale stops in mid-sentence."""

    def expected_at(self, part: str) -> int:
        """Where a part that is missing should stand: before the next one that is there."""
        later = PARTS[PARTS.index(part) + 1 :]
        return next((self.labels[name] for name in later if name in self.labels), self.end)


@dataclass(slots=True)
class RawLetter:
    """Everything a layout found in a letter."""

    layout: Layout
    case_number: FoundValue[str] | None = None
    case_numbers: list[FoundValue[str]] = field(default_factory=list)
    """Each place outside of the prose where the letter prints its number."""
    dates: dict[str, FoundValue[date | None]] = field(default_factory=dict)
    """By field name; a date that does not exist has the value None."""
    dated: FoundValue[date | None] | None = None
    """The day that the letter itself bears."""
    priority: FoundValue[Literal["standard", "expedited"] | None] | None = None
    age: FoundValue[int] | None = None
    sex: FoundValue[Literal["male", "female"]] | None = None
    role: Place | None = None
    specialties: list[Place] = field(default_factory=list)
    subspecialties: list[Place] = field(default_factory=list)
    states: list[Place] = field(default_factory=list)
    documents: list[Place] | None = None
    summary: Place | None = None
    issues: list[RawIssue] = field(default_factory=list)
    stated_outcome: FoundValue[Decision] | None = None
    parties: dict[str, Place] = field(default_factory=dict)
    problems: list[RawProblem] = field(default_factory=list)
