"""Page furniture: running headers, footers and page numbers that stand between two lines of the letter.

Pages meet where a form feed stands, or, in texts without form feeds, where a line is nothing but a page number
(`Page 2 of 5`, `- 2 -`). Lines next to such a place are furniture when they are page numbers, when they are known
running lines (`Case Number: CM..-.......`), or when the same line but for its digits stands at nearly all such places.
A line with another case number than the letter's is none of the letter's furniture. Everything else is the letter.
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
    r"how\s+the\s+imr|clinical\s+case\s+summary|imr\s+(?:issues|decision\b)|guideline\s*:|rationale\s*:"
    r"|decision\s+based\s+on|upheld|overturned|medically\s+necessary|issue\s+at\s+dispute|documents\s+reviewed"
)
"""Words of the letter itself: a line that holds them may stand twice at an edge and is no furniture."""
_DIGITS = re.compile(r"\d+")
_LINE_END = re.compile(r"[^\S\n\f]*[\n\f]")
_NUMBER = re.compile(r"cm\d\d-\d{7}")

# Quick looks: without a form feed only these can be page numbers.
_PAGE_WORD = re.compile(r"page\s{0,9}:?\s{0,9}\d{1,4}(?:\s+of\s+\d|[^\S\n]{0,99}(?:\n|\Z))")
_DASHED = re.compile(r"\n[^\S\n]{0,99}-+\s?\d{1,4}\s?-+[^\S\n]{0,99}(?:\n|\Z)")

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


def furniture(source: str, folded: str) -> list[tuple[int, int]]:
    """Places of page furniture in the text, in order, each with the white space that it stands in."""
    paged = "\f" in source
    if not (_may_run(folded) if paged else _may_be_numbered(folded)):
        return []
    lines = list(_lines(folded))
    number = _NUMBER.search(folded)
    marked = _marked(lines, source, number, paged=paged)
    return list(_runs(lines, marked, folded))


def _may_be_numbered(folded: str) -> bool:
    return bool(_PAGE_WORD.search(folded) or _DASHED.search(folded))


def _may_run(folded: str) -> bool:
    """Whether the outermost line of any page can be furniture: if none can, no line further in is looked at."""
    edges = list(_outermost(folded))
    if any("page" in edge or edge[-1] in _NUMBER_ENDS or edge[0] in _NUMBER_ENDS for edge in edges):
        return True
    return len(set(edges)) < len(edges)


_NUMBER_ENDS = frozenset("0123456789-")
"""A line that neither holds the word nor begins or ends like this has no page number in it."""


def _outermost(folded: str) -> Iterator[str]:
    """The first and the last line of each page, but for long ones, which run over no page."""
    pages = (page for page in (piece.strip() for piece in folded.split("\f")) if page)
    for number, page in enumerate(pages):
        top = page[: page.find("\n", 0, _LONGEST_CHARS + 1)].rstrip()
        bottom = page[page.rfind("\n", max(0, len(page) - _LONGEST_CHARS)) + 1 :].lstrip()
        if number and top:
            yield top
        if len(bottom) <= _LONGEST_CHARS:
            yield bottom


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


def _marked(lines: Sequence[_Line], source: str, number: re.Match[str] | None, *, paged: bool) -> set[int]:
    """Indices of the lines that are furniture."""
    edges = _edges_of_pages(lines) if paged else _edges_of_numbers(lines)
    times = Counter(_key(lines[index].text) for edge in edges for index in edge)
    usual = max(2, len(edges) // 2 - 1)
    marked: set[int] = set()
    for position, edge in enumerate(edges):
        for index in edge:
            line = lines[index]
            if not _is_furniture(line.text, times[_key(line.text)], usual, first_page=position == 0):
                break
            if source[line.start].islower() and not _is_page_number(line.text):
                break
            if number and not _is_repeated(line, number):
                break
            marked.add(index)
    return marked


def _is_repeated(line: _Line, number: re.Match[str]) -> bool:
    """Whether a case number in the line is the letter's, printed once more."""
    found = _NUMBER.search(line.text)
    return not found or (found.group() == number.group() and line.start + found.start() != number.start())


def _edges_of_pages(lines: Sequence[_Line]) -> list[list[int]]:
    """Top and bottom of each page: line indices from the edge inwards, the top of the first page first."""
    pages: dict[int, list[int]] = {}
    for index, line in enumerate(lines):
        pages.setdefault(line.page, []).append(index)
    return [edge for page in pages.values() for edge in (page[:_DEEPEST], page[: -_DEEPEST - 1 : -1])]


def _edges_of_numbers(lines: Sequence[_Line]) -> list[list[int]]:
    """Around each line that is a page number: the line itself with those above it, and those below it."""
    at = [index for index, line in enumerate(lines) if _PAGE_OF.match(line.text) or _is_numbered(line.text)]
    edges: list[list[int]] = [list(range(min(len(lines), _DEEPEST)))]
    for index in at:
        edges.append(list(range(index, max(-1, index - _DEEPEST), -1)))
        edges.append(list(range(index + 1, min(len(lines), index + _DEEPEST))))
    return edges


def _is_numbered(text: str) -> bool:
    return len(text) <= _LONGEST_CHARS and bool(_NUMBERED.search(text) or _PAGE_NUMBER.match(text))


def _is_page_number(text: str) -> bool:
    return bool(_PAGE_OF.match(text) or _PAGE_NUMBER.match(text))


def _is_furniture(text: str, times: int, usual: int, *, first_page: bool) -> bool:
    if _PAGE_OF.match(text):
        return True
    if _PAGE_NUMBER.match(text):
        return times >= usual
    if first_page or len(text) > _LONGEST_CHARS or _NEVER.search(text):
        return False
    return bool(_RUNNING.match(text)) or (times >= usual and _looks_running(text))


def _looks_running(text: str) -> bool:
    """Not a line of a sentence: those end with a period or run on."""
    return not text.endswith((".", ",", ";", ":")) or text.endswith("inc.")


def _key(text: str) -> str:
    return " ".join(_DIGITS.sub("#", text).split())


def _runs(lines: Sequence[_Line], marked: set[int], folded: str) -> Iterator[tuple[int, int]]:
    """Neighbouring marked lines as one place, up to the next line of the letter; the line break before it is left."""
    for index in sorted(marked):
        if index - 1 in marked:
            continue
        last = index
        while last + 1 in marked:
            last += 1
        line_end = _LINE_END.match(folded, lines[index - 1].end) if index else None
        before = line_end.end() if line_end else 0
        after = lines[last + 1].start if last + 1 < len(lines) else len(folded)
        yield min(before, lines[index].start), after
