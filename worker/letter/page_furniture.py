"""Page furniture: running headers, footers and page numbers between two lines of the letter.

Page breaks are form feeds, lines that are a page number and nothing else (`Page 2 of 5`, `- 2 -`), and lines that are
bare numbers if these count 1, 2, 3. A line next to a page break is furniture in three cases:

- it is a page number;
- its words are all words of the publisher's running titles (`MAXIMUS Federal Services`, `Final Determination Letter for
  IMR Case Number CM16-0213037`, `Page 2`);
- the same line, but for its digits, stands in the same row of nearly all pages.

A line with another case number than the letter's, or with the first print of the letter's number, is not furniture.
Everything else is text of the letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SURE_PAGE_NUMBER = re.compile(r"(?:-+\s?)?page\s*:?\s*\d{1,4}\s*(?:of|/)\s*\d{1,4}(?:\s?-+)?$|-+\s?\d{1,4}\s?-+$")
"""Lines that can only be page numbers."""
_POSSIBLE_PAGE_NUMBER = re.compile(r"page\s*:?\s*\d{1,4}$|\d{1,4}\s*(?:of|/)\s*\d{1,4}$|\d{1,4}$")
"""Lines that are page numbers if they stand next to the page break on nearly every page."""
_BARE, _WORDED = re.compile(r"\d{1,3}$"), re.compile(r"page\s{1,3}\d{1,3}$")
_NUMBERED = re.compile(r"^page\s+\d{1,4}\s+of\s+\d{1,4}\b|\bpage\s+\d{1,4}\s+of\s+\d{1,4}$")
_TITLE = """
maximus federal services inc independent medical review imr final determination determinations letter of for the notice
case number page form effective confidential state california division workers compensation
"""
_TITLE_WORDS = frozenset(_TITLE.split())
"""A line of these words, numbers and the case number is a running title."""
_WORD = re.compile(r"cm\d\d-\d{7}|[a-z']+|\d+|[^\W\d]+")
_LETTER_WORDS = re.compile(
    r"how\s+the\s+imr|clinical\s+case\s+summary|imr\s+(?:issues|decision\b)|guideline\s*:|rationale\s*:"
    r"|decision\s+based\s+on|determined\s+the\s+request|upheld|overturned|medically\s+necessary|issue\s+at\s+dispute|documents\s+reviewed"
)
"""Words of the letter itself: a line with them is never furniture, even if it stands at an edge twice."""
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"cm\d\d-\d{7}")
_FIRST_SECTION = re.compile(r"how\s+the\s+imr")
_HEADER_CHARS = 2000
"""The header of a letter is shorter than this."""
_LABELED = re.compile(r"case\s+number\s*:\s*cm\d\d-\d{7}")

# Quick tests: texts without a match have no page number on a line of its own.
_PAGE_WORD = re.compile(r"page\s{0,9}:?\s{0,9}\d{1,4}(?:\s+of\s+\d|\s?/|[^\S\n]{0,99}(?:[\n\f]|\Z))")
_ALONE = re.compile(r"\n[^\S\n]{0,99}(?:-+\s?)?\d{1,4}(?:\s?-+)?[^\S\n]{0,99}(?:[\n\f]|\Z)")
_NUMBER_ENDS = frozenset("0123456789-")
"""Last characters of page numbers."""

_LONGEST_CHARS = 140
"""A running line fits on one line of a page."""
_MOST_PAGES = 400
"""Twenty times the longest letter seen. Lines at further page breaks are not compared."""
_DEEPEST = 8
"""Running headers and footers have at most this many lines: some repeat the whole table of dates."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str
    page: int
    """Count of form feeds before the line."""
    lower: bool
    """Starts in lower case: the line continues a sentence."""


def furniture(source: str, folded: str) -> list[tuple[int, int]]:
    """Places of page furniture in the source, in order, each with the white space around it."""
    paged = "\f" in source
    if not (_PAGE_WORD.search(folded) or _ALONE.search(folded) or (paged and _may_have_furniture(folded))):
        return []
    lines = list(_lines(source, folded))
    return list(_runs(lines, _furniture_lines(lines, _first_number(folded)), folded))


def _first_number(folded: str) -> re.Match[str] | None:
    """The case number in the header: with its label or, where labels and values are apart, the first one."""
    section = _FIRST_SECTION.search(folded)
    return _LABELED.search(folded, 0, section.start() if section else _HEADER_CHARS) or _NUMBER.search(folded)


def _may_have_furniture(folded: str) -> bool:
    """Whether the outermost line of any page can be furniture. If none can, no line further in can."""
    edges = list(_outermost(folded))
    for edge in edges:
        if edge[-1] in _NUMBER_ENDS and (_POSSIBLE_PAGE_NUMBER.match(edge) or _is_page_number(edge)):
            return True
        if edge.split(None, 1)[0].strip(".,:") in _TITLE_WORDS and _is_title(edge):
            return True
    return len(set(edges)) < len(edges)


def _outermost(folded: str) -> Iterator[str]:
    """The first and the last line of each page, without lines that are too long to be furniture."""
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
            yield _Line(start, start + len(text), _visible(text), page, source[start].islower())
        offset += len(piece)


def _visible(text: str) -> str:
    return text if text.isascii() else text.replace("\u00ad", "").replace("\u200b", "")


def _furniture_lines(lines: Sequence[_Line], number: re.Match[str] | None) -> set[int]:
    """Indices of the lines that are furniture."""
    counting = _counting_lines(lines)
    page_numbers = [index for index, line in enumerate(lines) if _is_page_number(line.text) or index in counting]
    edges = [*_edges_of_pages(lines), *_edges_of_page_numbers(lines, page_numbers)][: 4 * _MOST_PAGES]
    seen = {(position % 2, depth, index) for position, edge in enumerate(edges) for depth, index in enumerate(edge)}
    keys = {index: _without_digits(lines[index].text) for _, _, index in seen}
    times = Counter((side, depth, keys[index]) for side, depth, index in seen)
    most_pages = max(2, min(_MOST_PAGES, max(lines[-1].page + 1, len(page_numbers))) - 1) if lines else 2
    marked = {index for index in page_numbers if index in counting or _SURE_PAGE_NUMBER.match(lines[index].text)}
    for position, edge in enumerate(edges):
        for depth, index in enumerate(edge):
            line = lines[index]
            on_most_pages = times[position % 2, depth, keys[index]] >= most_pages
            if index not in marked and not _is_furniture(line, on_most_pages=on_most_pages, first_page=position == 0):
                break
            if number and not _is_repeated(line, number.group()[-10:], number.end()):
                break
            marked.add(index)
    return marked


def _counting_lines(lines: Sequence[_Line]) -> set[int]:
    """The lines that number the pages: bare numbers that count from 1, or `Page 2`, `Page 3` and so on."""
    bare = [(index, int(line.text)) for index, line in enumerate(lines) if _BARE.match(line.text)]
    worded = [(index, int(line.text[4:])) for index, line in enumerate(lines) if _WORDED.match(line.text)]
    counting: set[int] = set()
    for numbers, least, firsts in ((bare, 3, {1}), (worded, 2, {1, 2})):
        if len(numbers) >= least and numbers[0][1] in firsts and _count_up(numbers):
            counting |= {index for index, _ in numbers}
    return counting


def _count_up(numbers: list[tuple[int, int]]) -> bool:
    return all(later == earlier + 1 for (_, earlier), (_, later) in pairwise(numbers))


def _is_page_number(text: str) -> bool:
    return len(text) <= _LONGEST_CHARS and bool(_SURE_PAGE_NUMBER.match(text) or _NUMBERED.search(text))


def _is_repeated(line: _Line, number: str, end: int) -> bool:
    """Whether the line has no case number, or the letter's own number printed once more."""
    printed = _NUMBER.search(line.text)
    return not printed or (printed.group().endswith(number) and line.start + printed.end() != end)


def _edges_of_pages(lines: Sequence[_Line]) -> list[list[int]]:
    """Top and bottom of each page in turn, each as line indices from the edge inwards."""
    pages: dict[int, list[int]] = {}
    for index, line in enumerate(lines):
        pages.setdefault(line.page, []).append(index)
    if len(pages) == 1:
        return [list(range(min(len(lines), _DEEPEST))), []]
    return [edge for page in pages.values() for edge in (page[:_DEEPEST], page[: -_DEEPEST - 1 : -1])]


def _edges_of_page_numbers(lines: Sequence[_Line], page_numbers: Sequence[int]) -> Iterator[list[int]]:
    """For each line that is a page number: the lines below it, then the line itself with those above it."""
    for index in page_numbers:
        yield list(range(index + 1, min(len(lines), index + _DEEPEST)))
        yield list(range(index, max(-1, index - _DEEPEST), -1))


def _is_furniture(line: _Line, *, on_most_pages: bool, first_page: bool) -> bool:
    text = line.text
    if len(text) > _LONGEST_CHARS:
        return False
    if _SURE_PAGE_NUMBER.match(text):
        return True
    if _POSSIBLE_PAGE_NUMBER.match(text):
        return on_most_pages
    if first_page or line.lower or _LETTER_WORDS.search(text):
        return False
    return _is_title(text) or (on_most_pages and _looks_running(text))


def _is_title(text: str) -> bool:
    """Whether the line has only words of running titles, and at least two of them."""
    words = _WORD.findall(text) if len(text) <= _LONGEST_CHARS else []
    return len(words) > 1 and all(word in _TITLE_WORDS or word[-1].isdigit() for word in words) and text[0].isalpha()


def _looks_running(text: str) -> bool:
    """Whether the line ends unlike a line of a sentence: without a period or another mark."""
    return not text.endswith((".", ",", ";", ":")) or text.endswith("inc.")


def _without_digits(text: str) -> str:
    return " ".join(_DIGITS.sub("#", text).split())


def _runs(lines: Sequence[_Line], marked: set[int], folded: str) -> Iterator[tuple[int, int]]:
    """Neighboring furniture lines as one place, up to the lines of the letter around them."""
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
    """What to cut between two lines of the letter: all but the form feed or, without one, the smaller gap."""
    before, after = upper[0], lower[1]
    page_break = folded.find("\f", before, after)
    if page_break >= 0:
        yield before, page_break
        yield page_break + 1, after
    elif folded.count("\n", *upper) <= folded.count("\n", *lower):
        yield upper[1], after
    else:
        yield before, lower[0]
