"""What a letter says, as values: the determination of the public contract, field by field.

The JSON Schema of the published events and the reference page are generated from these classes: each field's
docstring is its public description. Everything here is frozen and needs the standard library alone. No class has
slots: orjson reads a whole `__dict__` at once but each slot singly, which made encoding four times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Literal

Layout = Literal[
    "2013-notice",
    "2014-how-made",
    "2014-documents-reviewed",
    "2016-case-number",
    "medical-professional-review",
]
Decision = Literal["upheld", "overturned", "partially_overturned"]
Severity = Literal["error", "warning", "info"]

SCHEMA_VERSION: Literal["1.0"] = "1.0"

# Read by pydantic when it generates the JSON Schema. A plain dict, so that this package needs no pydantic.
_DOCUMENTED: dict[str, object] = {"use_attribute_docstrings": True, "extra": "forbid"}


@dataclass(frozen=True)
class Span:
    """Where in the extracted text a value was read."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    start: int
    """Offset of the first character, from 0."""
    end: int
    """Offset after the last character (exclusive)."""
    page: int | None
    """Page of the first character, from 1; null for text files."""


@dataclass(frozen=True)
class Finding:
    """Something that validation noticed and that does not keep the letter from being published."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    code: str
    """Stable code of the rule, listed by `imr schema --errors`."""
    severity: Literal["warning", "info"]
    """`warning`: a person may want to look; `info`: worth knowing."""
    field: str | None
    """Path of the value concerned (`issues.0.rationale`); null where the finding is about the whole letter."""
    message: str
    """The finding in a sentence, without words of the letter."""


@dataclass(frozen=True)
class Patient:
    """The injured worker, as far as the letter describes them."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    age: int | None
    """Age in years at the time of the review."""
    sex: Literal["male", "female"] | None
    """Sex, from the sentence about the patient."""


@dataclass(frozen=True)
class Reviewer:
    """Who reviewed; names are confidential (Labor Code 4610.6(f)) and never printed."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    role: str | None
    """In the letter's words: `physician reviewer`, `expert reviewer`, ..."""
    specialties: tuple[str, ...]
    """Board certifications or specialties, in the letter's order."""
    subspecialties: tuple[str, ...]
    """Subspecialties, in the letter's order."""
    licensed_states: tuple[str, ...]
    """States of licensure, in the letter's order."""


@dataclass(frozen=True)
class Citation:
    """One source that a guideline names."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    source: Literal["MTUS", "non-MTUS"]
    """`MTUS`: the Medical Treatment Utilization Schedule (8 CCR 9792.20 and following); else `non-MTUS`."""
    chapter: str | None
    """MTUS chapter by its own name (`Forearm, Wrist, and Hand Complaints`); null for non-MTUS."""
    year: int | None
    """Year printed after the chapter; null where none is."""
    sections: tuple[str, ...]
    """Names after `Section(s):`, or the topic that 2014 letters print without a label."""
    pages: tuple[str, ...]
    """Pages after `Page(s):`, as printed (`60`, `111-113`)."""
    text: str
    """The citation as printed, reflowed."""


@dataclass(frozen=True)
class Guideline:
    """What one side says its decision is based on."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    text: str
    """The whole statement, reflowed."""
    none_cited: bool
    """True for `... did not cite any medical evidence for its decision.`"""
    citations: tuple[Citation, ...]
    """The sources named, in order."""


@dataclass(frozen=True)
class Issue:
    """One disputed treatment and its decision."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    number: int
    """Position in the letter, from 1."""
    heading: str
    """The whole heading in one line, without the decision word and the punctuation before it."""
    treatment: str
    """What the decision is about: the heading without `Associated surgical service:` and `Retrospective`; where
    Utilization Review authorized a part, only the remaining portion."""
    original_request: str | None
    """The request as first made, where a part of it was authorized."""
    authorized: str | None
    """The part that the claims administrator authorized."""
    review_type: Literal["prospective", "retrospective"]
    """`retrospective`: the service was already given."""
    date_of_service: date | None
    """Date of service stated in a retrospective heading."""
    associated_surgical_service: bool
    """True for headings that start with `Associated surgical service:`."""
    decision: Decision
    """`upheld`: the Utilization Review denial stands; `overturned`: the treatment is medically necessary."""
    medically_necessary: bool | None
    """What the rationale itself concludes; null when it does not say."""
    claims_administrator_guideline: Guideline | None
    """What the claims administrator based its decision on; null where the layout has no such part."""
    reviewer_guideline: Guideline | None
    """What the reviewer based the decision on; null where the layout has no such part."""
    rationale: str
    """The reviewer's reasons, whole and reflowed."""


@dataclass(frozen=True)
class Parties:
    """Personal data from a cover page; read only when `IMR_READ_PARTIES` is on."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    employee_name: str | None
    """The injured worker's name."""
    provider_name: str | None
    """The requesting provider's name."""
    claim_number: str | None
    """The claims administrator's number."""


@dataclass(frozen=True)
class Deadlines:
    """Legal deadlines, computed from the day of receipt by rules with an effective date."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    received_on: date
    """The day the file arrived in the share, unless the operator states another."""
    rule_version: str
    """Version of the rules that were applied."""
    authorize_by: date | None
    """Overturned services not yet given are authorized by this day: 5 working days (8 CCR 9792.10.7(a)(2))."""
    reimburse_by: date | None
    """Overturned services already given are reimbursed by this day: 20 days (8 CCR 9792.10.7(a)(1))."""
    appeal_by: date | None
    """Last day for a petition to the appeals board: 30 days (8 CCR 10575)."""
    ur_denial_effective_until: date | None
    """An upheld denial stands until this day: 12 months from the UR decision (Labor Code 4610(k))."""


@dataclass(frozen=True, kw_only=True)
class Determination:
    """What one Final Determination Letter says."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    """Version of this shape."""

    layout: Layout
    """Which known layout was recognized."""
    case_number: str | None
    """`CM16-0213037`; null where the letter has none."""
    date_of_injury: date | None
    """Date of injury."""
    ur_decision_date: date | None
    """Date of the Utilization Review decision under dispute."""
    application_received: date | None
    """Day the application for review was received."""
    date_assigned: date | None
    """Day the case was assigned to the review organization."""
    decision_date: date | None
    """Date of the final determination."""
    priority: Literal["standard", "expedited"] | None
    """Priority of the review."""
    patient: Patient
    """The injured worker, as far as the letter describes them."""
    reviewer: Reviewer
    """Who reviewed."""
    documents_reviewed: tuple[str, ...] | None
    """The documents listed as reviewed; null where the layout has no such list."""
    clinical_summary: str
    """The whole clinical case summary, reflowed."""
    issues: tuple[Issue, ...]
    """The disputed treatments, at least one, in the letter's order."""
    outcome: Decision
    """Derived from the issues' decisions: `partially_overturned` when they differ."""
    stated_outcome: Decision | None
    """What a cover page states; one that differs from `outcome` sends the letter to review."""
    parties: Parties | None
    """Personal data from a cover page; null unless `IMR_READ_PARTIES` is on."""
    deadlines: Deadlines | None
    """Legal deadlines, computed from the day of receipt; null where they were not asked for."""
    findings: tuple[Finding, ...]
    """What validation noticed that does not keep the letter from being published."""
    spans: dict[str, Span] = field(default_factory=dict)
    """Field path (`issues.0.decision`) to where in the extracted text it was read. A derived value has none."""
