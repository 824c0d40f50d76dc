"""What a rationale concludes, and what happens when the decision says the opposite."""

from __future__ import annotations

import pytest

from tests.letter.building import Part, letter
from worker.letter import LetterError, parse


@pytest.mark.parametrize(
    ("rationale", "concluded"),
    [
        ("The request is medically necessary.", True),
        ("The request is medically necessary and appropriate.", True),
        ("The wax bath was considered medically necessary at this time.", True),
        ("Medical necessity of the bath is supported by the records.", True),
        ("The bath is a medical necessity.", True),
        ("The splint has not failed; the bath is medically necessary.", True),
        ("The request is not medically necessary.", False),
        ("The request is not medically necessary and appropriate.", False),
        ("The bath is not a medical necessity.", False),
        ("The bath does not appear medically necessary.", False),
        ("The bath cannot be deemed medically necessary.", False),
        ("I cannot affirm medical necessity.", False),
        ("The bath is determined to not be medically necessary.", False),
        ("Medical necessity has not been established.", False),
        ("The medical necessity of this request cannot be affirmed without a diagnosis.", False),
        ("The bath is not indicated as medically necessary.", False),
        ("The bath is medically unnecessary.", False),
        ("The bath is warm. It is clean.", None),
        ("The bath would be right if it were medically necessary.", None),
        ('The UR physician wrote "it is not medically necessary". I disagree. The bath is medically necessary.', True),
        ("The bath is not medically necessary. This decision addresses the medical necessity of opioids.", False),
    ],
)
def test_conclusions(rationale: str, concluded: bool | None) -> None:
    decision = "Overturned" if concluded else "Upheld"
    determination = parse(letter(Part(decision=decision, rationale=rationale)))
    assert determination.issues[0].medically_necessary is concluded
    said = {finding.code for finding in determination.findings}
    assert ("conclusion_not_stated" in said) == (concluded is None)


@pytest.mark.parametrize(
    ("decision", "rationale"),
    [("Upheld", "The bath is medically necessary."), ("Overturned", "The bath is not medically necessary.")],
)
def test_a_rationale_that_contradicts_the_decision_goes_to_review(decision: str, rationale: str) -> None:
    text = letter(Part(decision=decision, rationale=rationale))
    with pytest.raises(LetterError) as caught:
        parse(text)
    (violation,) = caught.value.violations
    assert (violation.code, violation.field) == ("decision_contradicts_rationale", "issues.0.medically_necessary")
    assert "medically necessary" in text[violation.start : violation.end]


def test_a_partial_decision_contradicts_nothing() -> None:
    for rationale in ("Half of it is medically necessary.", "The rest is not medically necessary."):
        assert (
            parse(letter(Part(decision="Partially Overturned", rationale=rationale))).outcome == "partially_overturned"
        )
