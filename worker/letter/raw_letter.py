"""The raw letter: what a layout reads, before anything is checked. Values have their places; absent ones are None.

Reading does not check. A date that does not exist is kept with its place and the value None; `validation`, which sees
the whole letter, reports it together with every other violation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Generic, Literal, NamedTuple, TypeVar

from worker.letter.model import Decision, Layout
from worker.letter.text import Place

T = TypeVar("T")

DATE_FIELDS = ("date_of_injury", "ur_decision_date", "application_received", "date_assigned", "decision_date")
"""The letter's dates, in the order of the events that they date."""


PARTS = ("claims_administrator_guideline", "reviewer_guideline", "rationale")
"""The parts of an issue after its heading, in the order of the letter."""


class FoundValue(NamedTuple, Generic[T]):
    """A value that was read, and its place in the clean text."""

    value: T
    place: Place


class RawProblem(NamedTuple):
    """A broken rule, noticed while reading or checking. It becomes a `Violation` or a `Finding`."""

    code: str
    """Code of the rule."""
    field: str | None = None
    """Path of the value concerned; None where the problem is about the whole letter."""
    place: Place | None = None
    """Place in the clean text."""
    detail: str = ""
    """Name of the missing part, in fixed words; never text of the letter."""
    source: Place | None = None
    """Place in the source text, given instead of `place` where the clean text may lack it."""


@dataclass(slots=True)
class RawCitation:
    """One source of a guideline."""

    text: Place
    mtus: bool
    chapter: FoundValue[str] | None = None
    known: bool = True
    """False for an MTUS chapter that is not in the list of chapters."""
    year: FoundValue[int] | None = None
    sections: list[Place] = field(default_factory=list)
    pages: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class RawGuideline:
    """What one side says its decision is based on."""

    text: Place
    none_cited: Place | None
    citations: list[RawCitation]


@dataclass(slots=True)
class RawIssue:
    """One disputed treatment: those of its parts that are there."""

    start: int
    """Offset of its start, for violations about missing parts."""
    heading: Place | None = None
    decision: FoundValue[Decision | None] | None = None
    """A word that is no known decision has the value None."""
    claims_guideline: RawGuideline | None = None
    reviewer_guideline: RawGuideline | None = None
    rationale: Place | None = None
    labels: dict[str, int] = field(default_factory=dict)
    """Name of a part (one of `PARTS`) to the offset where its label begins."""
    end: int = 0
    """Offset of its end."""
    only_reviewer: bool = False
    """True in a layout that has only the reviewer's guideline, none of the claims administrator."""
    closed: bool = True
    """False where the rationale stops in the middle of a sentence."""

    def expected_at(self, part: str) -> int:
        """Offset where a missing part should stand: at the next part that is there."""
        later_parts = PARTS[PARTS.index(part) + 1 :]
        return next((self.labels[name] for name in later_parts if name in self.labels), self.end)


@dataclass(slots=True)
class RawLetter:
    """Everything that a layout read in a letter."""

    layout: Layout
    case_number: FoundValue[str] | None = None
    case_numbers: list[FoundValue[str]] = field(default_factory=list)
    """Every case number that is printed outside of the prose, with its place."""
    dates: dict[str, FoundValue[date | None]] = field(default_factory=dict)
    """Field name to date; a date that does not exist has the value None."""
    dated: FoundValue[date | None] | None = None
    """The date of the letter itself (`Dated: ...`)."""
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
