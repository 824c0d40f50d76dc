"""Guideline statements of the older layouts: whole sentences.

The Claims Administrator based its decision on the <chapter> (ACOEM Practice Guidelines, 2nd Edition (2004),
Chapter 12), pages 287-310, which is part of the MTUS, and the <source>, which is not part of the MTUS.
The MTUS <chapter>, pages 105-107. <why it was relied upon>                          (medical professional review)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from worker.letter.citations import NONE_CITED, chapter_at, without_stop
from worker.letter.raw_letter import FoundValue, RawCitation, RawGuideline
from worker.letter.text import Place, View

_BASED_ON = re.compile(r"based\s+(?:its|their|his|her|his/her|the)\s+decision\s+on\s+(?:the\s+)?")
_PART_OF_MTUS = re.compile(
    r"(?:which|that)\s+(?:is|are)\s+(?P<no>not\s+)?(?:a\s+)?part\s+of\s+(?:the\s+)?(?:california\s+)?"
    r"(?:mtus|medical\s+treatment\s+utilization\s+schedule)(?:\s+\(mtus\))?"
)
_LEAD = re.compile(r"[\s,;.]*(?:and\s+(?:on\s+)?)?(?:the\s+)?")
_THE_MTUS = re.compile(r"\s*(?:the\s+)?(?:california\s+)?mtus[\s,:-]+(?:the\s+)?")
_YEAR = re.compile(r"\(\s*((?:19|20)\d\d)\s*\)|\s*,?\s*\b((?:19|20)\d\d)\b")
_PAGES = re.compile(r"\bpage(?:s|\s*\(s\))?[\s:]+(?=\d)")
_NUMBERS = re.compile(r"\d{1,4}(?:-\d{1,4})?(?:\s*(?:,|and|&)\s*\d{1,4}(?:-\d{1,4})?\b)*")
_NUMBER = re.compile(r"\d{1,4}(?:-\d{1,4})?")
_PARENTHESIS = re.compile(r"\s*\((?:[^()]|\([^()]{0,80}\)){0,200}\)")
_MORE = re.compile(r",?\s*\band\s+(?=\w)")


def read_prose_guideline(view: View, start: int, end: int) -> RawGuideline | None:
    """The guideline that one side's sentence, or the reviewer's paragraph, states; None where the text is empty."""
    start, end = view.trimmed(start, end)
    if start == end:
        return None
    none_cited = NONE_CITED.search(view.folded, start, end)
    citations = [] if none_cited else list(_citations(view, start, end))
    return RawGuideline(text=(start, end), none_cited=none_cited.span() if none_cited else None, citations=citations)


def _citations(view: View, start: int, end: int) -> Iterator[RawCitation]:
    based_on = _BASED_ON.search(view.folded, start, end)
    start = based_on.end() if based_on else start
    statements = list(_PART_OF_MTUS.finditer(view.folded, start, end))
    if not statements:
        yield from _unclassified(view, start, end)
        return
    for statement in statements:
        lead = _LEAD.match(view.folded, start, statement.start())
        place = without_stop(view, lead.end() if lead else start, statement.start())
        start = statement.end()
        if place[0] < place[1]:
            yield (
                RawCitation(text=place, mtus=False) if statement.group("no") else _mtus(view, _after_mtus(view, place))
            )


def _after_mtus(view: View, place: Place) -> Place:
    """The place from the chapter's name on, as in `the MTUS Chronic Pain Medical Treatment Guidelines`."""
    mtus = _THE_MTUS.match(view.folded, *place)
    return (mtus.end(), place[1]) if mtus and mtus.end() < place[1] else place


def _unclassified(view: View, start: int, end: int) -> Iterator[RawCitation]:
    """Sources without `which is [not] part of the MTUS`; the first may be named as an MTUS chapter."""
    mtus = _THE_MTUS.match(view.folded, start, end)
    if not mtus:
        yield RawCitation(text=without_stop(view, start, end), mtus=False)
        return
    citation = _mtus(view, without_stop(view, mtus.end(), end), up_to_pages=True)
    yield citation
    more = _MORE.match(view.folded, citation.text[1], end)
    if more:
        yield RawCitation(text=without_stop(view, more.end(), end), mtus=False)


def _mtus(view: View, place: Place, *, up_to_pages: bool = False) -> RawCitation:
    """A chapter with the year of its edition and its pages."""
    start, end = place
    name, known = chapter_at(view, start, end)
    citation = RawCitation(text=place, mtus=True, chapter=name, known=known)
    at = name.place[1] if name else start
    edition = _PARENTHESIS.match(view.folded, at, end)
    year = _YEAR.search(view.folded, at, edition.end()) if edition else _YEAR.match(view.folded, at, end)
    if year:
        group = 1 if year.group(1) else 2
        citation.year = FoundValue(int(year.group(group)), year.span(group))
    at = max(edition.end() if edition else at, year.end() if year else at)
    at = _read_pages(view, at, end, citation)
    if up_to_pages:
        citation.text = without_stop(view, start, at)
    return citation


def _read_pages(view: View, start: int, end: int, citation: RawCitation) -> int:
    label = _PAGES.search(view.folded, start, min(end, start + 60))
    numbers = _NUMBERS.match(view.folded, label.end(), end) if label else None
    if not numbers:
        return start
    citation.pages = [match.span() for match in _NUMBER.finditer(view.folded, *numbers.span())]
    return numbers.end()
