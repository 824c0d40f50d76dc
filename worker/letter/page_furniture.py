"""Page furniture: running headers, footers and page numbers that stand between two lines of the letter.

Pages meet where a form feed stands, where a line is a page number and nothing else (`Page 2 of 5`, `- 2 -`), or where
the lines that are bare numbers count 1, 2, 3. Lines next to such a place are furniture when they are page numbers, when
they hold no words but those of the publisher's running titles (`MAXIMUS Federal Services`, `Final Determination Letter
for IMR Case Number CM16-0213037`, `Page 2`), or when the same line but for its digits stands in the same row of nearly
all pages. A line with another case number than the letter's, or with the first print of its number, is none of its
furniture. Everything else is the letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_ANYWHERE = re.compile(r"(?:-+\s?)?page\s*:?\s*\d{1,4}\s*(?:of|/)\s*\d{1,4}(?:\s?-+)?$|-+\s?\d{1,4}\s?-+$")
"""Page numbers that cannot be anything else."""
_AT_EDGES = re.compile(r"page\s*:?\s*\d{1,4}$|\d{1,4}\s*(?:of|/)\s*\d{1,4}$|\d{1,4}$")
"""Page numbers next to a page break that stand there on nearly every page."""
_BARE, _WORDED = re.compile(r"\d{1,3}$"), re.compile(r"page\s{1,3}\d{1,3}$")
_NUMBERED = re.compile(r"^page\s+\d{1,4}\s+of\s+\d{1,4}\b|\bpage\s+\d{1,4}\s+of\s+\d{1,4}$")
_TITLE = """
maximus federal services inc independent medical review imr final determination determinations letter of for the notice
case number page form effective confidential state california division workers compensation
"""
_TITLE_WORDS = frozenset(_TITLE.split())
"""A line of these, numbers and the case number is a running title."""
_WORD = re.compile(r"cm\d\d-\d{7}|[a-z']+|\d+|[^\W\d]+")
_NEVER = re.compile(
    r"how\s+the\s+imr|clinical\s+case\s+summary|imr\s+(?:issues|decision\b)|guideline\s*:|rationale\s*:"
    r"|decision\s+based\s+on|determined\s+the\s+request|upheld|overturned|medically\s+necessary|issue\s+at\s+dispute|documents\s+reviewed"
)
"""Words of the letter itself: a line that holds them may stand twice at an edge and is no furniture."""
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"cm\d\d-\d{7}")
_FIRST_SECTION = re.compile(r"how\s+the\s+imr")
_HEADER_CHARS = 2000
"""The header of a letter ends before."""
_LABELLED = re.compile(r"case\s+number\s*:\s*cm\d\d-\d{7}")

# Quick looks: texts without these have no page number on a line of its own.
_PAGE_WORD = re.compile(r"page\s{0,9}:?\s{0,9}\d{1,4}(?:\s+of\s+\d|\s?/|[^\S\n]{0,99}(?:[\n\f]|\Z))")
_ALONE = re.compile(r"\n[^\S\n]{0,99}(?:-+\s?)?\d{1,4}(?:\s?-+)?[^\S\n]{0,99}(?:[\n\f]|\Z)")
_NUMBER_ENDS = frozenset("0123456789-")
"""A line that ends otherwise is no page number."""

_LONGEST_CHARS = 140
"""A running line fits on one line of a page."""
_MOST_PAGES = 400
"""Twenty times the longest letter seen; around more page breaks than that nothing is compared."""
_DEEPEST = 8
"""Running headers and footers have at most this many lines: some repeat the whole table of dates."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str
    page: int
    """Counts form feeds before the line."""
    lower: bool
    """Starts in lower case: the line goes on with a sentence."""


def furniture(source: str, folded: str) -> list[tuple[int, int]]:
    """Places of page furniture in the text, in order, each with the white space that it stands in."""
    paged = "\f" in source
    if not (_PAGE_WORD.search(folded) or _ALONE.search(folded) or (paged and _may_run(folded))):
        return []
    lines = list(_lines(source, folded))
    return list(_runs(lines, _marked(lines, _first_number(folded)), folded))


def _first_number(folded: str) -> re.Match[str] | None:
    """The case number in the letter's header: there with its label, or alone where labels and values stand apart."""
    section = _FIRST_SECTION.search(folded)
    return _LABELLED.search(folded, 0, section.start() if section else _HEADER_CHARS) or _NUMBER.search(folded)


def _may_run(folded: str) -> bool:
    """Whether the outermost line of any page can be furniture: if none can, no line further in is looked at."""
    edges = list(_outermost(folded))
    for edge in edges:
        if edge[-1] in _NUMBER_ENDS and (_AT_EDGES.match(edge) or _is_mark(edge)):
            return True
        if edge.split(None, 1)[0].strip(".,:") in _TITLE_WORDS and _is_title(edge):
            return True
    return len(set(edges)) < len(edges)


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


def _lines(source: str, folded: str) -> Iterator[_Line]:
    offset, page = 0, 0
    for piece in re.split("([\n\f])", folded):
        if piece == "\f":
            page += 1
        text = piece.strip()
        if text:
            start = offset + len(piece) - len(piece.lstrip())
            yield _Line(start, start + len(text), _shown(text), page, source[start].islower())
        offset += len(piece)


def _shown(text: str) -> str:
    return text if text.isascii() else text.replace("\u00ad", "").replace("\u200b", "")


def _marked(lines: Sequence[_Line], number: re.Match[str] | None) -> set[int]:
    """Indices of the lines that are furniture."""
    counted = _counted(lines)
    marks = [index for index, line in enumerate(lines) if _is_mark(line.text) or index in counted]
    edges = [*_edges_of_pages(lines), *_edges_of_marks(lines, marks)][: 4 * _MOST_PAGES]
    seen = {(position % 2, depth, index) for position, edge in enumerate(edges) for depth, index in enumerate(edge)}
    keys = {index: _key(lines[index].text) for _, _, index in seen}
    times = Counter((side, depth, keys[index]) for side, depth, index in seen)
    usual = max(2, min(_MOST_PAGES, max(lines[-1].page + 1, len(marks))) - 1) if lines else 2
    marked = {index for index in marks if index in counted or _ANYWHERE.match(lines[index].text)}
    for position, edge in enumerate(edges):
        for depth, index in enumerate(edge):
            line = lines[index]
            often = times[position % 2, depth, keys[index]] >= usual
            if index not in marked and not _is_furniture(line, often=often, first_page=position == 0):
                break
            if number and not _is_repeated(line, number.group()[-10:], number.end()):
                break
            marked.add(index)
    return marked


def _counted(lines: Sequence[_Line]) -> set[int]:
    """The lines that number the pages: bare numbers that count from 1, or `Page 2`, `Page 3` and so on."""
    bare = [(index, int(line.text)) for index, line in enumerate(lines) if _BARE.match(line.text)]
    worded = [(index, int(line.text[4:])) for index, line in enumerate(lines) if _WORDED.match(line.text)]
    counted: set[int] = set()
    for numbers, least, firsts in ((bare, 3, {1}), (worded, 2, {1, 2})):
        if len(numbers) >= least and numbers[0][1] in firsts and _counts(numbers):
            counted |= {index for index, _ in numbers}
    return counted


def _counts(numbers: list[tuple[int, int]]) -> bool:
    return all(later == earlier + 1 for (_, earlier), (_, later) in pairwise(numbers))


def _is_mark(text: str) -> bool:
    return len(text) <= _LONGEST_CHARS and bool(_ANYWHERE.match(text) or _NUMBERED.search(text))


def _is_repeated(line: _Line, number: str, end: int) -> bool:
    """Whether a case number in the line is the letter's, printed once more."""
    found = _NUMBER.search(line.text)
    return not found or (found.group().endswith(number) and line.start + found.end() != end)


def _edges_of_pages(lines: Sequence[_Line]) -> list[list[int]]:
    """Top and bottom of each page in turn: line indices from the edge inwards."""
    pages: dict[int, list[int]] = {}
    for index, line in enumerate(lines):
        pages.setdefault(line.page, []).append(index)
    if len(pages) == 1:
        return [list(range(min(len(lines), _DEEPEST))), []]
    return [edge for page in pages.values() for edge in (page[:_DEEPEST], page[: -_DEEPEST - 1 : -1])]


def _edges_of_marks(lines: Sequence[_Line], marks: Sequence[int]) -> Iterator[list[int]]:
    """Around each line that is a page number, the lines below it and then itself with those above it."""
    for index in marks:
        yield list(range(index + 1, min(len(lines), index + _DEEPEST)))
        yield list(range(index, max(-1, index - _DEEPEST), -1))


def _is_furniture(line: _Line, *, often: bool, first_page: bool) -> bool:
    text = line.text
    if len(text) > _LONGEST_CHARS:
        return False
    if _ANYWHERE.match(text):
        return True
    if _AT_EDGES.match(text):
        return often
    if first_page or line.lower or _NEVER.search(text):
        return False
    return _is_title(text) or (often and _looks_running(text))


def _is_title(text: str) -> bool:
    """No words but those of running titles, and more than one."""
    words = _WORD.findall(text) if len(text) <= _LONGEST_CHARS else []
    return len(words) > 1 and all(word in _TITLE_WORDS or word[-1].isdigit() for word in words) and text[0].isalpha()


def _looks_running(text: str) -> bool:
    """Not a line of a sentence: those end with a period or run on."""
    return not text.endswith((".", ",", ";", ":")) or text.endswith("inc.")


def _key(text: str) -> str:
    return " ".join(_DIGITS.sub("#", text).split())


def _runs(lines: Sequence[_Line], marked: set[int], folded: str) -> Iterator[tuple[int, int]]:
    """Neighbouring marked lines as one place, up to the lines of the letter around them."""
    for index in sorted(marked):
        if index - 1 in marked:
            continue
        last = index
        while last + 1 in marked:
            last += 1
        before = lines[index - 1].end if index else 0
        after = lines[last + 1].start if last + 1 < len(lines) else len(folded)
        yield from _around_break(folded, (before, lines[index].start), (lines[last].end, after))


def _around_break(folded: str, upper: tuple[int, int], lower: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """All from one line of the letter to the next but a page break, or else the lesser of the two gaps."""
    before, after = upper[0], lower[1]
    page_break = folded.find("\f", before, after)
    if page_break >= 0:
        yield before, page_break
        yield page_break + 1, after
    elif folded.count("\n", *upper) <= folded.count("\n", *lower):
        yield upper[1], after
    else:
        yield before, lower[0]
