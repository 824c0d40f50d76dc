"""Letters of 2016 and later: a table of numbers and dates, then the sections of 2014 with labelled credentials.

Case Number: CM16-0213037
Date Assigned: 11/09/2016 Date of Injury: 10/13/2016
Decision Date: 12/09/2016 UR Denial Date: 11/03/2016
Priority: Standard Application
Received:
11/03/2016
HOW THE IMR FINAL DETERMINATION WAS MADE
...
The Expert Reviewer has the following credentials:
State(s) of Licensure: <state>, <state>
Certification(s)/Specialty: <board>, <board>
CLINICAL CASE SUMMARY
...
"""

from __future__ import annotations

import re

from worker.letter.cover import read_cover
from worker.letter.layouts.how_made_2014 import HOW_MADE, read_sections
from worker.letter.layouts.known import KnownLayout
from worker.letter.raw import DATE_FIELDS, Problem, RawLetter
from worker.letter.text import View, phrase

_OPENING = re.compile(phrase("Date Assigned:") + r"|\A\s*" + phrase("Case Number:") + r"\s*(?:cm\s?\d|\Z)")
_CREDENTIALS = re.compile(phrase("State(s) of Licensure:") + r"|certification(?:s|\s*\(s\))?\s*/\s*specialty\s*:")
_FIRST_SECTION_CHARS = 4000
"""The table stands on the first page, before the first section."""


def read(view: View, start: int, end: int) -> RawLetter:
    """Read the table, then the sections."""
    raw = RawLetter("2016-case-number")
    section = HOW_MADE.heading.search(view.folded, start, end)
    table_end = section.start() if section else min(end, start + _FIRST_SECTION_CHARS)
    read_cover(view, start, table_end, raw)
    _report_missing(start, table_end, raw)
    read_sections(view, section.start() if section else start, end, raw)
    return raw


def _report_missing(start: int, end: int, raw: RawLetter) -> None:
    reported = {problem.field for problem in raw.problems}
    if raw.case_number is None and "case_number" not in reported:
        raw.problems.append(Problem("missing_case_number", "case_number", (start, start)))
    absent = [name for name in DATE_FIELDS if name not in raw.dates and name not in reported]
    raw.problems.extend(Problem("missing_header_value", name, (end, end)) for name in absent)


LAYOUT = KnownLayout(
    name="2016-case-number",
    marks=(_OPENING, _CREDENTIALS),
    opening="Case Number: CM",
    starts=re.compile(
        phrase("Case Number:") + r"\s*\S+\s+" + phrase("Date Assigned:") + "|" + HOW_MADE.heading.pattern
    ),
    read=read,
)
