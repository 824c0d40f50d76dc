"""Medical professional reviews, with one issue each. Only the headings were seen.

    MEDICAL PROFESSIONAL REVIEW
    MEDICAL REVIEWER QUALIFICATIONS:
    ... is Board Certified in <board> and is licensed to practice in <state>.
    DOCUMENTS REVIEWED FOR DETERMINATION:
    <document>
    CASE SUMMARY:
    <summary>
    ISSUE AT DISPUTE:
    <heading>
    MEDICAL TREATMENT GUIDELINE(S) RELIED UPON BY PROFESSIONAL REVIEWER AND WHY:
    <guideline>
    RATIONALE FOR WHY THE REQUESTED TREATMENT/SERVICE IS/WAS [NOT] MEDICALLY NECESSARY:
    <rationale>

The last heading carries the decision.
"""

from __future__ import annotations

import re

from worker.letter.cover import read_cover
from worker.letter.documents import read_documents
from worker.letter.ending import letter_end
from worker.letter.issues import is_closed
from worker.letter.layouts.known import KnownLayout
from worker.letter.prose_citations import read_prose_guideline
from worker.letter.raw_letter import FoundValue, RawIssue, RawLetter
from worker.letter.reviewer import read_reviewer
from worker.letter.sections import Section, find_sections, report_missing
from worker.letter.summary import read_summary
from worker.letter.text import Place, View, compile_phrase

TITLE = compile_phrase("MEDICAL PROFESSIONAL REVIEW")
QUALIFICATIONS = Section(
    "the reviewer's qualifications", "reviewer", compile_phrase("MEDICAL REVIEWER QUALIFICATIONS:")
)
DOCUMENTS = Section(
    "the list of documents",
    "documents_reviewed",
    compile_phrase("DOCUMENTS REVIEWED FOR DETERMINATION:"),
    required=False,
)
SUMMARY = Section("the case summary", "clinical_summary", compile_phrase("CASE SUMMARY:"))
ISSUE = Section("the issue at dispute", "issues", compile_phrase("ISSUE AT DISPUTE:"))
GUIDELINE = Section(
    "the guideline relied upon",
    "issues.0.reviewer_guideline",
    re.compile(
        r"medical\s+treatment\s+guideline(?:\s*\(s\)|s)?\s+relied\s+upon\s+by\s+(?:the\s+)?professional\s+reviewer(?:\s+and\s+why)?\s*:"
    ),
    required=False,
)
RATIONALE = Section(
    "the rationale",
    "issues.0.rationale",
    re.compile(
        r"rationale\s+for\s+why\s+the\s+requested\s+treatment\s*/\s*service\s+"
        r"(?P<decision>(?:is\s*/\s*was|is|was)\s+(?P<no>not\s+)?medically\s+necessary)\s*:"
    ),
    required=False,
)
SECTIONS = (QUALIFICATIONS, DOCUMENTS, SUMMARY, ISSUE, GUIDELINE, RATIONALE)


def read(view: View, start: int, end: int) -> RawLetter:
    """Read the header where there is one, then the sections."""
    raw = RawLetter("medical-professional-review")
    contents = find_sections(view, start, end, SECTIONS)
    report_missing(view, end, SECTIONS, contents, raw)
    read_cover(view, start, min((place[0] for place in contents.values()), default=end), raw)
    if QUALIFICATIONS.name in contents:
        read_reviewer(view, *contents[QUALIFICATIONS.name], raw)
    if DOCUMENTS.name in contents:
        raw.documents = read_documents(view, *contents[DOCUMENTS.name])
    if SUMMARY.name in contents:
        read_summary(view, *contents[SUMMARY.name], raw)
    if ISSUE.name in contents:
        raw.issues.append(_issue(view, contents, raw))
    return raw


def _issue(view: View, contents: dict[str, Place], raw: RawLetter) -> RawIssue:
    start, end = view.trimmed(*contents[ISSUE.name])
    issue = RawIssue(start=start, heading=(start, end) if start < end else None, end=end, only_reviewer=True)
    if GUIDELINE.name in contents:
        issue.labels["reviewer_guideline"] = contents[GUIDELINE.name][0]
        issue.reviewer_guideline = read_prose_guideline(view, *contents[GUIDELINE.name])
        issue.end = view.trimmed(*contents[GUIDELINE.name])[1]
    if RATIONALE.name in contents:
        _read_rationale(view, contents[RATIONALE.name], issue, raw)
    return issue


def _read_rationale(view: View, place: Place, issue: RawIssue, raw: RawLetter) -> None:
    label = None
    for match in RATIONALE.heading.finditer(view.folded, issue.start, place[0]):
        label = match
    if label:
        issue.decision = FoundValue("upheld" if label.group("no") else "overturned", label.span("decision"))
        issue.labels["rationale"] = label.start()
    rationale = view.trimmed(place[0], letter_end(view, *place, raw))
    issue.end = rationale[1]
    if rationale[0] < rationale[1]:
        issue.rationale = rationale
        issue.closed = is_closed(view, rationale)


LAYOUT = KnownLayout(
    name="medical-professional-review",
    marks=(
        re.compile(r"\A\s*medical\s+professional\s+review\s*\n"),
        QUALIFICATIONS.heading,
        RATIONALE.heading,
        GUIDELINE.heading,
    ),
    opening="MEDICAL PROFESSIONAL REVIEW",
    starts=(QUALIFICATIONS.heading,),
    read=read,
    whole=False,
)
