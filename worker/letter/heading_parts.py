"""The parts of a heading beside the name of the treatment.

Associated surgical service: <treatment>
Retrospective <treatment> (DOS 12/29/16)
<request> was the original request. <part> was authorized by the Claims Administrator. The remaining IMR eligible
portion of the original request, <treatment> [is]
<request> was the original request. The Claims Administrator authorized <part>, leaving the original request IMR
eligible. The original request, <treatment> [is]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.letter.fields import DATE
from worker.letter.text import Place, View, compile_phrase

WAS_REQUESTED = re.compile(r"w(?:as|ere)\s+the\s+original\s+request\s*\.")
LEAVING = re.compile(r"leaving\s+the\s+original\s+request\s+imr\s+eligible\s*\.?\s*the\s+original\s+request\s*,?\s*")


@dataclass(slots=True)
class HeadingForm:
    """The places of the parts of a heading; None for parts that it does not have."""

    treatment: Place
    original_request: Place | None = None
    authorized: Place | None = None
    retrospective: Place | None = None
    associated: Place | None = None
    service_date: Place | None = None


_ASSOCIATED = re.compile(r"associated\s+surgical\s+services?\s*[:-]?\s*")
_RETROSPECTIVE = re.compile(r"\(?retrospective(?:ly)?(?:\s+(?:request|review)\s+(?:for|of))?\)?\s*[:,-]?\s*(?:for\s+)?")
_RETROSPECTIVE_WORD = re.compile(r"\bretrospective(?:ly)?\b")
_AUTHORIZED = re.compile(r"w(?:as|ere)\s+authorized\s+by\s+the\s+claims\s+administrator\s*\.?")
_AUTHORIZING = compile_phrase("The Claims Administrator authorized")
_REMAINING = re.compile(
    r"the\s+remaining\s+imr\s+eligible\s+portion\s+of\s+the\s+original\s+request\s*,?\s*(?:is\s*,?\s*)?"
)
_IS_AT_END = re.compile(r"[\s,]+(?:is|are)$")
_SERVICE_DATE = re.compile(
    r"\b(?:dos|dates?\s+of\s+services?|service\s+dates?)\b[\s:]*(?:of\s+|on\s+|was\s+|is\s+|\(\s*)?"
    rf"(?P<date>{DATE})"
)


def read_heading(view: View, place: Place) -> HeadingForm:
    """Read the parts: those of the two forms of a partial authorization, and the words in front of a treatment."""
    start, end = place
    form = HeadingForm(treatment=place)
    folded = view.folded[start:end]
    requested = WAS_REQUESTED.search(view.folded, start, end) if "original" in folded else None
    if requested:
        _read_partial(view, place, requested, form)
    elif folded.endswith((" is", " are", "\nis", "\nare")):
        form.treatment = view.trimmed(start, _without_is(view, start, end))
    if "retrospective" in folded or folded.startswith("associated"):
        form.associated = _span(_ASSOCIATED.match(view.folded, start, end))
        form.retrospective = _span(_RETROSPECTIVE_WORD.search(view.folded, start, end))
        form.treatment = _without_front(view, *form.treatment)
    if "dos" in folded or "service" in folded:
        date = _SERVICE_DATE.search(view.folded, start, end)
        form.service_date = date.span("date") if date else None
    return form


def _read_partial(view: View, place: Place, requested: re.Match[str], form: HeadingForm) -> None:
    """Read either form: with a remaining portion, or with the original request left eligible."""
    start, end = place
    authorized = _AUTHORIZED.search(view.folded, requested.end(), end)
    remaining = _REMAINING.search(view.folded, authorized.end(), end) if authorized else None
    if authorized and remaining:
        form.authorized = view.trimmed(requested.end(), authorized.start())
        form.treatment = view.trimmed(remaining.end(), _without_is(view, remaining.end(), end))
        form.original_request = view.trimmed(start, requested.start())
        return
    authorizing = _AUTHORIZING.search(view.folded, requested.end(), end)
    leaving = LEAVING.search(view.folded, authorizing.end(), end) if authorizing else None
    if authorizing and leaving:
        form.authorized = view.trimmed(authorizing.end(), _without_comma(view, leaving.start()))
        form.treatment = view.trimmed(leaving.end(), _without_is(view, leaving.end(), end))
        form.original_request = view.trimmed(start, requested.start())


def _without_comma(view: View, end: int) -> int:
    return len(view.folded[max(0, end - 40) : end].rstrip(" ,\n\f\r\t")) + max(0, end - 40)


def _without_is(view: View, start: int, end: int) -> int:
    tail = _IS_AT_END.search(view.folded, max(start, end - 40), end)
    return tail.start() if tail else end


def _without_front(view: View, start: int, end: int) -> Place:
    for pattern in (_ASSOCIATED, _RETROSPECTIVE):
        front = pattern.match(view.folded, start, end)
        if front and front.end() < end:
            start = front.end()
    return start, end


def _span(match: re.Match[str] | None) -> Place | None:
    return _without_blanks(match) if match else None


def _without_blanks(match: re.Match[str]) -> Place:
    """Place of a match without the white space at its end."""
    return match.start(), match.start() + len(match.group().rstrip())
