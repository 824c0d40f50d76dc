"""Plain text: from the bytes of a text file to its characters, exactly."""

from __future__ import annotations

import codecs
import re

from worker.adapters.share.errors import Unreadable
from worker.extraction.text import Text

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_CONTROLS = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
"""Characters that no text has: all controls but tab, the line ends, vertical tab and form feed."""

_CONTROL_BYTES = bytes(code for code in range(0x80) if _CONTROLS.match(chr(code)) or code == 0)

_MAX_CONTROLS_SHARE = 0.01
"""A stray control (a DOS end of file, an escape of a terminal log) is for the parser to judge. More than one in a
hundred characters means a program's data that happens to decode."""

_UTF8_PUNCTUATION = re.compile(rb"\xe2\x80[\x80-\xbf]")
"""Quotes and dashes of UTF-8. In a file that is not UTF-8 as a whole they show that it was UTF-8 and is damaged; read
as Windows-1252 each would become three wrong characters."""


def to_text(content: bytes, *, max_text_chars: int) -> Text:
    """The characters of a text file: by its byte order mark, else UTF-8, else Windows-1252.

    Raises `Unreadable` with `not_text` or `too_much_text`. Line ends and everything else stay as they are.
    """
    text = _decode(content)
    if len(text) > max_text_chars:
        raise too_much_text(max_text_chars)
    return Text(text, paged=False, page_count=None, kind="text")


def too_much_text(max_text_chars: int) -> Unreadable:
    """The refusal of a text, of a PDF or a text file, that is too long for a letter."""
    return Unreadable(
        "too_much_text",
        f"The file holds more than the {max_text_chars:,} characters allowed for a letter. If several letters were "
        "put into one file, put each into a file of its own.",
    )


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_strictly(content[len(mark) :], encoding, _MAX_CONTROLS_SHARE)
    if content.isascii() and len(content.translate(None, _CONTROL_BYTES)) == len(content):
        return content.decode("ascii")  # nearly every text file, and without controls there is nothing to judge
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        if _UTF8_PUNCTUATION.search(content):
            raise _not_text() from None
        return _decode_strictly(content, "windows-1252", 0.0)
    return _refuse_controls(text, _MAX_CONTROLS_SHARE)


def _decode_strictly(content: bytes, encoding: str, max_controls_share: float) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise _not_text() from None
    return _refuse_controls(text, max_controls_share)


def _refuse_controls(text: str, max_controls_share: float) -> str:
    if "\0" in text or len(_CONTROLS.findall(text)) > max_controls_share * len(text):
        raise _not_text()
    return text


def _not_text() -> Unreadable:
    return Unreadable(
        "not_text",
        "The file is neither a PDF nor a text: it holds bytes that no text has, or is damaged. Open it with the "
        "program it was made with, save it as a PDF, and put that into the inbox.",
    )
