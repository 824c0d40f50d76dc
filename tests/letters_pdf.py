"""Letters of the corpus as PDFs like the published ones: Times 12 point, Letter paper, pages breaking where they fall.

    make_pdf(text)                      -> plain
    make_pdf(text, encrypted=True)      -> encrypted with an empty password, as published letters are
    make_pdf(text, password="secret")   -> opens only with the password

The same arguments give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

from fpdf import FPDF
from fpdf.enums import AccessPermission, EncryptionMethod, XPos, YPos

_INCH_PT = 72
_LEADING = 1.15  # line height per point of font size, as in the published letters
_PARAGRAPH_GAP = 0.9  # of a line
_CREATED = datetime(2018, 1, 2, 3, 4, 5, tzinfo=UTC)
_TABBED = re.compile(r" {3,}")


def make_pdf(
    text: str,
    *,
    password: str | None = None,
    encrypted: bool = False,
    font: str = "times",
    size_pt: int = 12,
) -> bytes:
    """Set a letter's text as a PDF.

    Lines that were only wrapped run together and are wrapped anew; short lines (titles, header tables) stay as they
    are. Blank lines become gaps between paragraphs, form feeds new pages. `password` is the user password and implies
    `encrypted`.
    """
    pdf = FPDF(unit="pt", format="letter")
    pdf.core_fonts_encoding = "cp1252"  # the built-in fonts know typographic quotes by this code page
    pdf.set_creation_date(_CREATED)
    pdf.set_margin(_INCH_PT)
    pdf.set_auto_page_break(auto=True, margin=_INCH_PT)
    pdf.set_font(font, size=size_pt)
    if encrypted or password is not None:
        pdf.set_encryption(
            owner_password="owner",  # protects nothing: it only marks the letter as encrypted
            user_password=password or "",
            encryption_method=EncryptionMethod.RC4,  # as in published letters; AES would draw random bytes
            permissions=AccessPermission.none(),
        )
    for page in _single_spaced(text).split("\f"):
        pdf.add_page()
        _set_page(pdf, page, line_pt=size_pt * _LEADING)
    return bytes(pdf.output())


def _set_page(pdf: FPDF, page: str, *, line_pt: float) -> None:
    width_of = cache(pdf.get_string_width)
    for paragraph in paragraphs(page):
        if not paragraph:
            pdf.ln(line_pt * _PARAGRAPH_GAP)
            continue
        for line in _lines(pdf, paragraph, width_of):
            pdf.cell(h=line_pt, text=line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _lines(pdf: FPDF, paragraph: str, width_of: Callable[[str], float]) -> Iterator[str]:
    """The paragraph's lines, filled word by word: much faster than the library, which measures every character."""
    line, room_pt = "", 0.0
    for word in paragraph.split(" "):
        if line and width_of(word) > room_pt:
            yield line
            line = ""
        if not line:
            line, room_pt = word, pdf.epw - 2 * pdf.c_margin - width_of(word)
        else:
            line, room_pt = f"{line} {word}", room_pt - width_of(word)
        room_pt -= width_of(" ")
    yield line


def paragraphs(page: str) -> list[str]:
    """The page's paragraphs in order, with "" for each gap between them."""
    lines = [line.strip() for line in page.split("\n")]
    width = max((len(line) for line in lines if not _TABBED.search(line)), default=0)
    found = [lines[0]]
    for before, line in pairwise(lines):
        if _was_wrapped(before, line, width):
            found[-1] += f" {line}"
        elif line or found[-1]:
            found.append(line)
    return found if found[-1] else found[:-1]


def _was_wrapped(before: str, line: str, width: int) -> bool:
    """Whether a line was broken only because the next word did not fit into it."""
    return bool(before and line) and len(before) + 1 + len(line.split(" ", 1)[0]) > width


def _single_spaced(text: str) -> str:
    lines = [line.rstrip(" \r") for line in text.split("\n")]
    if any(above and below for above, below in pairwise(lines)):
        return "\n".join(lines)
    return re.sub(r"\n\n", "\n", "\n".join(lines))
