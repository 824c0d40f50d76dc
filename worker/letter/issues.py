"""The issues of letters of 2014 and later: each a heading with its decision, two guidelines and a rationale.

    X: Upheld
    Claims Administrator guideline: ...
    MAXIMUS guideline: ...
    Decision rationale: ...

The three labels are found first. Each time they start over, an issue begins; its heading is the text between the
rationale before it and its first label.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from worker.letter.citations import read_guideline
from worker.letter.headings import heading_start
from worker.letter.model import Decision
from worker.letter.raw_letter import PARTS, FoundValue, RawIssue, RawLetter, RawProblem
from worker.letter.text import Place, View, compile_phrase

_LABELS = (
    compile_phrase("Claims Administrator guideline:"),
    compile_phrase("MAXIMUS guideline:"),
    compile_phrase("Decision rationale:"),
)
_CLAIMS, _REVIEWER, _RATIONALE = range(3)
_SENTENCE_END = re.compile(
    r"(?:[.?!\"')\]]|\b(?:necessary|necessity|appropriate|established|supported|indicated|warranted|recommended))$"
)
"""End of a rationale that was not cut off. Some lack their last period."""
_FIRST_LABEL = "claimsadministratorguideline:"

_DECISIONS: dict[str, Decision] = {
    "upheld": "upheld",
    "uphold": "upheld",
    "overturned": "overturned",
    "overturn": "overturned",
    "partially overturned": "partially_overturned",
    "partial overturn": "partially_overturned",
}
_WORD = r"(?P<word>(?:partial(?:ly)?\s+)?(?:upheld|uphold|overturned|overturn))"
_DECISION = re.compile(rf"(?:[:;-]|\n)\s*{_WORD}\W*$")
# Words of Utilization Review and others that stand where a decision belongs and are none.
_OTHER_WORD = re.compile(
    r":\s*(?P<word>(?:partially\s+|non-?\s?)?(?:modified|certified|denied|approved|authorized|reversed|affirmed|granted|withdrawn|"
    r"pending|remanded|sustained|dismissed|conditionally\s+\w+))\W*$"
)
_HEADING_ALONE = re.compile(rf":\s*{_WORD}\s*(?P<rest>[a-z\s]{{0,60}}:?)$")
_TAIL_CHARS = 160
"""The decision word stands in the last characters before the first label."""


class _Label(NamedTuple):
    start: int
    end: int
    rank: int


def read_issues(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the issues between two offsets into the raw letter."""
    labels = _labels(view, start, end)
    low = start
    for number, group in enumerate(groups := list(_groups(labels))):
        issue = _heading(view, low, group[0].start, raw.issues[-1] if number else None)
        stop = groups[number + 1][0].start if number + 1 < len(groups) else end
        _parts(view, group, stop, issue)
        issue.end = stop
        raw.issues.append(issue)
        low = group[-1].end
    _read_end(view, low if groups else start, end, raw)


def _labels(view: View, start: int, end: int) -> list[_Label]:
    labels: list[_Label] = []
    for rank, label in enumerate(_LABELS):
        labels += [_Label(*match.span(), rank) for match in label.finditer(view.folded, start, end)]
    labels.sort()
    return labels


def _groups(labels: list[_Label]) -> list[list[_Label]]:
    """Labels by issue: a label that does not come after the one before it starts the next issue."""
    groups: list[list[_Label]] = []
    for label in labels:
        if groups and label.rank > groups[-1][-1].rank:
            groups[-1].append(label)
        else:
            groups.append([label])
    return groups


def _heading(view: View, low: int, end: int, before: RawIssue | None) -> RawIssue:
    """The issue whose heading ends before the first label; the issue before it is closed where the heading begins."""
    low, end = view.trimmed(low, end)
    decision = _decision(view, low, end)
    stop = _before_decision(view, low, decision) if decision else end
    start = low if before is None else heading_start(view, low, stop)
    if before is not None:
        before.end = start
        _close(view, before, start)
    heading = view.trimmed(start, stop)
    return RawIssue(start=start, heading=heading if heading[0] < heading[1] else None, decision=decision)


def _decision(view: View, low: int, end: int) -> FoundValue[Decision | None] | None:
    tail = max(low, end - _TAIL_CHARS)
    match = _DECISION.search(view.folded, tail, end) or _OTHER_WORD.search(view.folded, tail, end)
    if not match:
        return None
    return FoundValue(_DECISIONS.get(" ".join(match.group("word").split())), match.span("word"))


def _before_decision(view: View, low: int, decision: FoundValue[Decision | None]) -> int:
    """Where the heading ends: before the decision word and the punctuation in front of it."""
    at = decision.place[0]
    while at > low and view.folded[at - 1] in " \n\t\f\r:;-":
        at -= 1
    return at


def _parts(view: View, group: list[_Label], stop: int, issue: RawIssue) -> None:
    for number, label in enumerate(group):
        end = group[number + 1].start if number + 1 < len(group) else stop
        issue.labels[PARTS[label.rank]] = label.start
        if label.rank == _CLAIMS:
            issue.claims_guideline = read_guideline(view, label.end, end)
        elif label.rank == _REVIEWER:
            issue.reviewer_guideline = read_guideline(view, label.end, end)
        else:
            place = view.trimmed(label.end, end)
            issue.rationale = place if place[0] < place[1] else None


def _close(view: View, issue: RawIssue, end: int) -> None:
    """End the last part of an issue where the next heading begins."""
    if issue.rationale:
        place = view.trimmed(issue.rationale[0], max(issue.rationale[0], end))
        issue.rationale = place if place[0] < place[1] else None
    elif issue.reviewer_guideline:
        issue.reviewer_guideline = read_guideline(view, issue.reviewer_guideline.text[0], end)
    elif issue.claims_guideline:
        issue.claims_guideline = read_guideline(view, issue.claims_guideline.text[0], end)


def _read_end(view: View, low: int, end: int, raw: RawLetter) -> None:
    """Report a letter that breaks off: a heading without its parts, or a rationale that stops within a sentence."""
    heading_alone = _HEADING_ALONE.search(view.folded, max(low, end - _TAIL_CHARS), end)
    if heading_alone and _FIRST_LABEL.startswith("".join(heading_alone.group("rest").split())):
        raw.problems.append(
            RawProblem(
                "truncated",
                f"issues.{len(raw.issues)}",
                (end, end),
                "the guidelines and the rationale of the last issue",
            )
        )
        return
    rationale = raw.issues[-1].rationale if raw.issues else None
    if rationale:
        raw.issues[-1].closed = is_closed(view, rationale)


def is_closed(view: View, rationale: Place) -> bool:
    """Whether a rationale ends with a sentence rather than in the middle of one."""
    start, end = rationale
    return _SENTENCE_END.search(view.folded, max(start, end - 20), end) is not None


def issue_place(issue: RawIssue) -> Place:
    """The place for a violation about a missing part of an issue."""
    return issue.start, issue.heading[1] if issue.heading else issue.start
