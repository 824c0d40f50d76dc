"""Numbered issues whose guidelines are sentences: the layout of 2013 and the one of 2014 with a list of documents.

    1. <heading> is [not] medically necessary and appropriate.        or        1) Regarding the request for <heading>:
    The Claims Administrator based its decision on ...
    The Physician Reviewer based his/her decision on ...
    The Physician Reviewer's decision rationale: ...                  or        Rationale for the Decision: ...

Rationales hold numbers too: an issue starts at a number that continues the count, and only where parts follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.letter.issues import is_closed
from worker.letter.prose_citations import read_prose_guideline
from worker.letter.raw_letter import PARTS, FoundValue, RawIssue, RawLetter, RawProblem
from worker.letter.text import View


@dataclass(frozen=True, slots=True)
class NumberedForm:
    """How a layout words the parts of an issue."""

    number: re.Pattern[str]
    """Start of an issue; its group `number` counts from 1."""
    claims: re.Pattern[str]
    """Start of the sentence on the claims administrator's guideline."""
    reviewer: re.Pattern[str]
    """Start of the sentence on the reviewer's guideline."""
    rationale: re.Pattern[str]
    """Label of the rationale."""


_DECIDED = re.compile(r"\b(?:is|are|was|were)\s+(?P<no>not\s+)?medically\s+necessary(?:\s+and\s+appropriate)?")
_SECTION_TITLE = re.compile(
    r"section(?:\s*\(s\))?\s+of\s+the\s+medical\s+treatment\s+utilization\s+schedule\s+relied\s+upon"
)
_TAIL = " \n\t\f\r:"
"""Characters after a heading that are no part of it."""


def read_numbered_issues(view: View, start: int, end: int, form: NumberedForm, raw: RawLetter) -> None:
    """Read the issues between two offsets into the raw letter."""
    starts = _starts(view, start, end, form)
    for number, match in enumerate(starts):
        stop = starts[number + 1].start() if number + 1 < len(starts) else end
        raw.issues.append(_issue(view, match, view.trimmed(match.end(), stop)[1], form))
        if number + 1 < len(starts):
            raw.issues[-1].end = view.trimmed(starts[number + 1].start(), end)[0]
    if raw.issues and raw.issues[-1].rationale:
        raw.issues[-1].closed = is_closed(view, raw.issues[-1].rationale)
    elif not raw.issues and view.trimmed(start, end)[0] < end:
        raw.problems.append(RawProblem("truncated", "issues", (end, end), "the decisions and rationales"))


def _starts(view: View, start: int, end: int, form: NumberedForm) -> list[re.Match[str]]:
    """Where issue 1, 2, 3, ... begin: at numbers that continue the count and that parts of an issue follow."""
    starts: list[re.Match[str]] = []
    last = _last_part(view, start, end, form)
    for match in form.number.finditer(view.folded, start, last):
        if int(match.group("number")) == len(starts) + 1:
            starts.append(match)
    return starts


def _last_part(view: View, start: int, end: int, form: NumberedForm) -> int:
    """Where the last part of any issue begins."""
    patterns = (form.claims, form.reviewer, form.rationale)
    return max((match.start() for part in patterns for match in part.finditer(view.folded, start, end)), default=start)


def _issue(view: View, match: re.Match[str], end: int, form: NumberedForm) -> RawIssue:
    labels = _labels(view, match.end(), end, form)
    first = min((label.start() for label in labels.values()), default=end)
    issue = RawIssue(
        start=match.start("number"), labels={part: label.start() for part, label in labels.items()}, end=end
    )
    _read_heading(view, match.end(), first, issue)
    for part, label in labels.items():
        stop = min((start for start in issue.labels.values() if start > label.start()), default=end)
        if part == "claims_administrator_guideline":
            issue.claims_guideline = read_prose_guideline(view, label.start(), stop)
        elif part == "reviewer_guideline":
            issue.reviewer_guideline = read_prose_guideline(view, label.start(), stop)
        else:
            rationale = view.trimmed(label.end(), stop)
            issue.rationale = rationale if rationale[0] < rationale[1] else None
    return issue


def _labels(view: View, start: int, end: int, form: NumberedForm) -> dict[str, re.Match[str]]:
    rationale = form.rationale.search(view.folded, start, end)
    stop = rationale.start() if rationale else end
    labels = (form.claims.search(view.folded, start, stop), form.reviewer.search(view.folded, start, stop), rationale)
    return {part: label for part, label in zip(PARTS, labels, strict=True) if label}


def _read_heading(view: View, start: int, end: int, issue: RawIssue) -> None:
    """Read the heading with its decision, or the text between `Regarding the request for` and the colon."""
    title = _SECTION_TITLE.search(view.folded, start, end)
    end = title.start() if title else end
    decided = None
    for match in _DECIDED.finditer(view.folded, start, end):
        decided = match
    if decided:
        issue.decision = FoundValue("upheld" if decided.group("no") else "overturned", decided.span())
        end = decided.start()
    start, end = view.trimmed(start, end)
    while end > start and view.folded[end - 1] in _TAIL:
        end -= 1
    issue.heading = (start, end) if start < end else None
