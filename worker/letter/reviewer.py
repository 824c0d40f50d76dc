"""The reviewer: role, boards and states, from labeled lines or from prose.

    MAXIMUS Federal Services sent the complete case file to a physician reviewer.
    State(s) of Licensure: California, Texas
    Certification(s)/Specialty: Internal Medicine, Rheumatology
    The physician reviewer is Board Certified in Anesthesia, has a subspecialty in Acupuncture and Pain Medicine and is
    licensed to practice in California.

Reviewers need not be physicians: `is a licensed Doctor of Chiropractic`, `is a licensed Psychologist`.
"""

from __future__ import annotations

import re

from worker.letter.fields import names_in_list
from worker.letter.raw_letter import RawLetter
from worker.letter.text import Place, View, compile_phrase

_ROLE = re.compile(r"case\s+file\s+to\s+an?\s+(?P<role>[a-z]+(?:\s+[a-z]+){0,3}?)\s*\.")
_ROLE_IN_PROSE = re.compile(r"\bthe\s+(?P<role>[a-z]+\s+reviewer)\s+(?:is|was|has)\b")

_STATES = compile_phrase("State(s) of Licensure:")
_SPECIALTY = re.compile(r"certification(?:s|\s*\(s\))?\s*/\s*specialt(?:y|ies|y\s*\(ies\))\s*:")

_BOARD = re.compile(
    r"\bis\s+(?:also\s+)?(?:(?:board[\s-]+(?:certified|eligible)|certified|licensed)\s+in\s+|an?\s+(?:licensed\s+)?doctor\s+of\s+|"
    r"an?\s+licensed\s+|an?\s+(?=chiropract|psycholog|dentist|podiatr|acupunct|optometr))"
)
_SUBSPECIALTY = re.compile(
    r"\bhas\s+(?:an?\s+)?(?:sub\s?-?\s?specialty|sub\s?-?\s?specialties)(?:\s+certificates?)?\s+in\s+"
)
_LICENSED = re.compile(r"\blicensed\s+to\s+practice\s+(?:\w+\s+)?in\s+(?:the\s+states?\s+of\s+)?")
_NEXT_VERB = re.compile(r",?\s+(?:and\s+)?(?:has|is)\b|\.(?=\s|$)|;")

_LONGEST_CHARS = 600
"""A list of boards or states is a few lines at most."""
_ARTICLE = re.compile(r"(?:the\s+)?(?:states?\s+of\s+)?")


def read_reviewer(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the section about the reviewer into the raw letter."""
    role = _ROLE.search(view.folded, start, end) or _ROLE_IN_PROSE.search(view.folded, start, end)
    raw.role = role.span("role") if role else None
    if not _read_labeled(view, start, end, raw):
        read_credentials(view, start, end, raw)


def _read_labeled(view: View, start: int, end: int, raw: RawLetter) -> bool:
    states = _STATES.search(view.folded, start, end)
    specialty = _SPECIALTY.search(view.folded, start, end)
    if not states and not specialty:
        return False
    state_place, specialty_place = _values(view, states, specialty, end)
    raw.states = _names(view, state_place)
    raw.specialties = _comma_separated(view, specialty_place)
    return True


def _values(view: View, states: re.Match[str] | None, specialty: re.Match[str] | None, end: int) -> tuple[Place, Place]:
    """The places of both values: beside their labels or, where both labels come first, on the lines after them."""
    if not states or not specialty:
        only = states or specialty
        place = view.trimmed(only.end(), min(end, only.end() + _LONGEST_CHARS)) if only else (end, end)
        return (place, (end, end)) if states else ((end, end), place)
    first, second = sorted((states, specialty), key=lambda label: label.start())
    before = view.trimmed(first.end(), second.start())
    after = view.trimmed(second.end(), min(end, second.end() + _LONGEST_CHARS))
    if before[0] == before[1]:
        middle = view.folded.find("\n", *after)
        middle = after[1] if middle < 0 else middle
        before, after = view.trimmed(after[0], middle), view.trimmed(middle, after[1])
    return (before, after) if first is states else (after, before)


def _comma_separated(view: View, place: Place) -> list[Place]:
    pieces, start = [], place[0]
    for comma in [
        *(match.start() for match in re.finditer(",", view.folded[place[0] : place[1]])),
        place[1] - place[0],
    ]:
        piece = view.trimmed(start, place[0] + comma)
        if piece[0] < piece[1]:
            pieces.append(piece)
        start = place[0] + comma + 1
    return pieces


def _names(view: View, place: Place) -> list[Place]:
    return [_without_article(view, name) for name in names_in_list(view.folded, *place)]


def _without_article(view: View, place: Place) -> Place:
    article = _ARTICLE.match(view.folded, *place)
    return (article.end(), place[1]) if article and article.end() < place[1] else place


def read_credentials(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read boards, subspecialties and states out of prose."""
    board = _BOARD.search(view.folded, start, end)
    subspecialty = _SUBSPECIALTY.search(view.folded, start, end)
    licensed = _LICENSED.search(view.folded, start, end)
    if board:
        raw.specialties = _names(view, _list_after(view, board, end))
    if subspecialty:
        raw.subspecialties = _names(view, _list_after(view, subspecialty, end))
    if licensed:
        raw.states = _names(view, _list_after(view, licensed, end))


def _list_after(view: View, verb: re.Match[str], end: int) -> Place:
    """The place after a verb, up to the next verb or the end of the sentence."""
    end = min(end, verb.end() + _LONGEST_CHARS)
    stop = _NEXT_VERB.search(view.folded, verb.end(), end)
    return view.trimmed(verb.end(), stop.start() if stop else end)
