"""Header tables and cover pages beyond those of the corpus."""

from __future__ import annotations

from datetime import date

import pytest

from tests.letter.building import letter
from tests.letter.corpus import VALID
from worker.letter import Determination, LetterError, parse

TABLE = (
    "Case Number: CM16-0000123\nDate Assigned: 11/09/2016 Date of Injury: 10/13/2016\n"
    "Decision Date: 12/09/2016 UR Denial Date: 11/03/2016\nPriority: Standard Application\nReceived:\n11/04/2016\n\n"
)


def parsed(table: str) -> Determination:
    return parse(table + letter(summary="The injured worker is a 41 year old female."))


def refused(table: str) -> list[tuple[str, str | None]]:
    with pytest.raises(LetterError) as caught:
        parsed(table)
    return [(violation.code, violation.field) for violation in caught.value.violations]


def test_the_usual_table() -> None:
    determination = parsed(TABLE)
    assert (determination.layout, determination.case_number, determination.priority) == (
        "2016-case-number",
        "CM16-0000123",
        "standard",
    )
    assert determination.date_assigned == date(2016, 11, 9)
    assert determination.application_received == date(2016, 11, 4)
    assert determination.spans["application_received"].start == TABLE.index("11/04/2016")


@pytest.mark.parametrize(
    "cells",
    [
        "Priority: Expedited Application Received: 11/04/2016",
        "Priority:\nApplication Received:\nExpedited\n11/04/2016",
        "Application Received: 11/04/2016\nPriority: EXPEDITED",
        "Priority: Application\nReceived: Expedited 11/04/2016",
    ],
)
def test_the_last_cells_in_any_order(cells: str) -> None:
    determination = parsed(TABLE.replace("Priority: Standard Application\nReceived:\n11/04/2016", cells))
    assert (determination.priority, determination.application_received) == ("expedited", date(2016, 11, 4))


def test_an_empty_cell_is_null_and_noticed() -> None:
    determination = parsed(TABLE.replace("Date of Injury: 10/13/2016", "Date of Injury:"))
    assert determination.date_of_injury is None
    assert determination.decision_date == date(2016, 12, 9)
    assert [(finding.code, finding.field) for finding in determination.findings if finding.severity == "warning"] == [
        ("missing_header_value", "date_of_injury")
    ]


def test_labels_and_values_that_cannot_be_paired_go_to_review() -> None:
    table = (
        "Case Number:\nDate Assigned:\nDate of Injury:\nDecision Date:\nUR Denial Date:\nPriority:\n"
        "Application Received:\nCM16-0000123\n11/09/2016\n10/13/2016\n12/09/2016\nStandard\n\n"
    )
    assert ("ambiguous_header", "date_of_injury") in refused(table)


@pytest.mark.parametrize(
    ("cell", "replacement", "code", "field"),
    [
        ("CM16-0000123", "CM16-123", "malformed_case_number", "case_number"),
        ("CM16-0000123", "16-0000123", "malformed_case_number", "case_number"),
        ("CM16-0000123", "", "missing_case_number", "case_number"),
        ("12/09/2016", "13/09/2016", "impossible_date", "decision_date"),
        ("11/03/2016", "09/03/2016", "dates_out_of_order", "ur_decision_date"),
    ],
)
def test_broken_cells(cell: str, replacement: str, code: str, field: str) -> None:
    assert (code, field) in refused(TABLE.replace(cell, replacement))


def test_two_dates_for_one_field_go_to_review() -> None:
    cover = "Independent Medical Review Final Determination Letter\nDate of Injury: 10/12/2016\n"
    assert refused(cover + TABLE) == [("header_values_differ", "date_of_injury")]


def test_the_day_of_the_letter_is_that_of_the_decision_unless_both_are_given() -> None:
    cover = "Independent Medical Review Final Determination Letter\nDated: 12/10/2016\n"
    assert parsed(cover + TABLE).decision_date == date(2016, 12, 9)
    assert parsed(cover).decision_date == date(2016, 12, 10)


def test_a_letter_of_the_corpus_with_another_number_on_a_page() -> None:
    text = next(letter.text for letter in VALID if letter.name == "2016-case-number/ibuprofen-short")
    mixed = text.replace("Decision rationale:", "\n\fCase Number: CM16-9999999\n\nDecision rationale:", 1)
    with pytest.raises(LetterError) as caught:
        parse(mixed)
    assert caught.value.code == "case_number_conflict"
