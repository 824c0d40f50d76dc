"""Guideline statements and the sources that they cite.

    Decision based on MTUS <chapter> <year>[, Section(s): <s1>, <s2>][, and <chapter> <year>, Section(s): ...].
    Decision based on MTUS <chapter> [<topic>] [Page(s): <p1>, <p2>].                            (2013 and 2014)
    Decision based on Non-MTUS Citation <free text>.
    The Claims Administrator [Expert Reviewer] did not cite any medical evidence for its decision.

Chapter and section names contain commas and `and`. A new chapter starts after `and` only where a known name, or a name
with a year, follows. A new section starts only where a capital or a digit follows the comma, outside of parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from worker.letter.raw_letter import FoundValue, RawCitation, RawGuideline
from worker.letter.text import Place, View, compile_phrase

# Medical Treatment Utilization Schedule, 8 CCR 9792.21 and following: the chapters until 2017 (with the name that the
# 2013 and 2014 letters give the chronic pain chapter) and those adopted from 2017-12-01 on.
CHAPTERS = (
    "General Approaches", "Neck and Upper Back Complaints", "Shoulder Complaints", "Elbow Complaints",
    "Forearm, Wrist, and Hand Complaints", "Low Back Complaints", "Knee Complaints", "Ankle and Foot Complaints",
    "Stress-Related Conditions", "Stress Related Conditions", "Eye", "Acupuncture Treatment",
    "Acupuncture Medical Treatment",
    "Chronic Pain Medical Treatment", "Postsurgical Treatment", "Opioid Treatment",
    "Chronic Pain Treatment Guidelines", "Chronic Pain Medical Treatment Guidelines",
    "Acupuncture Treatment Guidelines", "Acupuncture Medical Treatment Guidelines", "Postsurgical Treatment Guidelines",
    "Opioids Treatment Guidelines", "Opioid Treatment Guidelines",
    "Initial Approaches to Treatment", "Cervical and Thoracic Spine Disorders", "Shoulder Disorders",
    "Elbow Disorders",
    "Hand, Wrist, and Forearm Disorders", "Low Back Disorders", "Knee Disorders", "Ankle and Foot Disorders",
    "Eye Disorders",
    "Hip and Groin Disorders", "Work-Related Asthma", "Occupational Interstitial Lung Disease", "Chronic Pain",
    "Opioids",
    "Cornerstones of Disability Prevention and Management", "General Approach to Initial Assessment and Documentation",
    "Prevention", "Traumatic Brain Injury", "Posttraumatic Stress Disorder and Acute Stress Disorder",
    "Workplace Mental Health", "Antiemetics", "Coronavirus (COVID-19)",
)  # fmt: skip

# Names of sections that hold a comma before a capital.
_SECTIONS_WITH_COMMAS = (
    "forearm, wrist, & hand", "forearm, wrist, and hand", "forearm, wrist & hand", "hand, wrist, and forearm",
    "nsaids, gi symptoms & cardiovascular risk", "nsaids, gi symptoms and cardiovascular risk", "hip, pelvis and thigh",
    "hip, pelvis, and thigh", "hip, pelvis & thigh",
)  # fmt: skip


def _spaced(name: str) -> str:
    words = ("(?:and|&)" if word == "and" else re.escape(word).replace(",", ",?") for word in name.lower().split())
    return r"\s+".join(words)


def _squeezed(folded: str) -> str:
    """A name without what copies print differently: blanks, commas, and `&` for `and`."""
    return "".join(folded.replace("&", "and").replace(",", "").split())


_NAMES = {_squeezed(name.lower()): name for name in CHAPTERS}
_KNOWN = re.compile("(?:" + "|".join(_spaced(name) for name in sorted(CHAPTERS, key=len, reverse=True)) + r")(?![\w-])")
_WITH_YEAR = re.compile(r"[a-z][^.:;]{2,120}?(?=\s+(?:19|20)\d\d\s*(?:[.,;]|and\s|$))")
_UP_TO_DETAIL = re.compile(r"(?:(?!,?\s+(?:section|page)\(?s?\)?\s*:|\s+(?:19|20)\d\d\b|[.;]\s|[.;]?$)[\s\S]){1,200}")
# `ACOEM Practice Guidelines, 2nd Edition (2004), Chapter 12 Low Back Complaints`
_PREFIX = re.compile(
    r"[\s:]*(?:the\s+)?"
    r"(?:acoem(?:\s+practice)?(?:\s+guidelines?)?(?:\s*,)?(?:\s+2nd\s+edition)?(?:\s+\(2004\))?(?:\s*,)?\s+)?"
    r"(?:chapter\s+\d{1,2}(?:\s*[-,:])?\s+)?"
)
_YEAR = re.compile(r"\s*,?\s*\(?((?:19|20)\d\d)\b\)?")
_AND = re.compile(r"\band\s+(?:the\s+|mtus\s+)*|;\s+")
_SECTIONS = re.compile(r"section(?:s|\s*\(s\))?\s*:\s*")
_PAGES = re.compile(r"\b(?:page(?:s|\s*\(s\))?\s*:\s*|pages?\s+(?=\d)|pg\.?\s+(?=\d))")
_PAGE = re.compile(r"[^\s,]+(?:\s+of\s+\d+)?")
_KNOWN_SECTION = re.compile("|".join(r"\s*".join(map(re.escape, name.split())) for name in _SECTIONS_WITH_COMMAS))
_SECTION_NUMBER = re.compile(r"\d+(?:\.\d+)*\.?\s")

NONE_CITED = compile_phrase("did not cite any medical evidence")
_BASED_ON = re.compile(r"decision\s+based\s+on\s+(?:the\s+)?(?:(non\s*-?\s*mtus)(?:\s+citations?)?|mtus)\b[\s:]*")


# `Decision based on MTUS <chapter> <year>[, Section(s): <one name>].`, as most statements are; `_citations` reads any.
_USUAL = re.compile(
    rf"decision\s+based\s+on\s+mtus\s+(?P<text>(?P<chapter>{_KNOWN.pattern})\s+(?P<year>(?:19|20)\d\d)"
    r"(?:\s*,\s+section\(s\)\s*:\s*(?P<section>[^,:.;\d\s](?:[^,:.;\d]*[^,:.;\d\s])?))?)\s*\.$"
)


def read_guideline(view: View, start: int, end: int) -> RawGuideline | None:
    """What one side says its decision is based on; None where the text is empty."""
    start, end = view.trimmed(start, end)
    if start == end:
        return None
    if usual := _USUAL.match(view.folded, start, end):
        return RawGuideline(text=(start, end), none_cited=None, citations=[_usual_citation(view, usual)])
    none_cited = NONE_CITED.search(view.folded, start, end)
    return RawGuideline(
        text=(start, end),
        none_cited=none_cited.span() if none_cited else None,
        citations=list(_citations(view, start, end)),
    )


def _usual_citation(view: View, match: re.Match[str]) -> RawCitation:
    name = match.span("chapter")
    return RawCitation(
        text=match.span("text"),
        mtus=True,
        chapter=FoundValue(_chapter_name(view, name), name),
        year=FoundValue(int(match.group("year")), match.span("year")),
        sections=[match.span("section")] if match.group("section") else [],
    )


def _citations(view: View, start: int, end: int) -> Iterator[RawCitation]:
    statements = list(_BASED_ON.finditer(view.folded, start, end))
    for number, statement in enumerate(statements):
        stop = statements[number + 1].start() if number + 1 < len(statements) else end
        place = without_stop(view, statement.end(), stop)
        if place[0] == place[1]:
            continue
        if statement.group(1):
            yield RawCitation(text=place, mtus=False)
        else:
            yield from _chapters(view, *place)


def without_stop(view: View, start: int, end: int) -> Place:
    """The place without white space around it and without the period, comma or semicolon at its end."""
    start, end = view.trimmed(start, end)
    while end > start and view.folded[end - 1] in ".,; \n":
        end -= 1
    return start, end


def _chapters(view: View, start: int, end: int) -> Iterator[RawCitation]:
    """The chapters of one `Decision based on MTUS ...`."""
    begin, name_end = start, _name_end(view, start, end)
    for conjunction in _AND.finditer(view.folded, start, end):
        if name_end <= conjunction.start() and _starts_chapter(view, conjunction.end(), end):
            yield _chapter(view, *without_stop(view, begin, conjunction.start()))
            begin, name_end = conjunction.end(), _name_end(view, conjunction.end(), end)
    yield _chapter(view, *without_stop(view, begin, end))


def _name_end(view: View, start: int, end: int) -> int:
    """Where the chapter's name is complete: an `and` before this belongs to the name."""
    known = _KNOWN.match(view.folded, _after_prefix(view, start, end), end)
    name = known or _ANY_YEAR.search(view.folded, start, end)
    return name.end() if name else end


_ANY_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def _starts_chapter(view: View, start: int, end: int) -> bool:
    start = _after_prefix(view, start, end)
    known = _KNOWN.match(view.folded, start, end)
    if known:
        return bool(_AFTER_NAME.match(view.folded, known.end(), end))
    return bool(_WITH_YEAR.match(view.folded, start, end))


# `Eye`, `Opioids` and `Prevention` are words too: as chapters they stand before a year, a detail or the end.
_AFTER_NAME = re.compile(r"\s*(?:[.,;]\s*)?(?:$|section|page|\(?(?:19|20)\d\d|and\s)|(?<=guidelines)\s")


def _after_prefix(view: View, start: int, end: int) -> int:
    prefix = _PREFIX.match(view.folded, start, end)
    return prefix.end() if prefix else start


def _chapter(view: View, start: int, end: int) -> RawCitation:
    """One chapter with its year, sections and pages."""
    name, known = chapter_at(view, start, end)
    citation = RawCitation(text=(start, end), mtus=True, chapter=name, known=known)
    if name is None:
        return citation
    position = name.place[1]
    if year := _YEAR.match(view.folded, position, end):
        citation.year = FoundValue(int(year.group(1)), year.span(1))
        position = year.end()
    _details(view, position, end, citation)
    return citation


def chapter_at(view: View, start: int, end: int) -> tuple[FoundValue[str] | None, bool]:
    """The name of the chapter that a citation begins with, and whether it is in the list."""
    begin = _after_prefix(view, start, end)
    known = _KNOWN.match(view.folded, begin, end)
    if known:
        return FoundValue(_chapter_name(view, known.span()), known.span()), True
    name = _WITH_YEAR.match(view.folded, begin, end) or _UP_TO_DETAIL.match(view.folded, begin, end)
    return (FoundValue(view.value(name.span()), name.span()), False) if name else (None, False)


def _chapter_name(view: View, place: Place) -> str:
    return _NAMES.get(_squeezed(view.folded[place[0] : place[1]])) or view.value(place)


def _details(view: View, start: int, end: int, citation: RawCitation) -> None:
    """What follows chapter and year: `Section(s): ...`, a topic without a label, `Page(s): ...`."""
    pages = _PAGES.search(view.folded, start, end)
    stop = pages.start() if pages else end
    sections = _SECTIONS.search(view.folded, start, stop)
    place = without_stop(view, _after_comma(view, sections.end() if sections else start, stop), stop)
    if place[0] < place[1]:
        citation.sections = list(_sections(view, *place))
    if pages:
        numbers = without_stop(view, pages.end(), end)
        citation.pages = [match.span() for match in _PAGE.finditer(view.folded, *numbers)]


def _after_comma(view: View, start: int, end: int) -> int:
    while start < end and view.folded[start] in " ,;:\n\t\f\r":
        start += 1
    return start


def _sections(view: View, start: int, end: int) -> Iterator[Place]:
    """Names between commas; see the module's docstring for the commas that belong to a name."""
    numbered = bool(_SECTION_NUMBER.match(view.folded, start, end))
    begin = start
    for comma in _top_level_commas(view.folded, start, end):
        if comma > begin and _starts_section(view, comma + 1, end, numbered=numbered):
            yield view.trimmed(begin, comma)
            begin = comma + 1
    yield view.trimmed(begin, end)


def _top_level_commas(folded: str, start: int, end: int) -> Iterator[int]:
    """Commas outside of parentheses and outside of known names that hold commas."""
    depth, known_end = 0, start
    for mark in re.finditer(r"[(),]", folded[start:end]):
        at = start + mark.start()
        if mark.group() == "(":
            depth += 1
        elif mark.group() == ")":
            depth = max(0, depth - 1)
        elif depth == 0 and at >= known_end:
            known_end = max(known_end, _known_section_end(folded, at, start, end))
            if at >= known_end:
                yield at


def _known_section_end(folded: str, comma: int, start: int, end: int) -> int:
    """The end of the known name that holds this comma; `start` if there is none."""
    word = folded.rfind(",", start, comma) + 1 or start
    while word < comma and not folded[word].isalnum():
        word += 1
    name = _KNOWN_SECTION.match(folded, word, end)
    return name.end() if name and name.end() > comma else start


def _starts_section(view: View, start: int, end: int, *, numbered: bool) -> bool:
    start, end = view.trimmed(start, end)
    if numbered:
        return bool(_SECTION_NUMBER.match(view.folded, start, end))
    return start < end and not view.clean[start].islower() and view.clean[start] != "&"
