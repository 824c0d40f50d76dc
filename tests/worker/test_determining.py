"""From text to a determination with its legal clocks: our own samples, California's calendar, rules from a file."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from worker.determining import Determiner, is_working_day, load_rules
from worker.letter.deadlines import DEFAULT_RULES
from worker.letter.errors import LetterError
from worker.reading import Text

RECEIVED = date(2024, 6, 10)


def sample(name: str) -> Text:
    text = (resources.files("worker") / "samples" / name).read_text()
    return Text(text, paged=False, page_count=None, kind="text")


@pytest.fixture
def determiner() -> Determiner:
    return Determiner(read_parties=False, today=lambda: RECEIVED)


def test_a_letter_has_the_clocks_of_its_day_of_receipt(determiner: Determiner) -> None:
    told = determiner(sample("knee-arthroscopy.txt"), RECEIVED)
    assert told.deadlines is not None
    assert told.deadlines.received_on == RECEIVED
    assert told.deadlines.appeal_by == date(2024, 7, 10)


def test_without_a_day_of_receipt_there_are_no_clocks(determiner: Determiner) -> None:
    assert determiner(sample("knee-arthroscopy.txt"), None).deadlines is None


def test_the_same_text_gives_the_same_determination(determiner: Determiner) -> None:
    text = sample("opioid-and-acupuncture.txt")
    assert determiner(text, RECEIVED) == determiner(text, RECEIVED)


def test_a_letter_that_cannot_be_published_says_why(determiner: Determiner) -> None:
    with pytest.raises(LetterError) as refused:
        determiner(sample("shoulder-therapy-decision-missing.txt"), RECEIVED)
    assert refused.value.violations


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2024, 6, 7), True),  # a Friday
        (date(2024, 6, 8), False),
        (date(2024, 6, 9), False),
        (date(2024, 7, 4), False),
        (date(2024, 3, 31), False),
        (date(2024, 4, 1), False),  # Cesar Chavez Day, which fell on a Sunday
        (date(2024, 11, 29), False),  # the day after Thanksgiving, which only California keeps
        (date(2024, 12, 25), False),
        (date(2024, 12, 26), True),
    ],
)
def test_working_days_are_californias(day: date, works: bool) -> None:
    assert is_working_day(day) is works


def test_without_a_file_the_built_in_rules_apply() -> None:
    assert load_rules(None) is DEFAULT_RULES


@pytest.mark.parametrize("content", ["not TOML", "", "[[rules]]\nunknown = 1\n"])
def test_a_rules_file_that_cannot_be_used_is_refused_at_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"."):
        load_rules(path)
