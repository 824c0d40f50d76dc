"""What a file is, by its first bytes: kinds that are refused say what they are."""

from __future__ import annotations

import io
import time
import zipfile
from contextlib import suppress

import pytest

from tests.extraction import pdfs
from worker.adapters.share.errors import Unreadable
from worker.extraction import TextExtractor, file_types


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in names:
            packed.writestr(name, "invented")
    return file.getvalue()


KINDS = {
    "a Word document": archive("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    "an Excel workbook": archive("[Content_Types].xml", "xl/workbook.xml"),
    "a ZIP archive": archive("letter.pdf"),
    "a Word, Excel or Outlook file": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "an RTF document": b"{\\rtf1\\ansi Upheld}",
    "a TIFF picture": b"II*\0\x08\0\0\0",
    "a JPEG picture": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "a PNG picture": b"\x89PNG\r\n\x1a\n",
    "an HEIC or AVIF picture": b"\0\0\0\x18ftypheic",
    "a web page": b"\r\n <!DOCTYPE html><html><body>Upheld</body></html>",
    "an XML file": b'<?xml version="1.0"?><a/>',
    "an e-mail message": b"From: a@example.org\r\nTo: b@example.org\r\nMIME-Version: 1.0\r\n\r\nUpheld",
    "a PostScript file": b"%!PS-Adobe-3.0\n",
    "an archive": b"\x1f\x8b\x08\0",
    "a program": b"\x7fELF\x02\x01\x01",
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_are_named_and_refused(extractor: TextExtractor, kind: str) -> None:
    assert f"This is {kind}," in refused(extractor, KINDS[kind])


def refused(extractor: TextExtractor, content: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        extractor.to_text(content)
    assert caught.value.code == "unsupported_format"
    return caught.value.message


def test_a_file_for_several_programs_is_what_its_first_bytes_say(extractor: TextExtractor) -> None:
    assert extractor.to_text(pdfs.plain() + archive("letter.txt")).kind == "pdf"
    assert "a web page" in refused(extractor, b"<html><!--" + pdfs.plain())
    assert "a ZIP archive" in refused(extractor, archive("letter.txt") + pdfs.plain())


def test_a_pdf_behind_white_space_is_a_pdf(extractor: TextExtractor) -> None:
    assert extractor.to_text(b"\xef\xbb\xbf\r\n\r\n" + pdfs.plain()).text == pdfs.SENTENCE


@pytest.mark.parametrize(
    "text",
    [
        "Date: 12/31/2013\nSubject: none",
        "From the reviewer: Upheld",
        "Received: \r\n11/14/2016",
        "BMI of 31",
        "MZ is no program here",
        "< 5 mg",
        "Word/Excel: Upheld",
        "II. Decision",
        "PK levels: Upheld",
    ],
)
def test_a_text_that_begins_like_something_else_is_a_text(extractor: TextExtractor, text: str) -> None:
    assert extractor.to_text(text.encode()).text == text


@pytest.mark.parametrize("opening", [b"<!-- ", b"<!-- -->", b"PK\x03\x04", b"From: \nMIME", b" \n\0", b"X-", b"{\\rt"])
def test_deciding_takes_no_longer_for_hostile_openings(opening: bytes) -> None:
    started_s = time.monotonic()
    with suppress(Unreadable):
        file_types.is_pdf(opening * 100_000)
    assert time.monotonic() - started_s < 0.5
