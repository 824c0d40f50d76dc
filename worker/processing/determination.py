"""From text to a determination with its deadlines: the pure parser, given California's calendar and the dated rules."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import holidays

from worker.contract.settings import SettingsError
from worker.extraction import Text
from worker.letter import ParseOptions, parse
from worker.letter.deadlines import DEFAULT_RULES, DeadlineRules, compute, read_rules
from worker.letter.model import Determination, Finding

PICTURE_PAGE = "picture_page"
_SATURDAY = 5


class Determiner:
    """Parses letters for one installation. Raises `LetterError` for a letter that cannot be published."""

    def __init__(
        self, *, read_parties: bool, rules: tuple[DeadlineRules, ...] = DEFAULT_RULES, today: Callable[[], date]
    ) -> None:
        self._read_parties = read_parties
        self._rules = rules
        self._today = today

    def __call__(self, text: Text, received_on: date | None) -> Determination:
        """What the letter says; with the day of receipt, its deadlines too."""
        options = ParseOptions(read_parties=self._read_parties, today=self._today())
        determination = _with_picture_pages(parse(text.text, paged=text.paged, options=options), text.picture_pages)
        if received_on is None:
            return determination
        return replace(determination, deadlines=compute(determination, received_on, self._rules, is_working_day))


def _with_picture_pages(determination: Determination, pages: tuple[int, ...]) -> Determination:
    """The determination with a finding that names the pages (from 1) which hold a picture and no text."""
    if not pages:
        return determination
    numbers = ", ".join(str(page) for page in pages)
    message = f"Page {numbers} shows a picture and holds no text: what is printed there was not read."
    finding = Finding(PICTURE_PAGE, "warning", None, message)
    return replace(determination, findings=(*determination.findings, finding))


@functools.cache
def is_working_day(day: date) -> bool:
    """Whether California's state offices work on that day (Government Code 6700: weekends and state holidays)."""
    return day.weekday() < _SATURDAY and day not in _holidays()


def open_calendar() -> None:
    """Compute California's holidays, which takes 50 ms, before the first deadline needs them."""
    _holidays()


@functools.cache
def _holidays() -> holidays.HolidayBase:
    return holidays.country_holidays("US", subdiv="CA")


def load_rules(path: Path | None) -> tuple[DeadlineRules, ...]:
    """The deadline rules of a TOML file, or the built-in ones. Raises `SettingsError` that says what is wrong."""
    if path is None:
        return DEFAULT_RULES
    try:
        with path.open("rb") as file:
            return read_rules(tomllib.load(file))
    except (OSError, ValueError) as error:
        raise SettingsError(f"IMR_RULES_FILE: {path} cannot be used: {error}") from error
