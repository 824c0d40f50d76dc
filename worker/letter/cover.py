"""The cover page of a mailed letter, which published copies lack.

    Independent Medical Review Final Determination Letter
    Dated: 12/31/2013
    IMR Case Number: CM13-0012345        Date of Injury: 02/10/2004
    Claims Number: ...                   UR Denial Date: 11/04/2013
    Priority: STANDARD                   Application Received: 11/15/2013
    Employee Name: ...
    Provider Name: ...
    Treatment(s) in Dispute Listed on IMR Application:
    ...
    DEAR ...,
    ...
    Final Determination: PARTIAL OVERTURN. This means we decided that some (but not all) of the disputed ...

It may stand before a letter of any layout. Its form was not verified in an original: a letter that has one gets a
finding that says so.
"""

from __future__ import annotations

import re

from worker.letter.header import END_OF_CELL, read_header
from worker.letter.model import Decision
from worker.letter.raw_letter import FoundValue, RawLetter, RawProblem
from worker.letter.text import View, compile_phrase, phrase

_TITLE = compile_phrase("Independent Medical Review Final Determination Letter")
_OUTCOMES: dict[str, Decision] = {
    "upheld": "upheld",
    "uphold": "upheld",
    "overturned": "overturned",
    "overturn": "overturned",
    "partial overturn": "partially_overturned",
    "partial overturned": "partially_overturned",
    "partially overturn": "partially_overturned",
    "partially overturned": "partially_overturned",
}
"""Every wording of a stated outcome; other words are not read."""
_STATED = re.compile(
    phrase("Final Determination:") + rf"\s*(?P<word>{'|'.join(phrase(wording) for wording in _OUTCOMES)})\b"
)
_PARTIES = {
    "employee_name": re.compile(r"\bemployee(?:\s+name)?\s*:"),
    "provider_name": re.compile(r"\bprovider(?:\s+name)?\s*:"),
    "claim_number": re.compile(r"\bclaims?\s+number\s*:"),
}


_TITLE_WITHIN_CHARS = 500
_LENGTH_CHARS = 4_000
"""A cover page alone is shorter; a longer text goes on with something, of a layout that is not known."""


def is_cover_alone(view: View) -> bool:
    """Whether the text is the cover page of a letter, or its beginning, and nothing else."""
    return len(view.folded) < _LENGTH_CHARS and _TITLE.search(view.folded, 0, _TITLE_WITHIN_CHARS) is not None


def read_cover(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read what stands before the first section: header table, stated outcome, parties."""
    read_header(view, start, end, raw)
    stated = _STATED.search(view.folded, start, end)
    if stated:
        raw.stated_outcome = FoundValue(_OUTCOMES[" ".join(stated.group("word").split())], stated.span("word"))
    if stated or _TITLE.search(view.folded, start, end):
        raw.problems.append(RawProblem("cover_page_form_unverified"))
    for name, label in _PARTIES.items():
        _read_party(view, label.search(view.folded, start, end), end, name, raw)


def _read_party(view: View, label: re.Match[str] | None, end: int, name: str, raw: RawLetter) -> None:
    """What follows the label on its line, up to the next cell."""
    if label is None:
        return
    stop = END_OF_CELL.search(view.folded, label.end(), end)
    place = view.trimmed(label.end(), stop.start() if stop else end)
    if place[0] < place[1]:
        raw.parties[name] = place
