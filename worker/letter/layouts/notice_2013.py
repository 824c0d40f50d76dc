"""Notices of 2013. One partial copy was seen; the part after the case summary was not verified in an original.

    MAXIMUS FEDERAL SERVICES, INC.
    ...
    Notice of Independent Medical Review Determination
    Dated: 9/26/2013
    ...
    1) MAXIMUS Federal Services, Inc. has determined the request for <heading> is [not] medically necessary and
    appropriate.
    INDEPENDENT MEDICAL REVIEW DECISION AND RATIONALE
    An application for Independent Medical Review was filed on <date> disputing the Utilization Review Denial dated
    <date>. A Notice of Assignment and Request for Information was provided to the above parties on <date>. ...
    1) MAXIMUS Federal Services, Inc. has determined the request for <heading> is [not] medically necessary and
    appropriate.
    Medical Qualifications of the Expert Reviewer:
    ... is Board Certified in <board> and is licensed to practice in <state>. ...
    Case Summary:
    Disclaimer: The following case summary was taken directly from the utilization review denial/modification dated ....
    <summary>
    Documents Reviewed for Determination:
    ...
    1) Regarding the request for <heading>:
    Section of the Medical Treatment Utilization Schedule Relied Upon by the Expert Reviewer to Make His/Her Decision
    The Claims Administrator based its decision on ...
    The Expert Reviewer based his/her decision on ...
    Rationale for the Decision:
    <rationale>
    Disclaimer: MAXIMUS is providing an independent review service ...

The decisions are printed twice, on the first page and in the body. The body's are read; the first page must agree.
"""

from __future__ import annotations

import re

from worker.letter.cover import read_cover
from worker.letter.documents import read_documents
from worker.letter.ending import letter_end
from worker.letter.fields import DATE, read_date
from worker.letter.layouts.known import KnownLayout
from worker.letter.model import Decision
from worker.letter.prose_issues import NumberedForm, read_numbered_issues
from worker.letter.raw_letter import FoundValue, RawIssue, RawLetter, RawProblem
from worker.letter.reviewer import read_reviewer
from worker.letter.sections import Section, find_sections, report_missing
from worker.letter.summary import read_summary
from worker.letter.text import Place, View, compile_phrase

TITLE = compile_phrase("Notice of Independent Medical Review Determination")
BODY = re.compile(r"independent\s+medical\s+review\s+decision\s+and\s+rationale")

QUALIFICATIONS = Section(
    "the reviewer's qualifications",
    "issues",
    re.compile(r"medical\s+qualifications\s+of\s+the\s+[a-z]+\s+reviewer\s*:?"),
)
SUMMARY = Section(
    "the case summary",
    "clinical_summary",
    re.compile(
        r"case\s+summary\s*:(?:\s*disclaimer\s*:\s*the\s+following\s+case\s+summary\s+was\s+taken[^.]{0,200}"
        rf"(?:{DATE})?\s*\.)?"
    ),
)
DOCUMENTS = Section(
    "the list of documents",
    "documents_reviewed",
    re.compile(r"documents\s+reviewed\s+for\s+determination\s*:?"),
    required=False,
)
REGARDING = Section("the rationales", "issues", re.compile(r"(?=\b\d{1,2}\s?\)\s*regarding\s+the\s+request\s+for\b)"))
SECTIONS = (QUALIFICATIONS, SUMMARY, DOCUMENTS, REGARDING)

# `An application ... was filed on <date> disputing the Utilization Review Denial dated <date>. A Notice of Assignment
# and Request for Information was provided to the above parties on <date>.`
_IN_PROSE = {
    "application_received": re.compile(
        rf"application\s+for\s+independent\s+medical\s+review\s+was\s+filed\s+on\s+(?P<date>{DATE})"
    ),
    "ur_decision_date": re.compile(rf"disputing\s+the\s+utilization\s+review\s+[a-z/]+\s+dated\s+(?P<date>{DATE})"),
    "date_assigned": re.compile(
        rf"request\s+for\s+information\s+was\s+provided\s+to\s+the\s+above\s+parties\s+on\s+(?P<date>{DATE})"
    ),
}

# `MAXIMUS Federal Services, Inc. has determined the request for <heading> is not medically necessary and appropriate.`
_DETERMINED = re.compile(
    r"has\s+determined\s+the\s+request\s+for\s+[\s\S]{1,1200}?\b"
    r"(?P<decision>(?:is|are|was|were)\s+(?P<no>not\s+)?medically\s+necessary(?:\s+and\s+appropriate)?)"
)

FORM = NumberedForm(
    # `1) Regarding the request for <heading>:`
    number=re.compile(r"\b(?P<number>\d{1,2})\s?\)\s*regarding\s+the\s+request\s+for\s+"),
    claims=re.compile(r"the\s+claims\s+administrator\s+(?=based\s|did\s+not\s+cite)"),
    reviewer=re.compile(r"the\s+[a-z]+\s+reviewer\s+(?=based\s|did\s+not\s+cite|found\s)"),
    rationale=re.compile(r"rationale\s+for\s+the\s+decision\s*:"),
)


def read(view: View, start: int, end: int) -> RawLetter:
    """Read the first page, the list of decisions in the body, then the sections."""
    raw = RawLetter("2013-notice")
    contents = find_sections(view, start, end, SECTIONS)
    first_section = min((place[0] for place in contents.values()), default=end)
    _read_front(view, start, first_section, raw)
    _read_sections(view, contents, raw)
    _merge_decisions(view, start, first_section, raw)
    if not raw.problems or not any(problem.code == "truncated" for problem in raw.problems):
        report_missing(view, end, SECTIONS, contents, raw)
    return raw


def _read_front(view: View, start: int, end: int, raw: RawLetter) -> None:
    listed = _DETERMINED.search(view.folded, start, end)
    read_cover(view, start, listed.start() if listed else end, raw)
    for name, pattern in _IN_PROSE.items():
        match = pattern.search(view.folded, start, end)
        if match and name not in raw.dates:
            place = match.span("date")
            raw.dates[name] = FoundValue(read_date(view.folded[place[0] : place[1]]), place)


def _read_sections(view: View, contents: dict[str, Place], raw: RawLetter) -> None:
    if QUALIFICATIONS.name in contents:
        read_reviewer(view, *contents[QUALIFICATIONS.name], raw)
    if SUMMARY.name in contents:
        read_summary(view, *contents[SUMMARY.name], raw)
    if DOCUMENTS.name in contents:
        raw.documents = read_documents(view, *contents[DOCUMENTS.name])
    if REGARDING.name in contents:
        begin, stop = contents[REGARDING.name]
        read_numbered_issues(view, begin, letter_end(view, begin, stop, raw), FORM, raw)


def _merge_decisions(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Give each issue its decision from the list in the body, and compare the first page with that list."""
    body = BODY.search(view.folded, start, end)
    listed = list(_DETERMINED.finditer(view.folded, body.end() if body else start, end))
    front = list(_DETERMINED.finditer(view.folded, start, body.start())) if body else listed
    decisions = [_decision(match) for match in listed]
    for issue, decision in zip(raw.issues, decisions, strict=False):
        issue.decision = decision
    if len(raw.issues) < len(decisions) and not raw.issues:
        raw.problems.append(RawProblem("truncated", "issues", (len(view.clean.rstrip()),) * 2, "the rationales"))
    _compare(view, front, listed, raw.issues, raw)


def _decision(match: re.Match[str]) -> FoundValue[Decision | None]:
    return FoundValue("upheld" if match.group("no") else "overturned", match.span("decision"))


def _compare(
    view: View, front: list[re.Match[str]], listed: list[re.Match[str]], issues: list[RawIssue], raw: RawLetter
) -> None:
    counts = {len(front), len(listed), len(issues) or len(listed)}
    if len(counts) > 1 and front:
        at = _line_start(view, front[0].start())
        raw.problems.append(RawProblem("decision_counts_differ", "issues", (at, at)))
        return
    for number, (first, second) in enumerate(zip(front, listed, strict=False)):
        if bool(first.group("no")) != bool(second.group("no")):
            raw.problems.append(
                RawProblem("decision_counts_differ", f"issues.{number}.decision", first.span("decision"))
            )


def _line_start(view: View, at: int) -> int:
    return view.folded.rfind("\n", 0, at) + 1


LAYOUT = KnownLayout(
    name="2013-notice",
    marks=(TITLE, re.compile(r"maximus\s+federal\s+services\s*,\s+inc\.\s+has\s+determined\s+the\s+request\s+for\b")),
    opening="MAXIMUS FEDERAL SERVICES, INC. Notice of Independent Medical Review Determination",
    starts=(TITLE,),
    read=read,
    whole=False,
)
