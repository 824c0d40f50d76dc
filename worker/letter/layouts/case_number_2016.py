"""Letters of 2016 and later: a table of numbers and dates, then the sections of 2014 with labeled credentials.

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
from worker.letter.fields import read_date
from worker.letter.header import PRIORITIES, keep_case_number
from worker.letter.layouts.how_made_2014 import HOW_MADE, read_sections
from worker.letter.layouts.known import KnownLayout
from worker.letter.raw_letter import DATE_FIELDS, FoundValue, RawLetter, RawProblem
from worker.letter.text import View, compile_phrase, phrase

_OPENING = re.compile(r"\A\s*" + phrase("Case Number:") + r"\s*(?:cm\s?\d|date|\Z)")

# The table as nearly every copy prints it; any other order of its cells is left to `read_header`.
_DAY = r"\s*(?P<{}>\d\d/\d\d/\d{{4}})\s+"
_TABLE = re.compile(
    r"\s*" + phrase("Case Number:") + r"\s*(?P<case_number>cm\d\d-\d{7})\s+"
    + phrase("Date Assigned:") + _DAY.format("date_assigned")
    + phrase("Date of Injury:") + _DAY.format("date_of_injury")
    + phrase("Decision Date:") + _DAY.format("decision_date")
    + phrase("UR Denial Date:") + _DAY.format("ur_decision_date")
    + phrase("Priority:") + r"\s*(?P<priority>standard|expedited)\s+"
    + phrase("Application Received:") + _DAY.format("application_received").removesuffix(r"\s+") + r"\s*\Z"
)  # fmt: skip
_FIRST_SECTION_CHARS = 4000
"""The table stands on the first page, before the first section."""


def read(view: View, start: int, end: int) -> RawLetter:
    """Read the table, then the sections."""
    raw = RawLetter("2016-case-number")
    section = HOW_MADE.heading.search(view.folded, start, end)
    table_end = section.start() if section else min(end, start + _FIRST_SECTION_CHARS)
    if not _read_table(view, start, table_end, raw):
        read_cover(view, start, table_end, raw)
        _report_missing(start, table_end, raw)
    read_sections(view, section.start() if section else start, end, raw)
    return raw


def _read_table(view: View, start: int, end: int, raw: RawLetter) -> bool:
    table = _TABLE.match(view.folded, start, end)
    if not table:
        return False
    for name in DATE_FIELDS:
        raw.dates[name] = FoundValue(read_date(table.group(name)), table.span(name))
    keep_case_number(view, table.span("case_number"), raw)
    raw.priority = FoundValue(PRIORITIES[table.group("priority")], table.span("priority"))
    return True


def _report_missing(start: int, end: int, raw: RawLetter) -> None:
    reported = {problem.field for problem in raw.problems}
    if raw.case_number is None and "case_number" not in reported:
        raw.problems.append(RawProblem("missing_case_number", "case_number", (start, start)))
    absent = [name for name in DATE_FIELDS if name not in raw.dates and name not in reported]
    raw.problems.extend(RawProblem("missing_header_value", name, (end, end)) for name in absent)


LAYOUT = KnownLayout(
    name="2016-case-number",
    marks=(_OPENING, compile_phrase("State(s) of Licensure:"), re.compile(r"certification\(s\)\s*/\s*specialty")),
    opening="Case Number: CM",
    starts=(HOW_MADE.heading, re.compile(phrase("Case Number:") + r"\s*\S+\s+" + phrase("Date Assigned:"))),
    read=read,
)
