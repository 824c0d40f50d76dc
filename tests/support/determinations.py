"""Determinations and events to publish, without a letter."""

from __future__ import annotations

from datetime import UTC, date, datetime

from worker.contract.event import DeadLetter, Resolution
from worker.letter.errors import Violation
from worker.letter.model import (
    Citation,
    Deadlines,
    Determination,
    Finding,
    Guideline,
    Issue,
    Patient,
    Reviewer,
    Span,
)

NOW = datetime(2024, 6, 10, 12, 30, tzinfo=UTC)

GUIDELINE = Guideline(
    text="MTUS Chronic Pain Treatment Guidelines Page(s): 46.",
    none_cited=False,
    citations=(
        Citation(
            source="MTUS",
            chapter="Chronic Pain Treatment Guidelines",
            year=2009,
            sections=("Epidural steroid injections",),
            pages=("46",),
            text="Chronic Pain Treatment Guidelines Page(s): 46.",
        ),
    ),
)


def issue(number: int = 1, rationale: str = "It is not medically necessary.") -> Issue:
    """One disputed treatment, upheld."""
    return Issue(
        number=number,
        heading="Physical therapy, 12 sessions",
        treatment="Physical therapy, 12 sessions",
        original_request=None,
        authorized=None,
        review_type="prospective",
        date_of_service=None,
        associated_surgical_service=False,
        decision="upheld",
        medically_necessary=False,
        claims_administrator_guideline=GUIDELINE,
        reviewer_guideline=GUIDELINE,
        rationale=rationale,
    )


def determination(
    case_number: str | None = "CM16-0213037",
    *,
    issues: tuple[Issue, ...] = (),
    clinical_summary: str = "A summary.",
    documents_reviewed: tuple[str, ...] | None = None,
) -> Determination:
    """What a small letter says."""
    return Determination(
        layout="2016-case-number",
        case_number=case_number,
        date_of_injury=date(2014, 3, 2),
        ur_decision_date=date(2016, 11, 1),
        application_received=date(2016, 11, 20),
        date_assigned=None,
        decision_date=date(2016, 12, 30),
        priority="standard",
        patient=Patient(age=52, sex="female"),
        reviewer=Reviewer("physician reviewer", ("Anesthesia",), (), ("California",)),
        documents_reviewed=documents_reviewed,
        clinical_summary=clinical_summary,
        issues=issues or (issue(),),
        outcome="upheld",
        stated_outcome=None,
        parties=None,
        deadlines=Deadlines(date(2024, 6, 10), "2015", None, None, date(2024, 7, 10), date(2017, 11, 1)),
        findings=(Finding("short_summary", "info", "clinical_summary", "The summary is short."),),
        spans={"case_number": Span(0, 12, None), "issues.0.decision": Span(40, 46, 1)},
    )


def dead_letter(*violations: Violation, code: str = "empty") -> DeadLetter:
    """Why a letter could not be published."""
    return DeadLetter(
        schema_version="1.0",
        code=code,
        message="The file is empty.",
        remedy="Ask the sender for it again.",
        violations=violations,
        attempts=1,
        claim_id="01j00000000000000000",
        received_on=date(2024, 6, 10),
        failed_at=NOW,
        size_bytes=0,
        parser_version="1.0.0",
    )


def resolution() -> Resolution:
    """A person's decision."""
    return Resolution("1.0", "discard", "sent twice", "examiner", NOW, 1)
