"""Letters of 2014 with a list of documents. Headings were seen; the numbered issues were not verified in an original.

MAXIMUS FEDERAL SERVICES, INC.
Independent Medical Review
...
UR Denial Date:  <date>
HOW THE IMR FINAL DETERMINATION WAS MADE
... The physician reviewer is Board Certified in <board> and is licensed to practice in <state>. ...
DOCUMENTS REVIEWED
The following relevant documents received from the interested parties and the documents provided with the
application were reviewed and considered. These documents included:
• <document>
CLINICAL CASE SUMMARY
The physician reviewer developed the following clinical case summary based on a review of the case file, including
all medical records:
<summary>
IMR DECISION(S) AND RATIONALE(S)
The Final Determination was based on decisions for the disputed items/services set forth below:
1. <heading> is [not] medically necessary and appropriate.
The Claims Administrator based its decision on the <source>, which is part of the MTUS.
The Physician Reviewer based his/her decision on the <source>, which is part of the MTUS.
The Physician Reviewer's decision rationale: <rationale>
2. <heading> ...
"""

from __future__ import annotations

import re

from worker.letter.cover import read_cover
from worker.letter.documents import read_documents
from worker.letter.ending import letter_end
from worker.letter.layouts.how_made_2014 import CASE_SUMMARY, HOW_MADE
from worker.letter.layouts.known import KnownLayout
from worker.letter.prose_issues import NumberedForm, read_numbered_issues
from worker.letter.raw_letter import RawLetter
from worker.letter.reviewer import read_reviewer
from worker.letter.sections import Section, find_sections, report_missing
from worker.letter.summary import read_summary
from worker.letter.text import View, compile_phrase, phrase

DOCUMENTS = Section(
    "the list of documents", "documents_reviewed", re.compile(r"\bdocuments\s+reviewed\b(?!\s+for)"), required=False
)
ISSUES = Section(
    "the decisions and rationales",
    "issues",
    re.compile(
        r"imr\s+decision(?:\s*\(s\)|s)?\s+and\s+rationale(?:\s*\(s\)|s)?"
        rf"(?:\s+{phrase('The Final Determination was based on decisions for the disputed')}[^:]{{0,80}}:)?"
    ),
)
SECTIONS = (HOW_MADE, DOCUMENTS, CASE_SUMMARY, ISSUES)

FORM = NumberedForm(
    # `1. <heading> is not medically necessary and appropriate.`
    number=re.compile(r"(?:^|\n|(?<=[.:]\s))[^\S\n]*(?P<number>\d{1,2})\s?[.)]\s+(?=\S)"),
    claims=re.compile(r"the\s+claims\s+administrator\s+(?=based\s|did\s+not\s+cite)"),
    # `The Physician Reviewer based his/her decision on ...`
    reviewer=re.compile(r"the\s+[a-z]+\s+reviewer\s+(?=based\s|did\s+not\s+cite|found\s)"),
    rationale=re.compile(r"the\s+[a-z]+\s+reviewer's\s+decision\s+rationale\s*:"),
)


def read(view: View, start: int, end: int) -> RawLetter:
    """Read the header, then the sections."""
    raw = RawLetter("2014-documents-reviewed")
    contents = find_sections(view, start, end, SECTIONS)
    report_missing(view, end, SECTIONS, contents, raw)
    first = min((place[0] for place in contents.values()), default=end)
    read_cover(view, start, first, raw)
    if HOW_MADE.name in contents:
        read_reviewer(view, *contents[HOW_MADE.name], raw)
    if DOCUMENTS.name in contents:
        raw.documents = read_documents(view, *contents[DOCUMENTS.name])
    if CASE_SUMMARY.name in contents:
        read_summary(view, *contents[CASE_SUMMARY.name], raw)
    if ISSUES.name in contents:
        begin, stop = contents[ISSUES.name]
        read_numbered_issues(view, begin, letter_end(view, begin, stop, raw), FORM, raw)
    return raw


LAYOUT = KnownLayout(
    name="2014-documents-reviewed",
    marks=(
        re.compile(r"imr\s+decision\s*\(s\)\s+and\s+rationale"),
        re.compile(r"documents\s+reviewed\s+the\s+following\s+relevant\s+documents"),
        compile_phrase("MAXIMUS FEDERAL SERVICES, INC. Independent Medical Review"),
    ),
    opening="MAXIMUS FEDERAL SERVICES, INC. Independent Medical Review",
    starts=(HOW_MADE.heading,),
    read=read,
    whole=False,
)
