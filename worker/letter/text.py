"""The three forms of a letter's text: as extracted, as values are cut from it, and as patterns search it.

- *source*: what was extracted from the file. Spans are offsets into it.
- *clean*: the source without what is no part of the letter: running headers and footers (`page_furniture`) and
  invisible characters (soft hyphens, zero-width blanks). Mostly it is the same string. Values are cut out of it.
- *folded*: the clean text in lower case, with plain quotes, dashes and blanks, character for character as long as the
  clean text. Patterns read it, so that an offset in it is an offset in the clean text and no map is needed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.letter.model import Span
from worker.letter.page_furniture import furniture

Place = tuple[int, int]
"""Start and end (exclusive) in the clean text."""

INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Invisible characters: soft hyphen, zero-width blanks and joiners, byte order mark."""
_INVISIBLE_RUN = re.compile(f"\u00ad\\s*\n\\s*|[{INVISIBLE}]+")

# PDF readers give a hyphen at the end of a line as U+0002 or U+FFFE.
_PLAIN = [
    *((odd, "'") for odd in "\u2018\u2019\u201a\u201b\u2032\u00b4"),
    *((odd, '"') for odd in "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"),
    *((odd, "-") for odd in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufffe"),
    *((odd, " ") for odd in "\u00a0\u2007\u202f\u3000"),
    ("\u0130", "i"),  # the one character whose lower case is longer than itself
]


def fold(text: str) -> str:
    """Lower case, plain quotes, dashes and blanks; each character of the text stays one character."""
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    if "\x02" in text:
        text = text.replace("\x02", "-")
    if not text.isascii():
        for odd, plain in _PLAIN:
            if odd in text:
                text = text.replace(odd, plain)
    return text.lower()


def phrase(words: str) -> str:
    """Pattern of a sentence or label of the letter, for `folded` text: any white space between its words."""
    pattern = r"\s+".join(re.escape(word) for word in words.lower().split())
    return pattern.replace(":", r"\s*:")


def compile_phrase(words: str) -> re.Pattern[str]:
    """The compiled pattern of `phrase`."""
    return re.compile(phrase(words))


_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_LINE_BREAK = re.compile(r"[\n\f]")
_GAP = re.compile(r"\n\s*")
_ENDS_SENTENCE = frozenset(".?!:;\"')]\u201d\u2019")
_UNWRAPPED_CHARS = 130
"""Longer lines were not wrapped: each is a paragraph (letters have lines of 90 to 110 characters)."""


def reflow(text: str) -> str:
    """The text with the lines of a paragraph joined by one blank and paragraphs joined by a line break.

    Runs of white space become one blank and page breaks are healed. Invisible characters are removed, and the
    characters that PDF readers give for a hyphen at the end of a line become hyphens. Nothing else is changed.
    """
    joined = text.replace("\n", " ")
    if joined.isascii() and joined.isprintable() and "  " not in joined:
        return joined.strip()  # nearly every value: one paragraph of lines without blanks at their ends
    if not text.isascii():
        text = _INVISIBLE_RUN.sub("", text).replace("\ufffe", "-")
    if "\x02" in text:
        text = text.replace("\x02", "-")
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    if "\n" not in text or not _BLANK_LINE.search(text):
        return " ".join(text.split())
    return "\n".join(" ".join(part.split()) for part in _paragraphs(text.strip()))


def line_spacing(breaks: Sequence[int]) -> int:
    """The number of line breaks between two lines of one paragraph: the smallest number that is usual in the text."""
    usual = (count for count, times in Counter(breaks).items() if 4 * times >= len(breaks))
    return min(usual, default=1)


def _paragraphs(text: str) -> Iterator[str]:
    gaps = [(gap.start(), gap.end(), gap.group().count("\n")) for gap in _GAP.finditer(text)]
    spacing = line_spacing([breaks for *_, breaks in gaps])
    if spacing > 1 and max(map(len, _LINE_BREAK.split(text))) > _UNWRAPPED_CHARS:
        spacing = 1
    start = 0
    for gap_start, gap_end, breaks in gaps:
        if breaks > spacing and _is_break(text, gap_start, gap_end):
            yield text[start:gap_start]
            start = gap_end
    yield text[start:]


def _is_break(text: str, gap_start: int, gap_end: int) -> bool:
    """Whether a gap ends a paragraph: after a sentence and not before lower case. Other gaps are page breaks in one."""
    before = text[max(0, gap_start - 200) : gap_start].rstrip()
    return before[-1:] in _ENDS_SENTENCE and not text[gap_end : gap_end + 1].islower()


@dataclass(frozen=True, slots=True)
class View:
    """A letter's text for reading: patterns search `folded`, values come out of `clean`, spans point into `source`."""

    source: str
    clean: str
    folded: str
    paged: bool
    cuts: tuple[Place, ...]
    """The parts of `source` that `clean` lacks, in source offsets."""
    starts: tuple[int, ...]
    """Offset in `clean` of each kept piece of `source`."""
    shifts: tuple[int, ...]
    """For each kept piece, its offset in `source` minus its offset in `clean`."""
    page_breaks: tuple[int, ...]
    """Offsets of page breaks in `source`; empty unless `paged`."""

    @classmethod
    def of(cls, source: str, *, paged: bool = False) -> View:
        """The view of a text; `paged` when its form feeds are the page breaks of a PDF."""
        folded = fold(source)
        cuts = tuple(_cuts(source, folded))
        breaks = tuple(_positions(source, "\f")) if paged else ()
        if not cuts:
            return cls(source, source, folded, paged, (), (0,), (0,), breaks)
        kept = _kept(cuts, len(source))
        clean = "".join(source[start:end] for start, end in kept)
        starts, shifts, length = [], [], 0
        for start, end in kept:
            starts.append(length)
            shifts.append(start - length)
            length += end - start
        return cls(source, clean, fold(clean), paged, cuts, tuple(starts), tuple(shifts), breaks)

    def origin(self, offset: int) -> int:
        """The source offset of a character of the clean text."""
        return offset + self.shifts[bisect_right(self.starts, offset) - 1]

    def span(self, place: Place) -> Span:
        """The span of a place: from its first to its last character in the source."""
        start, end = place
        if self.cuts:
            start, end = self.origin(start), self.origin(max(start, end - 1)) + (end > start)
        return Span(start, end, self.page(start))

    def spans(self, places: dict[str, Place]) -> dict[str, Span]:
        """The spans of many places, by the same keys."""
        if self.cuts:
            return {path: self.span(place) for path, place in places.items()}
        if not self.paged:
            return {path: Span(start, end, None) for path, (start, end) in places.items()}
        breaks = self.page_breaks
        return {path: Span(start, end, bisect_right(breaks, start) + 1) for path, (start, end) in places.items()}

    def page(self, offset: int) -> int | None:
        """The page of a source offset, from 1; None for a text without pages."""
        return bisect_right(self.page_breaks, offset) + 1 if self.paged else None

    def value(self, place: Place) -> str:
        """The text of a place, reflowed."""
        return reflow(self.clean[place[0] : place[1]])

    def trimmed(self, start: int, end: int) -> Place:
        """The place without the white space around it."""
        clean = self.clean
        near, far = start + _FEW, end - _FEW
        while start < end and clean[start].isspace() and start < near:
            start += 1
        while end > start and clean[end - 1].isspace() and end > far:
            end -= 1
        if start >= end or not (clean[start].isspace() or clean[end - 1].isspace()):
            return start, end
        piece = clean[start:end]
        stripped = piece.lstrip()
        start += len(piece) - len(stripped)
        return start, start + len(stripped.rstrip())


_FEW = 4
"""White space up to this length, as around nearly every place, is skipped by character; longer runs cost a copy."""


def source_of(text: str, span: Span, *, paged: bool = False) -> str:
    """The text at a span, without the running headers and footers that interrupt it.

    `reflow(source_of(text, span))` is the value that was read there; where no page furniture interrupts the span it is
    `text[span.start:span.end]`.
    """
    inside = [cut for cut in View.of(text, paged=paged).cuts if span.start <= cut[0] and cut[1] <= span.end]
    edges = [span.start, *(edge for cut in inside for edge in cut), span.end]
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _cuts(source: str, folded: str) -> Iterator[Place]:
    cuts = furniture(source, folded)
    if not source.isascii():
        invisible = [match.span() for match in _INVISIBLE_RUN.finditer(source)]
        cuts = sorted(cuts + invisible) if invisible else cuts
    end = 0
    for start, stop in cuts:
        if stop > end:
            yield max(start, end), stop
            end = stop


def _kept(cuts: Sequence[Place], length: int) -> list[Place]:
    edges = [0, *(edge for cut in cuts for edge in cut), length]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start] or [(0, 0)]


def _positions(text: str, character: str) -> Iterator[int]:
    at = text.find(character)
    while at >= 0:
        yield at
        at = text.find(character, at + 1)


_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """Lines and columns of a text, both from 1; lines end at LF, CRLF or CR."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1
