"""From the raw letter to the determination: texts reflowed, values typed, every value with its span.

Nothing is filled in here: a value that validation requires and that is missing raises `UncheckedLetterError`.
"""

from __future__ import annotations

from datetime import date
from typing import TypeVar

from worker.letter.errors import UncheckedLetterError
from worker.letter.fields import read_date
from worker.letter.heading_parts import HeadingForm
from worker.letter.model import (
    Citation,
    Decision,
    Determination,
    Finding,
    Guideline,
    Issue,
    Parties,
    Patient,
    Reviewer,
)
from worker.letter.outcome import outcome_of
from worker.letter.raw_letter import FoundValue, RawCitation, RawGuideline, RawIssue, RawLetter
from worker.letter.text import Place, View, reflow

T = TypeVar("T")


class Assembler:
    """Builds one determination and keeps the place of every value that it takes."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.clean = view.clean
        self.places: dict[str, Place] = {}
        """Field path to the place of its value."""

    def text(self, path: str, place: Place | None) -> str | None:
        """The reflowed text of a place; None where the letter has no such value."""
        if place is None:
            return None
        self.places[path] = place
        return reflow(self.clean[place[0] : place[1]])

    def required_text(self, path: str, place: Place | None) -> str:
        """The reflowed text of a value that every valid letter has."""
        if place is None:
            raise UncheckedLetterError(path)
        self.places[path] = place
        return reflow(self.clean[place[0] : place[1]])

    def texts(self, path: str, places: list[Place]) -> tuple[str, ...]:
        """The reflowed texts of a list."""
        if not places:
            return ()
        for number, place in enumerate(places):
            self.places[f"{path}.{number}"] = place
        return tuple([reflow(self.clean[start:end]) for start, end in places])

    def mark(self, path: str, place: Place | None) -> bool:
        """Whether the letter has a value; its place is kept."""
        if place is None:
            return False
        self.places[path] = place
        return True

    def value(self, path: str, raw_value: FoundValue[T] | None) -> T | None:
        """A value that was read; None where the letter has none."""
        if raw_value is None:
            return None
        self.places[path] = raw_value.place
        return raw_value.value


def assemble(
    view: View,
    raw: RawLetter,
    forms: list[HeadingForm | None],
    conclusions: list[FoundValue[bool] | None],
    findings: tuple[Finding, ...],
    *,
    read_parties: bool,
) -> Determination:
    """The determination of a letter that broke no rule of severity `error`.

    `forms` and `conclusions` have one entry for each issue. Raises `UncheckedLetterError` for a letter that validation
    should have refused.
    """
    build = Assembler(view)
    priority = build.value("priority", raw.priority)
    stated_outcome = build.value("stated_outcome", raw.stated_outcome)
    issues = _issues(build, raw, forms, conclusions)
    dates = raw.dates
    return Determination(
        layout=raw.layout,
        case_number=build.value("case_number", raw.case_number),
        date_of_injury=build.value("date_of_injury", dates.get("date_of_injury")),
        ur_decision_date=build.value("ur_decision_date", dates.get("ur_decision_date")),
        application_received=build.value("application_received", dates.get("application_received")),
        date_assigned=build.value("date_assigned", dates.get("date_assigned")),
        decision_date=build.value("decision_date", dates.get("decision_date")),
        priority=priority,
        patient=_patient(build, raw),
        reviewer=_reviewer(build, raw),
        documents_reviewed=build.texts("documents_reviewed", raw.documents) if raw.documents is not None else None,
        clinical_summary=build.required_text("clinical_summary", raw.summary),
        issues=issues,
        outcome=outcome_of({issue.decision for issue in issues}),
        stated_outcome=stated_outcome,
        parties=_parties(build, raw) if read_parties and raw.parties else None,
        deadlines=None,
        findings=findings,
        spans=view.spans(build.places),
    )


def _issues(
    build: Assembler, raw: RawLetter, forms: list[HeadingForm | None], conclusions: list[FoundValue[bool] | None]
) -> tuple[Issue, ...]:
    return tuple(
        _issue(build, number, issue, form, conclusion)
        for number, (issue, form, conclusion) in enumerate(zip(raw.issues, forms, conclusions, strict=True))
    )


def _patient(build: Assembler, raw: RawLetter) -> Patient:
    return Patient(
        age=build.value("patient.age", raw.age),
        sex=build.value("patient.sex", raw.sex),
    )


def _reviewer(build: Assembler, raw: RawLetter) -> Reviewer:
    role = build.text("reviewer.role", raw.role)
    return Reviewer(
        role=role.lower() if role else None,
        specialties=build.texts("reviewer.specialties", raw.specialties),
        subspecialties=build.texts("reviewer.subspecialties", raw.subspecialties),
        licensed_states=build.texts("reviewer.licensed_states", raw.states),
    )


def _parties(build: Assembler, raw: RawLetter) -> Parties:
    return Parties(
        employee_name=build.text("parties.employee_name", raw.parties.get("employee_name")),
        provider_name=build.text("parties.provider_name", raw.parties.get("provider_name")),
        claim_number=build.text("parties.claim_number", raw.parties.get("claim_number")),
    )


def _issue(
    build: Assembler, number: int, issue: RawIssue, form: HeadingForm | None, conclusion: FoundValue[bool] | None
) -> Issue:
    path = f"issues.{number}"
    decision = _decision(build, f"{path}.decision", issue.decision)
    if form is None:
        raise UncheckedLetterError(f"{path}.heading")
    medically_necessary = build.value(f"{path}.medically_necessary", conclusion)
    return Issue(
        number=number + 1,
        heading=build.required_text(f"{path}.heading", issue.heading),
        treatment=build.required_text(f"{path}.treatment", form.treatment),
        original_request=build.text(f"{path}.original_request", form.original_request),
        authorized=build.text(f"{path}.authorized", form.authorized),
        review_type="retrospective" if build.mark(f"{path}.review_type", form.retrospective) else "prospective",
        date_of_service=service_date(build.view, form)
        if build.mark(f"{path}.date_of_service", form.service_date)
        else None,
        associated_surgical_service=build.mark(f"{path}.associated_surgical_service", form.associated),
        decision=decision,
        medically_necessary=medically_necessary,
        claims_administrator_guideline=_guideline(
            build, f"{path}.claims_administrator_guideline", issue.claims_guideline
        ),
        reviewer_guideline=_guideline(build, f"{path}.reviewer_guideline", issue.reviewer_guideline),
        rationale=build.required_text(f"{path}.rationale", issue.rationale),
    )


def _decision(build: Assembler, path: str, decision: FoundValue[Decision | None] | None) -> Decision:
    """The decision that the letter prints; there is none by default."""
    if decision is None or decision.value is None:
        raise UncheckedLetterError(path)
    build.places[path] = decision.place
    return decision.value


def service_date(view: View, form: HeadingForm | None) -> date | None:
    """The date of service of a heading."""
    if form is None or form.service_date is None:
        return None
    start, end = form.service_date
    return read_date(view.folded[start:end])


def _guideline(build: Assembler, path: str, raw: RawGuideline | None) -> Guideline | None:
    if raw is None:
        return None
    return Guideline(
        text=build.required_text(f"{path}.text", raw.text),
        none_cited=build.mark(f"{path}.none_cited", raw.none_cited),
        citations=tuple(
            [_citation(build, f"{path}.citations.{number}", citation) for number, citation in enumerate(raw.citations)]
        ),
    )


def _citation(build: Assembler, path: str, raw: RawCitation) -> Citation:
    return Citation(
        source="MTUS" if raw.mtus else "non-MTUS",
        chapter=build.value(f"{path}.chapter", raw.chapter),
        year=build.value(f"{path}.year", raw.year),
        sections=build.texts(f"{path}.sections", raw.sections),
        pages=build.texts(f"{path}.pages", raw.pages),
        text=build.required_text(f"{path}.text", raw.text),
    )
