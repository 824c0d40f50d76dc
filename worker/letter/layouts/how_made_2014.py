"""Letters of 2014: the sections from HOW THE IMR FINAL DETERMINATION WAS MADE on; published copies have no header.

HOW THE IMR FINAL DETERMINATION WAS MADE
MAXIMUS Federal Services sent the complete case file to a physician reviewer. He/she has no affiliation with ...
The physician reviewer is Board Certified in <board>, has a subspecialty in <board> and is licensed to practice in
    <state>.
...
CLINICAL CASE SUMMARY
The expert reviewer developed the following clinical case summary based on a review of the case file, including all
medical records:
<summary>
IMR ISSUES, DECISIONS AND RATIONALES
The Final Determination was based on decisions for the disputed items/services set forth below:
<heading>: <decision>
Claims Administrator guideline: <guideline>
MAXIMUS guideline: <guideline>
Decision rationale: <rationale>
<heading>: <decision>
...
"""

from __future__ import annotations

import re

from worker.letter.cover import read_cover
from worker.letter.ending import letter_end
from worker.letter.issues import read_issues
from worker.letter.layouts.known import KnownLayout
from worker.letter.raw_letter import RawLetter
from worker.letter.reviewer import read_reviewer
from worker.letter.sections import Section, find_sections, report_missing
from worker.letter.summary import read_summary
from worker.letter.text import View, compile_phrase, phrase

HOW_MADE = Section(
    "the section on how the determination was made",
    "reviewer",
    compile_phrase("HOW THE IMR FINAL DETERMINATION WAS MADE"),
    required=False,
)

# The sentence after the heading ends in a colon; it holds the heading's words once more.
CASE_SUMMARY = Section(
    "the clinical case summary",
    "clinical_summary",
    re.compile(
        phrase("CLINICAL CASE SUMMARY")
        + r"(?:\s+the\s+[a-z]+\s+reviewer\s+developed\s+the\s+following\s+clinical\s+case\s+summary)?"
        + r"(?:\s+based\s+on\s+a\s+review[^:]{0,200}:)?"
    ),
)

_INTRODUCTION = phrase("The Final Determination was based on decisions for the disputed") + r"[^:]{0,80}:"
ISSUES = Section(
    "the issues with their decisions",
    "issues",
    re.compile(rf"imr\s+issues?\s*,\s+decisions?,?\s+and\s+rationales?\b(?:\s*{_INTRODUCTION})?"),
    otherwise=re.compile(_INTRODUCTION),
)

SECTIONS = (HOW_MADE, CASE_SUMMARY, ISSUES)


def read_sections(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the sections that the letters of 2014 and later have in common."""
    contents = find_sections(view, start, end, SECTIONS)
    report_missing(view, end, SECTIONS, contents, raw)
    if HOW_MADE.name in contents:
        read_reviewer(view, *contents[HOW_MADE.name], raw)
    if CASE_SUMMARY.name in contents:
        read_summary(view, *contents[CASE_SUMMARY.name], raw)
    if ISSUES.name in contents:
        begin, stop = contents[ISSUES.name]
        read_issues(view, begin, letter_end(view, begin, stop, raw), raw)


def read(view: View, start: int, end: int) -> RawLetter:
    """Read a letter that has no header, but may have a cover page."""
    raw = RawLetter("2014-how-made")
    section = HOW_MADE.heading.search(view.folded, start, end)
    if section:
        read_cover(view, start, section.start(), raw)
    read_sections(view, start, end, raw)
    return raw


LAYOUT = KnownLayout(
    name="2014-how-made",
    marks=(HOW_MADE.heading, ISSUES.heading, re.compile(_INTRODUCTION)),
    opening="HOW THE IMR FINAL DETERMINATION WAS MADE",
    starts=(HOW_MADE.heading,),
    read=read,
)
