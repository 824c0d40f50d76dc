"""The text of PDFs: in PDFium's words and order, with the paragraphs of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.extraction import pdfs
from worker.extraction import ReadLimits, Text, TextExtractor

PARAGRAPHS = "The first line of it\nand its second line here\n\nAnother paragraph\nwith a second line"
LETTERS = Path(__file__).resolve().parents[2].parent / "shared" / "letters" / "2017-public"
LABELS: dict[str, Any] = json.loads((LETTERS / "labels.json").read_text()) if LETTERS.is_dir() else {}


def test_lines_paragraphs_and_pages(extractor: TextExtractor) -> None:
    assert extractor.to_text(pdfs.plain(PARAGRAPHS, "The second page")) == Text(
        f"{PARAGRAPHS}\fThe second page", paged=True, page_count=2, kind="pdf"
    )


@pytest.mark.parametrize("size_pt", [8, 10, 12])
def test_a_gap_is_a_gap_at_any_type_size(extractor: TextExtractor, size_pt: int) -> None:
    assert extractor.to_text(pdfs.plain(PARAGRAPHS, size_pt=size_pt)).text == PARAGRAPHS


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_paper_reads_as_it_is_looked_at(extractor: TextExtractor, degrees: int) -> None:
    assert extractor.to_text(pdfs.turned(degrees, PARAGRAPHS)).text == PARAGRAPHS


def test_an_encrypted_letter_with_an_empty_password_is_read(extractor: TextExtractor) -> None:
    assert extractor.to_text(pdfs.encrypted(pdfs.plain(PARAGRAPHS))).text == PARAGRAPHS


def test_a_hyphen_at_the_end_of_a_line_stays_with_its_line_end(extractor: TextExtractor) -> None:
    text = "The request was non-\ncertified and then cer-\ntified on another day."
    assert extractor.to_text(pdfs.plain(text)).text == text


def test_typographic_characters_stay(extractor: TextExtractor) -> None:
    program = rb"BT /F1 12 Tf 72 700 Td (Cost: 5\260 \327 2) Tj ET"
    assert extractor.to_text(pdfs.drawn(program)).text == "Cost: 5° × 2"


def test_characters_that_a_pdf_does_not_define_are_shown_as_such(extractor: TextExtractor) -> None:
    text = extractor.to_text(
        pdfs.mapped("1 beginbfrange <41> <44> [<F0B7> <00AD> <0005> <2028>] endbfrange", "AxBxCxDx")
    )
    assert text.text == "•x-x\ufffdx\nx"


def test_pages_that_are_pictures_among_others_are_listed(extractor: TextExtractor) -> None:
    text = extractor.to_text(pdfs.joined(pdfs.plain(), pdfs.pictures(1), pdfs.blank(1), pdfs.plain()))
    assert (text.page_count, text.picture_pages) == (4, (2,))
    assert text.text.split("\f") == [pdfs.SENTENCE, "", "", pdfs.SENTENCE]


def test_rubbish_behind_the_end_does_no_harm(extractor: TextExtractor) -> None:
    assert extractor.to_text(pdfs.plain() + b"\0\r\n" * 300 + bytes(1500)).text == pdfs.SENTENCE


def test_a_broken_table_of_contents_is_repaired_when_the_end_is_there(extractor: TextExtractor) -> None:
    broken = re.sub(rb"startxref\n\d+", b"startxref\n7", pdfs.plain(PARAGRAPHS))
    assert extractor.to_text(broken).text == PARAGRAPHS


def test_as_much_text_as_allowed_is_read() -> None:
    with TextExtractor(ReadLimits(max_text_chars=len(pdfs.SENTENCE))) as small:
        assert small.to_text(pdfs.plain(pdfs.SENTENCE)).text == pdfs.SENTENCE


@pytest.mark.parametrize("name", LABELS)
def test_published_letters_hold_what_their_labels_say(extractor: TextExtractor, name: str) -> None:
    text = extractor.to_text((LETTERS / name).read_bytes()).text
    missing = [label for label in texts_of(LABELS[name]) if squeezed(label) not in squeezed(text)]
    assert not missing, f"{len(missing)} of the labelled texts are not in the letter"


def texts_of(label: dict[str, Any]) -> list[str]:
    issues = label["issues"]
    sides = [issue[side]["text"] for issue in issues for side in ("claims_administrator", "reviewer")]
    own = [issue[part] for issue in issues for part in ("heading", "rationale")]
    return [label["summary"], label["specialties_raw"], *sides, *own]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("name", LABELS)
def test_published_letters_show_their_paragraphs(extractor: TextExtractor, name: str) -> None:
    """Each part begins a paragraph of its own, and no blank line falls into one."""
    text = extractor.to_text((LETTERS / name).read_bytes()).text
    labels = re.findall(
        r"(\s*)(?:Claims Administrator guideline:|MAXIMUS guideline:|Decision rationale:"
        r"|CLINICAL CASE SUMMARY\n|IMR ISSUES, DECISIONS AND RATIONALES\n|HOW THE IMR FINAL)",
        text,
    )
    assert len(labels) >= 6
    assert all("\n\n" in before or "\f" in before for before in labels), labels
    assert not re.search(r"[a-z,]\n\n[a-z]", text), "a blank line within a sentence"
    assert "\n\n\n" not in text
