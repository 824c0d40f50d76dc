"""The corpus: every valid letter gives its expected determination, every invalid one its code and place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import pytest

from tests.letter.corpus import INVALID, VALID, Letter
from worker.letter import LetterError, ParseOptions, parse
from worker.letter.model import Determination

TODAY = date(2026, 6, 30)


def plain(value: Any) -> Any:
    """The determination as its JSON has it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def published(determination: Determination) -> dict[str, Any]:
    """What is published of a determination, without spans and findings."""
    return {key: plain(value) for key, value in asdict(determination).items() if key not in {"spans", "findings"}}


@pytest.mark.parametrize("letter", VALID, ids=str)
def test_a_valid_letter_gives_its_determination(letter: Letter) -> None:
    determination = parse(letter.text, options=ParseOptions(today=TODAY))
    assert published(determination) == letter.about["expected"]
    if letter.about["findings"] is not None:
        assert sorted(finding.code for finding in determination.findings) == sorted(letter.about["findings"])


@pytest.mark.parametrize("letter", [letter for letter in VALID if "parties_when_read" in letter.about], ids=str)
def test_parties_are_read_only_when_asked_for(letter: Letter) -> None:
    parties = parse(letter.text, options=ParseOptions(read_parties=True)).parties
    assert parties is not None
    assert asdict(parties) == letter.about["parties_when_read"]
    assert parse(letter.text).parties is None


@pytest.mark.parametrize("letter", INVALID, ids=str)
def test_an_invalid_letter_says_what_is_wrong_and_where(letter: Letter) -> None:
    with pytest.raises(LetterError) as caught:
        parse(letter.text, options=ParseOptions(today=TODAY))
    first = caught.value.violations[0]
    said = {"code": first.code, "field": first.field, "line": first.line, "column": first.column}
    assert said == {key: letter.about[key] for key in said}
    others = {violation.code for violation in caught.value.violations}
    assert others >= set(letter.about.get("also", ()))
