"""The checks that compare a letter with the table of rules.

Every check runs: a letter that breaks three rules gets three violations. `error` sends the letter to review; `warning`
and `info` are published with it as findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise

from worker.letter.conclusions import conclusion
from worker.letter.fields import STATES
from worker.letter.heading_parts import HeadingForm
from worker.letter.issues import issue_place
from worker.letter.model import Decision
from worker.letter.outcome import outcome_of
from worker.letter.raw_letter import DATE_FIELDS, PARTS, FoundValue, RawGuideline, RawIssue, RawLetter, RawProblem
from worker.letter.rules import RULES, Rule
from worker.letter.text import View

__all__ = ["RULES", "DerivedValues", "Rule", "check"]

_YOUNGEST, _OLDEST = 14, 100
"""Years. California generally lets nobody under 14 work (Labor Code 1290); no patient over 100 was seen."""


@dataclass(frozen=True, slots=True)
class DerivedValues:
    """Values derived from the issues, used by the checks and by assembly. One entry for each issue."""

    conclusions: list[FoundValue[bool] | None]
    """What its rationale concludes about medical necessity."""
    service_dates: list[date | None]
    """The date of service in its heading."""


def check(
    view: View, raw: RawLetter, forms: list[HeadingForm | None], derived: DerivedValues, today: date | None
) -> list[RawProblem]:
    """Every broken rule, first those noticed while reading. Without `today` no date is too late."""
    problems = [
        *raw.problems,
        *_header_problems(raw),
        *_date_problems(raw, today),
        *_patient_problems(raw),
        *_reviewer_problems(view, raw),
    ]
    end = len(view.clean.rstrip())
    if not raw.issues and not any(problem.code in {"truncated", "no_issues"} for problem in problems):
        problems.append(RawProblem("no_issues", "issues", (end, end)))
    for number, issue in enumerate(raw.issues):
        problems += _issue_problems(view, raw, number, issue)
        problems += _heading_problems(raw, number, forms[number], derived.service_dates[number])
        problems += _conclusion_problems(number, issue, derived.conclusions[number])
    return problems


def _header_problems(raw: RawLetter) -> Iterator[RawProblem]:
    first = raw.case_number
    for other in raw.case_numbers:
        if first and other.value != first.value:
            yield RawProblem("case_number_conflict", "case_number", other.place)
    if raw.stated_outcome and raw.issues and raw.stated_outcome.value != _outcome(raw):
        yield RawProblem("stated_outcome_differs", "stated_outcome", raw.stated_outcome.place)
    if raw.priority and raw.priority.value is None:
        yield RawProblem("unknown_priority", "priority", raw.priority.place)


def _outcome(raw: RawLetter) -> Decision | None:
    """The outcome of the issues, of which there is at least one; None where a decision is missing or unknown."""
    decisions = {issue.decision.value for issue in raw.issues if issue.decision and issue.decision.value}
    every_decision = all(issue.decision and issue.decision.value for issue in raw.issues)
    return outcome_of(decisions) if every_decision else None


def _date_problems(raw: RawLetter, today: date | None) -> Iterator[RawProblem]:
    for name, raw_date in raw.dates.items():
        if raw_date.value is None:
            yield RawProblem("impossible_date", name, raw_date.place)
        elif today and raw_date.value > today:
            yield RawProblem("date_in_future", name, raw_date.place)
    ordered = [(name, day.value) for name in DATE_FIELDS if (day := raw.dates.get(name)) and day.value]
    for name in _out_of_order(ordered):
        yield RawProblem("dates_out_of_order", name, raw.dates[name].place)


def _out_of_order(ordered: list[tuple[str, date]]) -> tuple[str, ...]:
    """The fewest dates without which the others are in order; the decision date is doubted last."""
    days = [day for _, day in ordered]
    if days == sorted(days):
        return ()
    names = sorted((name for name, _ in ordered), key=lambda name: (name == "decision_date", -DATE_FIELDS.index(name)))
    for count in range(len(ordered)):
        for doubted in combinations(names, count):
            kept = [day for name, day in ordered if name not in doubted]
            if all(before <= after for before, after in pairwise(kept)):
                return doubted
    return ()


def _patient_problems(raw: RawLetter) -> Iterator[RawProblem]:
    if raw.summary is None:
        return
    if raw.age is None:
        yield RawProblem("patient_age_missing", "patient.age", raw.summary)
    elif not _YOUNGEST <= raw.age.value <= _OLDEST:
        yield RawProblem("implausible_age", "patient.age", raw.age.place)
    if raw.sex is None:
        yield RawProblem("patient_sex_missing", "patient.sex", raw.summary)


def _reviewer_problems(view: View, raw: RawLetter) -> Iterator[RawProblem]:
    if not raw.specialties and not raw.states:
        yield RawProblem("reviewer_unread", "reviewer")
    for number, place in enumerate(raw.states):
        if " ".join(view.folded[place[0] : place[1]].split()) not in STATES:
            yield RawProblem("unknown_state", f"reviewer.licensed_states.{number}", place)


def _issue_problems(view: View, raw: RawLetter, number: int, issue: RawIssue) -> Iterator[RawProblem]:
    path, place = f"issues.{number}", issue_place(issue)
    end = len(view.clean.rstrip())
    last = number == len(raw.issues) - 1
    if issue.heading is None:
        yield RawProblem("issue_without_heading", f"{path}.heading", place)
    if issue.decision is None and not (issue.only_reviewer and issue.rationale is None):
        yield RawProblem("issue_without_decision", f"{path}.decision", place)
    elif issue.decision and issue.decision.value is None:
        yield RawProblem("unknown_decision", f"{path}.decision", issue.decision.place)
    if issue.rationale is None and last:
        yield RawProblem("truncated", f"{path}.rationale", (end, end), "the rationale of the last issue")
        return
    if issue.rationale is None:
        yield RawProblem("issue_without_rationale", f"{path}.rationale", (issue.end, issue.end))
    elif not issue.closed:
        yield RawProblem("truncated", f"{path}.rationale", (end, end), "the end of the last rationale")
    yield from _guideline_problems(path, issue)
    for side, guideline in (("claims_administrator", issue.claims_guideline), ("reviewer", issue.reviewer_guideline)):
        yield from _citation_problems(f"{path}.{side}_guideline", guideline)


def _guideline_problems(path: str, issue: RawIssue) -> Iterator[RawProblem]:
    """Report a missing guideline at the place where the next part begins."""
    for part, guideline in zip(PARTS, (issue.claims_guideline, issue.reviewer_guideline), strict=False):
        if guideline is None and not (issue.only_reviewer and part == PARTS[0]):
            at = issue.expected_at(part)
            yield RawProblem("issue_without_guideline", f"{path}.{part}", (at, at))


def _citation_problems(path: str, guideline: RawGuideline | None) -> Iterator[RawProblem]:
    for number, citation in enumerate(guideline.citations if guideline else ()):
        if citation.mtus and not citation.known:
            yield RawProblem("unknown_chapter", f"{path}.citations.{number}.chapter", citation.text)


def _heading_problems(
    raw: RawLetter, number: int, form: HeadingForm | None, service_date: date | None
) -> Iterator[RawProblem]:
    if form is None or form.service_date is None:
        return
    path, decided = f"issues.{number}.date_of_service", raw.dates.get("decision_date")
    if service_date is None:
        yield RawProblem("impossible_date", path, form.service_date)
    elif decided and decided.value and service_date > decided.value:
        yield RawProblem("dates_out_of_order", path, form.service_date)
    if form.retrospective is None:
        yield RawProblem("service_date_without_retrospective", path, form.service_date)


_CONTRADICTIONS: frozenset[tuple[Decision | None, bool]] = frozenset({("upheld", True), ("overturned", False)})
"""A decision, and the conclusion about medical necessity that contradicts it."""


def _conclusion_problems(number: int, issue: RawIssue, concluded: FoundValue[bool] | None) -> Iterator[RawProblem]:
    path = f"issues.{number}.medically_necessary"
    if concluded is None:
        if issue.rationale:
            yield RawProblem("conclusion_not_stated", path, issue.rationale)
    elif issue.decision and (issue.decision.value, concluded.value) in _CONTRADICTIONS:
        yield RawProblem("decision_contradicts_rationale", path, concluded.place)


def conclusions_of(view: View, raw: RawLetter) -> list[FoundValue[bool] | None]:
    """What the rationale of each issue concludes about medical necessity."""
    return [conclusion(view, *issue.rationale) if issue.rationale else None for issue in raw.issues]
