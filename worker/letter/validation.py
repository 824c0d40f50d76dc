"""The rules that a letter must keep, in one table, and the checks that hold a letter against them.

Every check runs: a letter that breaks three rules says so three times. `error` sends the letter to review; `warning`
and `info` are published with it as findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise
from typing import Literal

from worker.letter.conclusions import conclusion
from worker.letter.fields import STATES
from worker.letter.heading_parts import HeadingForm
from worker.letter.issues import issue_place
from worker.letter.model import Decision
from worker.letter.outcome import outcome_of
from worker.letter.raw_letter import DATE_FIELDS, PARTS, FoundValue, RawGuideline, RawIssue, RawLetter, RawProblem
from worker.letter.rules import RULES, Rule
from worker.letter.text import View

__all__ = ["RULES", "Checked", "Rule", "check"]

_YOUNGEST, _OLDEST = 14, 100
"""California lets nobody under 14 work in general (Labor Code 1290); nobody over 100 was seen."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking works out on its way, for assembling."""

    conclusions: list[FoundValue[bool] | None]
    service_dates: list[date | None]


def check(
    view: View, raw: RawLetter, forms: list[HeadingForm | None], checked: Checked, today: date | None
) -> list[RawProblem]:
    """Every rule that the letter breaks, those noticed in reading first."""
    problems = [*raw.problems, *_numbers(raw), *_dates(raw, today), *_patient(raw), *_reviewer(view, raw)]
    end = len(view.clean.rstrip())
    if not raw.issues and not any(problem.code in {"truncated", "no_issues"} for problem in problems):
        problems.append(RawProblem("no_issues", "issues", (end, end)))
    for number, issue in enumerate(raw.issues):
        problems += _issue(view, raw, number, issue)
        problems += _heading(raw, number, forms[number], checked.service_dates[number])
        problems += _conclusion(number, issue, checked.conclusions[number])
    return problems


def _numbers(raw: RawLetter) -> Iterator[RawProblem]:
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


def _dates(raw: RawLetter, today: date | None) -> Iterator[RawProblem]:
    for name, found in raw.dates.items():
        if found.value is None:
            yield RawProblem("impossible_date", name, found.place)
        elif today and found.value > today:
            yield RawProblem("date_in_future", name, found.place)
    ordered = [(name, day.value) for name in DATE_FIELDS if (day := raw.dates.get(name)) and day.value]
    for name in _out_of_order(ordered):
        yield RawProblem("dates_out_of_order", name, raw.dates[name].place)


def _out_of_order(ordered: list[tuple[str, date]]) -> tuple[str, ...]:
    """The fewest dates without which the others are in order; the letter's own date is the last to be doubted."""
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


def _patient(raw: RawLetter) -> Iterator[RawProblem]:
    if raw.summary is None:
        return
    if raw.age is None:
        yield RawProblem("patient_age_missing", "patient.age", raw.summary)
    elif not _YOUNGEST <= raw.age.value <= _OLDEST:
        yield RawProblem("implausible_age", "patient.age", raw.age.place)
    if raw.sex is None:
        yield RawProblem("patient_sex_missing", "patient.sex", raw.summary)


def _reviewer(view: View, raw: RawLetter) -> Iterator[RawProblem]:
    if not raw.specialties and not raw.states:
        yield RawProblem("reviewer_unread", "reviewer")
    for number, place in enumerate(raw.states):
        if " ".join(view.folded[place[0] : place[1]].split()) not in STATES:
            yield RawProblem("unknown_state", f"reviewer.licensed_states.{number}", place)


def _issue(view: View, raw: RawLetter, number: int, issue: RawIssue) -> Iterator[RawProblem]:
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
    yield from _guidelines(path, issue)
    for side, guideline in (("claims_administrator", issue.claims_guideline), ("reviewer", issue.reviewer_guideline)):
        yield from _citations(f"{path}.{side}_guideline", guideline)


def _guidelines(path: str, issue: RawIssue) -> Iterator[RawProblem]:
    """A missing guideline is noticed where the part that follows it begins."""
    for part, guideline in zip(PARTS, (issue.claims_guideline, issue.reviewer_guideline), strict=False):
        if guideline is None and not (issue.only_reviewer and part == PARTS[0]):
            at = issue.expected_at(part)
            yield RawProblem("issue_without_guideline", f"{path}.{part}", (at, at))


def _citations(path: str, guideline: RawGuideline | None) -> Iterator[RawProblem]:
    for number, citation in enumerate(guideline.citations if guideline else ()):
        if citation.mtus and not citation.known:
            yield RawProblem("unknown_chapter", f"{path}.citations.{number}.chapter", citation.text)


def _heading(raw: RawLetter, number: int, form: HeadingForm | None, service_date: date | None) -> Iterator[RawProblem]:
    if form is None or form.service_date is None:
        return
    path, decided = f"issues.{number}.date_of_service", raw.dates.get("decision_date")
    if service_date is None:
        yield RawProblem("impossible_date", path, form.service_date)
    elif decided and decided.value and service_date > decided.value:
        yield RawProblem("dates_out_of_order", path, form.service_date)
    if form.retrospective is None:
        yield RawProblem("service_date_without_retrospective", path, form.service_date)


_CONTRADICTED: dict[tuple[Literal["upheld", "overturned", "partially_overturned"] | None, bool], bool] = {
    ("upheld", True): True,
    ("overturned", False): True,
}


def _conclusion(number: int, issue: RawIssue, concluded: FoundValue[bool] | None) -> Iterator[RawProblem]:
    path = f"issues.{number}.medically_necessary"
    if concluded is None:
        if issue.rationale:
            yield RawProblem("conclusion_not_stated", path, issue.rationale)
    elif issue.decision and _CONTRADICTED.get((issue.decision.value, concluded.value)):
        yield RawProblem("decision_contradicts_rationale", path, concluded.place)


def conclusions_of(view: View, raw: RawLetter) -> list[FoundValue[bool] | None]:
    """What each issue's rationale concludes."""
    return [conclusion(view, *issue.rationale) if issue.rationale else None for issue in raw.issues]
