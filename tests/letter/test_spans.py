"""Every value that was read has its place, and what stands there is the value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

import pytest

from tests.letter.corpus import VALID, Letter
from tests.letter.readings import Reading, crlf, double_spaced, form_feeds, page_numbers, running_footers, soft_hyphens
from worker.letter import Determination, ParseOptions, parse, reflow, source_of
from worker.letter.fields import read_date
from worker.letter.text import fold

UNTOUCHED = (
    "heading",
    "treatment",
    "original_request",
    "authorized",
    "text",
    "rationale",
    "clinical_summary",
    "employee_name",
    "provider_name",
    "claim_number",
)
LISTS = ("specialties", "subspecialties", "licensed_states", "documents_reviewed", "sections", "pages")
DERIVED = {"outcome", "number", "layout", "schema_version", "source", "deadlines", "findings", "spans"}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of the determination by its path."""
    if is_dataclass(value):
        for field in fields(value):
            if field.name not in DERIVED:
                yield from leaves(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}.{number}")
    else:
        yield path, value


def is_verbatim(path: str) -> bool:
    name, _, last = path.rpartition(".")
    return last in UNTOUCHED or path in UNTOUCHED or name.rpartition(".")[2] in LISTS


def check(determination: Determination, text: str, *, paged: bool = False) -> None:
    for path, value in leaves(determination):
        if value is None or value is False or value == "prospective" or value == ():
            continue
        if value is True and path.endswith("none_cited") is False and path not in determination.spans:
            pytest.fail(f"{path} has no span")
        span = determination.spans[path]
        assert 0 <= span.start < span.end <= len(text), path
        there = reflow(source_of(text, span, paged=paged))
        if is_verbatim(path):
            assert there == value, path
        elif isinstance(value, date):
            assert read_date(fold(there), latest_year=2026) == value, path
        elif path == "case_number":
            assert there.upper() == value
        elif path.endswith("year"):
            assert there == str(value)


@pytest.mark.parametrize("letter", VALID, ids=str)
def test_what_stands_at_a_span_is_the_value(letter: Letter) -> None:
    check(parse(letter.text, options=ParseOptions(read_parties=True)), letter.text)


@pytest.mark.parametrize("reading", [crlf, double_spaced, form_feeds, page_numbers, running_footers, soft_hyphens])
@pytest.mark.parametrize("letter", VALID[::3], ids=str)
def test_spans_hold_in_other_readings(letter: Letter, reading: Reading) -> None:
    text = reading(letter.text)
    check(parse(text), text)


@pytest.mark.parametrize("letter", VALID[::3], ids=str)
def test_spans_of_a_pdf_carry_the_page(letter: Letter) -> None:
    text = running_footers(letter.text)
    determination = parse(text, paged=True)
    check(determination, text, paged=True)
    for path, span in determination.spans.items():
        assert span.page == 1 + text.count("\f", 0, span.start), path


@pytest.mark.parametrize("letter", VALID[:3], ids=str)
def test_spans_of_a_text_have_no_page(letter: Letter) -> None:
    assert {span.page for span in parse(form_feeds(letter.text)).spans.values()} == {None}


def test_where_no_furniture_interrupts_a_span_the_text_itself_is_there() -> None:
    letter = next(letter for letter in VALID if letter.name == "2016-case-number/ibuprofen-short")
    for path, span in parse(letter.text).spans.items():
        assert source_of(letter.text, span) == letter.text[span.start : span.end], path
