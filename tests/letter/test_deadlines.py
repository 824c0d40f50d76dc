"""The legal deadlines, computed with a calendar that the test makes."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date

import pytest

from tests.letter.corpus import VALID
from worker.letter import Determination, parse
from worker.letter.deadlines import DEFAULT_RULES, DeadlineRules, add_months, add_working_days, compute, read_rules
from worker.letter.model import Decision, Issue

LETTER = parse(next(letter.text for letter in VALID if letter.name == "2016-case-number/ibuprofen-short"))
FRIDAY = date(2026, 7, 3)
HOLIDAYS = {date(2026, 7, 3), date(2026, 9, 7)}


def is_working_day(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def letter(*decided: tuple[Decision, bool]) -> Determination:
    """A determination with issues of these decisions, each already given or not."""
    issues = tuple(_issue(decision, given=given) for decision, given in decided)
    return replace(LETTER, issues=issues, ur_decision_date=date(2026, 2, 28))


def _issue(decision: Decision, *, given: bool) -> Issue:
    return replace(LETTER.issues[0], decision=decision, review_type="retrospective" if given else "prospective")


@pytest.mark.parametrize(
    ("decided", "authorize", "reimburse", "denial"),
    [
        ([("upheld", False)], None, None, date(2027, 2, 28)),
        ([("overturned", False)], date(2026, 7, 10), None, None),
        ([("overturned", True)], None, date(2026, 7, 23), None),
        ([("overturned", False), ("overturned", True)], date(2026, 7, 10), date(2026, 7, 23), None),
        ([("upheld", False), ("overturned", True)], None, date(2026, 7, 23), date(2027, 2, 28)),
        ([("partially_overturned", False)], date(2026, 7, 10), None, date(2027, 2, 28)),
    ],
)
def test_deadlines_by_decision(
    decided: list[tuple[Decision, bool]], authorize: date | None, reimburse: date | None, denial: date | None
) -> None:
    deadlines = compute(letter(*decided), FRIDAY, DEFAULT_RULES, is_working_day)
    assert (deadlines.authorize_by, deadlines.reimburse_by, deadlines.ur_denial_effective_until) == (
        authorize,
        reimburse,
        denial,
    )
    assert deadlines.received_on == FRIDAY
    assert deadlines.appeal_by == date(2026, 8, 2)
    assert deadlines.rule_version == DEFAULT_RULES[0].version


def test_a_denial_without_its_date_has_no_end() -> None:
    determination = replace(letter(("upheld", False)), ur_decision_date=None)
    assert compute(determination, FRIDAY, DEFAULT_RULES, is_working_day).ur_denial_effective_until is None


@pytest.mark.parametrize(
    ("received", "by"),
    [
        (date(2026, 6, 29), date(2026, 7, 7)),  # Monday; Friday the 3rd is a holiday
        (date(2026, 7, 4), date(2026, 7, 10)),  # Saturday
        (date(2026, 9, 4), date(2026, 9, 14)),  # the Friday before Labor Day
    ],
)
def test_five_working_days(received: date, by: date) -> None:
    assert add_working_days(received, 5, is_working_day) == by


def test_a_calendar_without_working_days_is_refused() -> None:
    with pytest.raises(ValueError, match="no working days"):
        add_working_days(FRIDAY, 5, lambda _day: False)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2023, 2, 28), 12, date(2024, 2, 28)),
        (date(2026, 10, 31), 4, date(2027, 2, 28)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
    ],
)
def test_adding_months(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


NEWER = """
[[rules]]
version = "ca-2026-04-01"
effective = 2026-04-01
authorize_working_days = 3
reimburse_days = 15
appeal_days = 35
ur_denial_months = 6

[[rules]]
version = "ca-2013"
effective = "2013-01-01"
authorize_working_days = 5
reimburse_days = 20
appeal_days = 30
ur_denial_months = 12
"""


def test_rules_are_chosen_by_the_day_of_receipt() -> None:
    rules = read_rules(tomllib.loads(NEWER))
    determination = letter(("overturned", False))
    before, after = (
        compute(determination, day, rules, is_working_day) for day in (date(2026, 3, 31), date(2026, 4, 1))
    )
    assert (before.rule_version, after.rule_version) == ("ca-2013", "ca-2026-04-01")
    assert (before.authorize_by, after.authorize_by) == (date(2026, 4, 7), date(2026, 4, 6))


def test_a_letter_older_than_every_rule_has_the_first() -> None:
    rules = read_rules(tomllib.loads(NEWER))
    assert compute(letter(("upheld", False)), date(2001, 1, 2), rules, is_working_day).rule_version == "ca-2013"


def test_rules_come_in_the_order_of_their_days() -> None:
    assert [rule.version for rule in read_rules(tomllib.loads(NEWER))] == ["ca-2013", "ca-2026-04-01"]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "`rules` must be a list"),
        ("rules = []", "`rules` must be a list"),
        ("rules = [1]", "entry 1 must be a table"),
        (NEWER.replace('version = "ca-2013"', "version = 3"), "entry 2 needs a `version`"),
        (NEWER.replace("2013-01-01", "2013-13-01"), "entry 2 needs `effective`"),
        (NEWER.replace("effective = 2026-04-01", "effective = 2026-04-01T00:00:00"), "entry 1 needs `effective`"),
        (NEWER.replace("reimburse_days = 15", "reimburse_days = 0"), "entry 1 needs `reimburse_days`"),
        (NEWER.replace("reimburse_days = 15", "reimburse_days = true"), "entry 1 needs `reimburse_days`"),
        (NEWER.replace("appeal_days = 35", ""), "entry 1 needs `appeal_days`"),
        (NEWER.replace("appeal_days = 35", "appeal_days = 35\nappeal_weeks = 2"), "unknown field `appeal_weeks`"),
        (NEWER.replace('"2013-01-01"', "2026-04-01"), "same `effective` day"),
    ],
)
def test_a_wrong_file_of_rules_says_what_is_wrong(file: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_rules(tomllib.loads(file))


def test_rules_are_frozen() -> None:
    assert isinstance(hash(DeadlineRules("x", FRIDAY, 1, 2, 3, 4)), int)
