"""Page furniture: running headers, footers and page numbers that stand between two lines of the letter.

Pages meet where a form feed stands, or, in texts without form feeds, where a line is nothing but a page number
(`Page 2 of 5`, `- 2 -`). Lines next to such a place are furniture when they are page numbers, when they are known
running lines (`Case Number: CM..-.......`), or when the same line, but for its digits, stands at two such places.
A line with another case
number than the letter's is none of the letter's furniture. Everything else is the letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PAGE_OF = re.compile(r"(?:-+\s?)?page\s*:?\s*\d{1,4}\s*(?:of|/)\s*\d{1,4}(?:\s?-+)?$")
_PAGE_NUMBER = re.compile(r"(?:page\s*:?\s*\d{1,4}|-+\s?\d{1,4}\s?-+|\d{1,4}\s*(?:of|/)\s*\d{1,4}|\d{1,4})$")
_NUMBERED = re.compile(r"^page\s+\d{1,4}\s+of\s+\d{1,4}\b|\bpage\s+\d{1,4}(?:\s+of\s+\d{1,4})?$")
_RUNNING = re.compile(r"(?:[a-z][^.:]{0,60}\s)?case\s+number\s*:?\s*cm\d\d-\d{7}(?:\s+\d{1,4})?$")
_NEVER = re.compile(
    r"how\s+the\s+imr|clinical\s+case\s+summary|imr\s+(?:issues|decision\b)|guideline\s*:|rationale\s*:|decision\s+based\s+on"
    r"|upheld|overturned|medically\s+necessary|issue\s+at\s+dispute|documents\s+reviewed"
)
"""Words of the letter itself: a line that holds them may stand twice at an edge and is no furniture."""
_DIGITS = re.compile(r"\d+")

# Quick looks: without a form feed only these can be page numbers.
_MAY_BE_NUMBERED = re.compile(
    r"page\s{0,9}:?\s{0,9}\d{1,4}(?:\s+of\s+\d|[^\S\n]{0,99}(?:\n|\Z))|\n[^\S\n]{0,99}-+\s?\d{1,4}\s?-+[^\S\n]{0,99}(?:\n|\Z)"
)

_LONGEST_CHARS = 140
"""A running line fits on one line of a page."""
_DEEPEST = 8
"""Running headers and footers have at most this many lines: some repeat the whole table of dates."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str
    page: int
    """Counts form feeds before the line."""


_NUMBER = re.compile(r"cm\d\d-\d{7}")


def furniture(source: str, folded: str) -> list[tuple[int, int]]:
    """Places of page furniture in the text, in order, each with the white space that it stands in."""
    if "\f" not in source and not _MAY_BE_NUMBERED.search(folded):
        return []
    lines = list(_lines(folded))
    number = _NUMBER.search(folded)
    marked = _marked(lines, source, number.group() if number else "", paged="\f" in source)
    return list(_runs(lines, marked, folded))


def _lines(folded: str) -> Iterator[_Line]:
    offset, page = 0, 0
    for piece in re.split("([\n\f])", folded):
        if piece == "\f":
            page += 1
        text = piece.strip()
        if text:
            start = offset + len(piece) - len(piece.lstrip())
            yield _Line(start, start + len(text), text, page)
        offset += len(piece)


def _marked(lines: Sequence[_Line], source: str, number: str, *, paged: bool) -> set[int]:
    """Indices of the lines that are furniture."""
    edges = _edges_of_pages(lines) if paged else _edges_of_numbers(lines)
    times = Counter(_key(lines[index].text) for edge in edges for index in edge)
    usual = max(2, len(edges) // 2 - 1)
    marked: set[int] = set()
    for position, edge in enumerate(edges):
        for index in edge:
            line = lines[index]
            if not _is_furniture(line, times[_key(line.text)], usual, first_page=position == 0):
                break
            if source[line.start].islower() and not _is_page_number(line):
                break
            if (other := _NUMBER.search(line.text)) and other.group() != number:
                break
            marked.add(index)
    return marked


def _edges_of_pages(lines: Sequence[_Line]) -> list[list[int]]:
    """Top and bottom of each page: line indices from the edge inwards, the top of the first page first."""
    pages: dict[int, list[int]] = {}
    for index, line in enumerate(lines):
        pages.setdefault(line.page, []).append(index)
    return [edge for page in pages.values() for edge in (page[:_DEEPEST], page[: -_DEEPEST - 1 : -1])]


def _edges_of_numbers(lines: Sequence[_Line]) -> list[list[int]]:
    """Around each line that is a page number: the line itself with those above it, and those below it."""
    at = [index for index, line in enumerate(lines) if _PAGE_OF.match(line.text) or _is_numbered(line)]
    edges: list[list[int]] = [list(range(min(len(lines), _DEEPEST)))]
    for index in at:
        edges.append(list(range(index, max(-1, index - _DEEPEST), -1)))
        edges.append(list(range(index + 1, min(len(lines), index + _DEEPEST))))
    return edges


def _is_numbered(line: _Line) -> bool:
    return len(line.text) <= _LONGEST_CHARS and bool(_NUMBERED.search(line.text) or _PAGE_NUMBER.match(line.text))


def _is_page_number(line: _Line) -> bool:
    return bool(_PAGE_OF.match(line.text) or _PAGE_NUMBER.match(line.text))


def _is_furniture(line: _Line, times: int, usual: int, *, first_page: bool) -> bool:
    if _PAGE_OF.match(line.text):
        return True
    if _PAGE_NUMBER.match(line.text):
        return times >= usual
    if first_page or len(line.text) > _LONGEST_CHARS or _NEVER.search(line.text):
        return False
    return bool(_RUNNING.match(line.text)) or (times >= usual and _looks_running(line))


def _looks_running(line: _Line) -> bool:
    """Not a line of a sentence: those end with a period or run on."""
    return not line.text.endswith((".", ",", ";", ":")) or line.text.endswith("inc.")


def _key(text: str) -> str:
    return " ".join(_DIGITS.sub("#", text).split())


def _runs(lines: Sequence[_Line], marked: set[int], folded: str) -> Iterator[tuple[int, int]]:
    """Neighbouring marked lines as one place, up to the next line of the letter; one white space is left before it."""
    for index in sorted(marked):
        if index - 1 in marked:
            continue
        last = index
        while last + 1 in marked:
            last += 1
        before = lines[index - 1].end + 1 if index else 0
        after = lines[last + 1].start if last + 1 < len(lines) else len(folded)
        yield min(before, lines[index].start), after
