"""The PDFs of corpus letters say what the letters say, break pages where they fall, and are the same each time."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from glob import glob
from typing import Any

import pypdfium2
import pytest

from tests.letters_pdf import make_pdf, paragraphs
from worker.extraction import ReadLimits
from worker.extraction.pdf.pages import read_pdf
from worker.letter import parse

OPENING_WORD = "invented"
HERE = os.path.dirname(__file__)
LETTERS = sorted(glob(os.path.join(HERE, "letters", "valid", "*", "*.txt")))


def letter(name: str) -> str:
    (path,) = [path for path in LETTERS if path.endswith(f"{name}.txt")]
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def text_of(pdf: bytes, password: str | None = None) -> str:
    with pypdfium2.PdfDocument(pdf, password=password) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return "\f".join(pages)


def words(text: str) -> str:
    # A hyphen at the end of a line comes back as U+FFFE, which is no word of the letter.
    return re.sub(r"\s+", "", text.replace("\ufffe", "-"))


@pytest.mark.parametrize("path", LETTERS, ids=[os.path.basename(path) for path in LETTERS])
def test_every_word_of_the_letter_is_in_the_pdf(path: str) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    assert words(text_of(make_pdf(text))) == words(text)


def test_the_same_letter_gives_the_same_bytes() -> None:
    text = letter("elbow-injection")
    assert make_pdf(text) == make_pdf(text)
    assert make_pdf(text, encrypted=True) == make_pdf(text, encrypted=True)
    assert make_pdf(text, encrypted=True) != make_pdf(text)


def test_an_encrypted_letter_opens_with_the_empty_password() -> None:
    text = letter("elbow-injection")
    pdf = make_pdf(text, encrypted=True)
    assert b"/Encrypt" in pdf
    assert words(text_of(pdf)) == words(text)


def test_a_letter_with_a_password_opens_only_with_it() -> None:
    text = letter("elbow-injection")
    pdf = make_pdf(text, password=OPENING_WORD)
    with pytest.raises(pypdfium2.PdfiumError, match="password"):
        text_of(pdf)
    assert words(text_of(pdf, OPENING_WORD)) == words(text)


def test_pages_break_where_they_fall() -> None:
    pages = text_of(make_pdf(letter("lumbar-fusion-21-issues"))).split("\f")
    assert len(pages) > 3
    assert any(not page.rstrip().endswith((".", ":")) for page in pages[:-1]), "no page ends in mid-sentence"


def test_a_form_feed_is_a_new_page() -> None:
    first, *rest = text_of(make_pdf("one\n\ftwo\n\fthree\n")).split("\f")
    assert [first.strip(), *(page.strip() for page in rest)] == ["one", "two", "three"]


def test_wrapped_lines_run_together_and_short_lines_stay() -> None:
    page = "TITLE\nA line that is as long as the letter is\nwide, and goes on.\n\n\nNext.\n"
    assert paragraphs(page) == ["TITLE", "A line that is as long as the letter is wide, and goes on.", "", "Next."]


def test_another_font_and_size_can_be_asked_for() -> None:
    text = letter("elbow-injection")
    assert words(text_of(make_pdf(text, font="courier", size_pt=10))) == words(text)


def without_blanks(value: Any) -> Any:
    """Values as JSON has them; where a paragraph ends on a page break, its end is not to be seen."""
    if isinstance(value, dict):
        return {key: without_blanks(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_blanks(item) for item in value]
    return re.sub(r"\s+", "", str(value)) if value is not None else None


@pytest.mark.parametrize("path", LETTERS, ids=[os.path.basename(path) for path in LETTERS])
def test_a_letter_that_is_read_from_its_pdf_says_the_same(path: str) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        pdf = make_pdf(file.read(), encrypted=True)
    with open(f"{os.path.splitext(path)[0]}.json", encoding="utf-8") as file:
        expected = json.load(file)["expected"]
    said = asdict(parse(read_pdf(pdf, ReadLimits()).text, paged=True))
    assert {key: without_blanks(said[key]) for key in expected} == without_blanks(expected)
