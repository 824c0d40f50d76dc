"""File types: what a file is, by its first bytes.

Names and extensions are not looked at. A file that could be of several types (a PDF hidden behind a web page, an
archive behind a PDF) is what its first bytes say, as it is for the program with which a person opens it.
"""

from __future__ import annotations

import re

from worker.adapters.share.errors import Unreadable

_HEAD_BYTES = 4096
"""How far into the file its type is looked for: a Word document names its parts within the first 2 KB."""

_PICTURE = "Have its text recognized (OCR), save it as a searchable PDF, and put that into the inbox."
_DOCUMENT = "Open it, save it as a PDF, and put that into the inbox."
_ARCHIVE = "Unpack it and put the letters in it into the inbox."
_MAIL = "Save the letter attached to it and put that into the inbox."
_OTHER = "Put the letter itself, as a PDF, into the inbox."

_TYPES: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), name, remedy)
    for pattern, name, remedy in (
        (rb"PK\x03\x04.*word/", "a Word document", _DOCUMENT),
        (rb"PK\x03\x04.*xl/", "an Excel workbook", _DOCUMENT),
        (rb"PK\x03\x04.*ppt/", "a PowerPoint presentation", _DOCUMENT),
        (rb"PK\x03\x04.*application/vnd\.oasis\.opendocument", "an OpenDocument file", _DOCUMENT),
        (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a ZIP archive", _ARCHIVE),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Word, Excel or Outlook file", _DOCUMENT),
        (rb"\s*\{\\rtf", "an RTF document", _DOCUMENT),
        (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF picture", _PICTURE),
        (rb"\xff\xd8\xff", "a JPEG picture", _PICTURE),
        (rb"\x89PNG\r\n", "a PNG picture", _PICTURE),
        (rb"GIF8[79]a", "a GIF picture", _PICTURE),
        (rb"BM.{4}\0\0\0\0", "a BMP picture", _PICTURE),
        (rb"RIFF.{4}WEBP", "a WebP picture", _PICTURE),
        (rb".{4}ftyp(hei|hev|mif|avi)", "an HEIC or AVIF picture", _PICTURE),
        (rb".{4}ftyp|ID3|RIFF.{4}|OggS|\x1aE\xdf\xa3", "a sound or video recording", _OTHER),
        (rb"\0\0\0\x0cjP  |\xffO\xffQ", "a JPEG 2000 picture", _PICTURE),
        (rb"(?i)\s*<(!--|(!doctype\s+html|html|head|body|script|svg)\b)", "a web page", _DOCUMENT),
        (rb"\s*<\?xml", "an XML file", _DOCUMENT),
        (rb"(?i)(Return-Path|Delivered-To|Message-ID|MIME-Version|X-[\w-]+): ", "an e-mail message", _MAIL),
        (rb"(?i)(Received: (from|by) |From [^\s:]+@)", "an e-mail message", _MAIL),
        (rb"(?im)(From|To|Date|Subject): .*^(MIME-Version|Message-ID): ", "an e-mail message", _MAIL),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file", _DOCUMENT),
        (rb"\x1b%-12345X", "a print job", _OTHER),
        (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x1f\x8b|BZh\d|\xfd7zXZ\0|\x28\xb5\x2f\xfd|MSCF\0", "an archive", _ARCHIVE),
        (rb"\x7fELF|MZ.{0,62}\0|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program", _OTHER),
        (rb"SQLite format 3\0", "a database", _OTHER),
    )
)

_PDF = re.compile(rb"(\xef\xbb\xbf)?[\s\0]*%PDF-")
"""Some gateways leave white space before the header, and every PDF program skips it."""


def starts_as_pdf(content: bytes) -> bool:
    """Whether the file says that it is a PDF."""
    return _PDF.match(content[:_HEAD_BYTES]) is not None


def is_pdf(content: bytes) -> bool:
    """Whether to read the file as a PDF; False: as text. Raises `Unreadable` (`unsupported_format`) for other types."""
    if starts_as_pdf(content):
        return True
    head = content[:_HEAD_BYTES]
    for pattern, name, remedy in _TYPES:
        if pattern.match(head):
            raise Unreadable("unsupported_format", f"This is {name}, not a PDF or a text file. {remedy}")
    return False
