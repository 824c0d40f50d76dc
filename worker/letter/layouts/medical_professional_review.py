"""Reviews with one issue each, of which only the headings are known.

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
from worker.letter.sections import Section, divide, report_missing
from worker.letter.summary import read_summary
from worker.letter.text import Place, View, compiled

TITLE = compiled("MEDICAL PROFESSIONAL REVIEW")
QUALIFICATIONS = Section("the reviewer's qualifications", "reviewer", compiled("MEDICAL REVIEWER QUALIFICATIONS:"))
DOCUMENTS = Section(
    "the list of documents", "documents_reviewed", compiled("DOCUMENTS REVIEWED FOR DETERMINATION:"), required=False
)
SUMMARY = Section("the case summary", "clinical_summary", compiled("CASE SUMMARY:"))
ISSUE = Section("the issue at dispute", "issues", compiled("ISSUE AT DISPUTE:"))
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
    found = divide(view, start, end, SECTIONS)
    report_missing(view, end, SECTIONS, found, raw)
    read_cover(view, start, min((place[0] for place in found.values()), default=end), raw)
    if QUALIFICATIONS.name in found:
        read_reviewer(view, *found[QUALIFICATIONS.name], raw)
    if DOCUMENTS.name in found:
        raw.documents = read_documents(view, *found[DOCUMENTS.name])
    if SUMMARY.name in found:
        read_summary(view, *found[SUMMARY.name], raw)
    if ISSUE.name in found:
        raw.issues.append(_issue(view, found, raw))
    return raw


def _issue(view: View, found: dict[str, Place], raw: RawLetter) -> RawIssue:
    heading = view.trimmed(*found[ISSUE.name])
    issue = RawIssue(heading[0], heading if heading[0] < heading[1] else None, end=view.trimmed(*found[ISSUE.name])[1])
    issue.only_reviewer = True
    if GUIDELINE.name in found:
        issue.labels["reviewer_guideline"] = found[GUIDELINE.name][0]
        issue.reviewer_guideline = read_prose_guideline(view, *found[GUIDELINE.name])
        issue.end = view.trimmed(*found[GUIDELINE.name])[1]
    if RATIONALE.name in found:
        _read_rationale(view, found[RATIONALE.name], issue, raw)
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
