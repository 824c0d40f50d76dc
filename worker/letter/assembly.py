"""From the raw letter to the determination: texts reflowed, values typed, every value with its span."""

from __future__ import annotations

from datetime import date

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
from worker.letter.raw_letter import FoundValue, RawCitation, RawGuideline, RawIssue, RawLetter
from worker.letter.text import Place, View, reflow


class Assembler:
    """Builds one determination; each value that it takes leaves its span."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.clean = view.clean
        self.places: dict[str, Place] = {}

    def text(self, path: str, place: Place | None) -> str | None:
        """The reflowed text of a place."""
        if place is None:
            return None
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
        """Keep the span of a value that is there or not."""
        if place is None:
            return False
        self.places[path] = place
        return True

    def date(self, raw: RawLetter, name: str) -> date | None:
        """One of the letter's dates."""
        found = raw.dates.get(name)
        if found is None:
            return None
        self.places[name] = found.place
        return found.value


def assemble(
    view: View,
    raw: RawLetter,
    forms: list[HeadingForm | None],
    conclusions: list[FoundValue[bool] | None],
    findings: tuple[Finding, ...],
    *,
    read_parties: bool,
) -> Determination:
    """The determination of a letter that broke no rule."""
    build = Assembler(view)
    build.mark("priority", raw.priority.place if raw.priority else None)
    build.mark("stated_outcome", raw.stated_outcome.place if raw.stated_outcome else None)
    issues = tuple(
        _issue(build, number, issue, form or HeadingForm((0, 0)), concluded)
        for number, (issue, form, concluded) in enumerate(zip(raw.issues, forms, conclusions, strict=True))
    )
    return Determination(
        layout=raw.layout,
        case_number=raw.case_number.value
        if raw.case_number and build.mark("case_number", raw.case_number.place)
        else None,
        date_of_injury=build.date(raw, "date_of_injury"),
        ur_decision_date=build.date(raw, "ur_decision_date"),
        application_received=build.date(raw, "application_received"),
        date_assigned=build.date(raw, "date_assigned"),
        decision_date=build.date(raw, "decision_date"),
        priority=raw.priority.value if raw.priority else None,
        patient=_patient(build, raw),
        reviewer=_reviewer(build, raw),
        documents_reviewed=build.texts("documents_reviewed", raw.documents) if raw.documents is not None else None,
        clinical_summary=build.text("clinical_summary", raw.summary) or "",
        issues=issues,
        outcome=outcome(issues),
        stated_outcome=raw.stated_outcome.value if raw.stated_outcome else None,
        parties=_parties(build, raw) if read_parties and raw.parties else None,
        deadlines=None,
        findings=findings,
        spans=view.spans(build.places),
    )


def outcome(issues: tuple[Issue, ...]) -> Decision:
    """The issues' decision where they agree, else partially overturned."""
    decisions = {issue.decision for issue in issues}
    return decisions.pop() if len(decisions) == 1 else "partially_overturned"


def _patient(build: Assembler, raw: RawLetter) -> Patient:
    return Patient(
        raw.age.value if raw.age and build.mark("patient.age", raw.age.place) else None,
        raw.sex.value if raw.sex and build.mark("patient.sex", raw.sex.place) else None,
    )


def _reviewer(build: Assembler, raw: RawLetter) -> Reviewer:
    role = build.text("reviewer.role", raw.role)
    return Reviewer(
        role.lower() if role else None,
        build.texts("reviewer.specialties", raw.specialties),
        build.texts("reviewer.subspecialties", raw.subspecialties),
        build.texts("reviewer.licensed_states", raw.states),
    )


def _parties(build: Assembler, raw: RawLetter) -> Parties:
    return Parties(
        *(
            build.text(f"parties.{name}", raw.parties.get(name))
            for name in ("employee_name", "provider_name", "claim_number")
        )
    )


def _issue(
    build: Assembler, number: int, issue: RawIssue, form: HeadingForm, concluded: FoundValue[bool] | None
) -> Issue:
    path = f"issues.{number}"
    decision = issue.decision
    build.mark(f"{path}.decision", decision.place if decision else None)
    build.mark(f"{path}.medically_necessary", concluded.place if concluded else None)
    return Issue(
        number + 1,
        build.text(f"{path}.heading", issue.heading) or "",
        build.text(f"{path}.treatment", form.treatment) or "",
        build.text(f"{path}.original_request", form.original_request),
        build.text(f"{path}.authorized", form.authorized),
        "retrospective" if build.mark(f"{path}.review_type", form.retrospective) else "prospective",
        service_date(build.view, form) if build.mark(f"{path}.date_of_service", form.service_date) else None,
        build.mark(f"{path}.associated_surgical_service", form.associated),
        (decision.value if decision else None) or "upheld",
        concluded.value if concluded else None,
        _guideline(build, f"{path}.claims_administrator_guideline", issue.claims_guideline),
        _guideline(build, f"{path}.reviewer_guideline", issue.reviewer_guideline),
        build.text(f"{path}.rationale", issue.rationale) or "",
    )


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
        build.text(f"{path}.text", raw.text) or "",
        build.mark(f"{path}.none_cited", raw.none_cited),
        tuple(
            [_citation(build, f"{path}.citations.{number}", citation) for number, citation in enumerate(raw.citations)]
        ),
    )


def _citation(build: Assembler, path: str, raw: RawCitation) -> Citation:
    return Citation(
        "MTUS" if raw.mtus else "non-MTUS",
        raw.chapter.value if raw.chapter and build.mark(f"{path}.chapter", raw.chapter.place) else None,
        raw.year.value if raw.year and build.mark(f"{path}.year", raw.year.place) else None,
        build.texts(f"{path}.sections", raw.sections),
        build.texts(f"{path}.pages", raw.pages),
        build.text(f"{path}.text", raw.text) or "",
    )
