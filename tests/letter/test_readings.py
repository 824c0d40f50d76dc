"""Any reading of the same letter gives the same determination."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.letter.corpus import VALID, Letter
from tests.letter.readings import EXACT, LOOSE, Reading
from tests.letter.test_corpus import published
from worker.letter import parse

_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


def loosely(value: Any) -> Any:
    """Without the difference between a new paragraph and a blank, and between one quote and another."""
    if isinstance(value, dict):
        return {key: loosely(item) for key, item in value.items()}
    if isinstance(value, list):
        return [loosely(item) for item in value]
    return re.sub(r"\s+", " ", value.translate(_QUOTES)) if isinstance(value, str) else value


@pytest.mark.parametrize("reading", EXACT, ids=lambda reading: reading.__name__)
@pytest.mark.parametrize("letter", VALID, ids=str)
def test_a_reading_gives_the_same_determination(letter: Letter, reading: Reading) -> None:
    assert published(parse(reading(letter.text))) == published(parse(letter.text))


@pytest.mark.parametrize("reading", LOOSE, ids=lambda reading: reading.__name__)
@pytest.mark.parametrize("letter", VALID, ids=str)
def test_a_reading_without_paragraphs_gives_the_same_words(letter: Letter, reading: Reading) -> None:
    assert loosely(published(parse(reading(letter.text)))) == loosely(published(parse(letter.text)))
