"""No default invents a legal value: what validation should have refused is an error of the parser."""

from __future__ import annotations

import pickle

import pytest

from tests.letter.building import Part, letter
from worker.letter import Determination, LetterError, parse
from worker.letter.assembly import assemble
from worker.letter.errors import UncheckedLetterError
from worker.letter.heading_parts import read_heading
from worker.letter.layouts.how_made_2014 import LAYOUT
from worker.letter.outcome import outcome_of
from worker.letter.parser import _finding
from worker.letter.raw_letter import FoundValue, RawLetter, RawProblem
from worker.letter.text import View

VIEW = View.of(letter(Part(), Part(heading="Cotton gloves")))


def read() -> RawLetter:
    """A raw letter with two issues that breaks no rule."""
    return LAYOUT.read(VIEW, 0, len(VIEW.clean.rstrip()))


def assembled(raw: RawLetter) -> Determination:
    forms = [read_heading(VIEW, issue.heading) if issue.heading else None for issue in raw.issues]
    return assemble(VIEW, raw, forms, [None] * len(raw.issues), (), read_parties=False)


def missing_value(raw: RawLetter) -> str:
    with pytest.raises(UncheckedLetterError) as caught:
        assembled(raw)
    return caught.value.field


def test_the_letter_itself_is_assembled() -> None:
    assert [issue.decision for issue in assembled(read()).issues] == ["upheld", "upheld"]


def test_an_issue_without_a_decision_is_never_upheld_by_default() -> None:
    raw = read()
    raw.issues[1].decision = None
    assert missing_value(raw) == "issues.1.decision"


def test_an_issue_with_an_unknown_decision_is_never_upheld_by_default() -> None:
    raw = read()
    raw.issues[0].decision = FoundValue(None, (0, 1))
    assert missing_value(raw) == "issues.0.decision"


@pytest.mark.parametrize("part", ["heading", "rationale"])
def test_an_issue_without_a_required_part_is_not_published_with_an_empty_one(part: str) -> None:
    raw = read()
    setattr(raw.issues[1], part, None)
    assert missing_value(raw) == f"issues.1.{part}"


def test_a_letter_without_a_summary_is_not_published_with_an_empty_one() -> None:
    raw = read()
    raw.summary = None
    assert missing_value(raw) == "clinical_summary"


def test_a_letter_without_issues_has_no_outcome() -> None:
    raw = read()
    raw.issues = []
    assert missing_value(raw) == "outcome"


def test_the_outcome_is_the_common_decision_or_partial() -> None:
    assert outcome_of({"overturned"}) == "overturned"
    assert outcome_of({"upheld", "overturned"}) == "partially_overturned"


def test_an_error_never_becomes_a_finding() -> None:
    with pytest.raises(UncheckedLetterError):
        _finding(RawProblem("issue_without_decision", "issues.0.decision"))


def test_the_error_names_the_value_and_survives_the_queue() -> None:
    error = pickle.loads(pickle.dumps(UncheckedLetterError("issues.0.decision")))  # noqa: S301  our own bytes
    assert str(error).startswith("issues.0.decision has no value")


@pytest.mark.parametrize(
    ("wording", "code"),
    [
        ("UPHOLD", None),
        ("Upheld", None),
        ("OVERTURN", "stated_outcome_differs"),
        ("overturned", "stated_outcome_differs"),
        ("PARTIAL\nOVERTURN", "stated_outcome_differs"),
        ("Partially overturned", "stated_outcome_differs"),
    ],
)
def test_every_wording_of_the_stated_outcome(wording: str, code: str | None) -> None:
    text = f"Final Determination: {wording}. This means we decided.\n\n{letter()}"
    if code is None:
        assert parse(text).stated_outcome == "upheld"
        return
    with pytest.raises(LetterError) as caught:
        parse(text)
    assert caught.value.code == code
