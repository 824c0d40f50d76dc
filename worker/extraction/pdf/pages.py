"""Pages: from the bytes of a PDF to an answer. Runs in the reading process only.

The text that PDFium gives is kept in its order and its words. Changed are:

- line ends: to LF, with a blank line where the page shows a gap (`page_layout`);
- a hyphen at the end of a line: PDFium replaces it and the line end by U+FFFE (older versions by U+0002), for programs
  that want to join the word. Whether the hyphen belongs to the word is unknown here (`non-` `certified`), so hyphen and
  line end are put back as the page shows them;
- a soft hyphen elsewhere: a PDF draws what it holds, so it becomes a hyphen;
- symbols of Word's bullet fonts: from the private use area to the characters they look like;
- other control characters: to U+FFFD, because something is printed there and the PDF does not say what;
- blanks at both ends of a line, and lines of nothing but blanks: dropped.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from math import hypot

import pypdfium2
from pypdfium2 import raw

from worker.extraction.completeness import has_end_mark
from worker.extraction.holes import has_hole
from worker.extraction.limits import ReadLimits
from worker.extraction.pdf.page_layout import Line, Page, document_text
from worker.extraction.pdf.protocol import PdfAnswer, ReadOutcome

_HYPHEN = "\ufffe"
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - set(map(ord, "\t\n"))
_SHOWN = {
    **dict.fromkeys(_CONTROLS, "\ufffd"),
    **dict.fromkeys(map(ord, "\r\v\f\x85\u2028\u2029"), "\n"),
    0x02: _HYPHEN,
    0xAD: "-",
    0xF0B7: "\u2022",
    0xF0A7: "\u25aa",
    0xF0D8: "\u27a2",
    0xF0FC: "\u2713",
    0xFFFF: "\ufffd",
}
"""Each is replaced by exactly one character: places on the page are looked up by position in the text."""
_ODD = re.compile(f"[{''.join(map(chr, _SHOWN))}]")
_SHOWN_OF_ASCII = "".join(map(chr, range(0x80))).translate(_SHOWN)
"""The same for ASCII, which most pages are: looking up in a string is much faster than in a mapping, or searching."""

_PICTURES = {raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM, raw.FPDF_PAGEOBJ_SHADING}


class _TooMuchText(Exception):
    """More characters than `max_text_chars`."""


def read_pdf(content: bytes, limits: ReadLimits) -> PdfAnswer:
    """The text of all pages, or why there is none. Any other error ends the process."""
    if has_hole(content):
        return PdfAnswer(ReadOutcome.DAMAGED)
    try:
        with pypdfium2.PdfDocument(content) as document:
            return _read(document, content, limits)
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD
        return PdfAnswer(ReadOutcome.PASSWORD_PROTECTED if is_locked else ReadOutcome.DAMAGED)
    except _TooMuchText:
        return PdfAnswer(ReadOutcome.TOO_MUCH_TEXT)


def _read(document: pypdfium2.PdfDocument, content: bytes, limits: ReadLimits) -> PdfAnswer:
    count = len(document)
    if count > limits.max_pages:
        return PdfAnswer(ReadOutcome.TOO_MANY_PAGES, count)
    if not raw.FPDF_DocumentHasValidCrossReferenceTable(document) and not has_end_mark(content):
        return PdfAnswer(ReadOutcome.DAMAGED)  # cut off: the document that PDFium repaired may lack pages
    pages, pictures, budget = [], [], limits.max_text_chars
    for number in range(count):
        lines, is_picture = _read_page(document[number], budget)
        pages.append(lines)
        pictures += [number + 1] * is_picture
        budget -= sum(len(line.text) for line in lines)
    outcome = ReadOutcome.TEXT if any(pages) else ReadOutcome.NO_TEXT
    return PdfAnswer(outcome, count, tuple(pictures), document_text(pages))


def _read_page(page: pypdfium2.PdfPage, max_chars: int) -> tuple[Page, bool]:
    """The lines of a page, and whether it shows a picture instead."""
    try:
        textpage = page.get_textpage()
        try:
            if textpage.count_chars() > max_chars + 2:  # PDFium may count a line end behind the last character
                raise _TooMuchText
            lines = list(_lines(textpage, page.get_rotation()))
        finally:
            textpage.close()
        return lines, not lines and _shows_a_picture(page)
    finally:
        page.close()


def _shows_a_picture(page: pypdfium2.PdfPage) -> bool:
    objects = (raw.FPDFPage_GetObject(page, index) for index in range(raw.FPDFPage_CountObjects(page)))
    return any(raw.FPDFPageObj_GetType(page_object) in _PICTURES for page_object in objects)


def _lines(textpage: pypdfium2.PdfTextPage, rotation: int) -> Iterator[Line]:
    text = textpage.get_text_range(errors="replace").replace("\r\n", "\n ")
    if text.isascii():
        text = text.translate(_SHOWN_OF_ASCII)
    elif _ODD.search(text):
        text = text.translate(_SHOWN)
    place_of = _places(textpage.raw, rotation, is_shifted=len(text) != textpage.count_chars())
    for start, line in _split(text):
        bare = line.strip()
        if bare:
            yield Line(bare, *place_of(start + line.index(bare[0])))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its position; hyphens that stand for a line end are put back."""
    start = 0
    for row in text.split("\n"):
        *broken, last = row.split(_HYPHEN) if _HYPHEN in row else (row,)
        for part in broken:
            yield start, part + "-"
            start += len(part) + 1
        yield start, last
        start += len(last) + 1


def _places(textpage: object, rotation: int, *, is_shifted: bool) -> Callable[[int], tuple[float, float]]:
    """A function from a position in the text to (depth on the page, type size) there. Fast: called for each line."""
    x, y, matrix = ctypes.c_double(), ctypes.c_double(), raw.FS_MATRIX()
    down, sign = {0: (y, -1), 90: (x, 1), 180: (y, 1), 270: (x, -1)}[rotation]

    def place_of(position: int) -> tuple[float, float]:
        index = raw.FPDFText_GetCharIndexFromTextIndex(textpage, position) if is_shifted else position
        raw.FPDFText_GetCharOrigin(textpage, index, x, y)
        raw.FPDFText_GetMatrix(textpage, index, matrix)
        return sign * down.value, raw.FPDFText_GetFontSize(textpage, index) * hypot(matrix.c, matrix.d)

    return place_of
