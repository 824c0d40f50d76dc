"""The legal deadlines that start when a determination is received, computed by rules with an effective date.

- Overturned services not yet given are authorized within 5 working days of receipt: 8 CCR 9792.10.7(a)(2).
- Overturned services already given are reimbursed within 20 days of receipt: 8 CCR 9792.10.7(a)(1).
- An appeal to the Workers' Compensation Appeals Board is filed within 30 days of service: 8 CCR 10575(c).
- A Utilization Review denial that stands is effective for 12 months from its decision: Labor Code 4610(k).

The rules are data: the figures in force on the day of receipt are applied, and the determination names their version.
The letter does not say when it was served, so the day of receipt is used instead. The caller gives the calendar of
working days.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from worker.letter.model import Deadlines, Determination, Issue


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """The figures in force from one day on."""

    version: str
    """Name of these rules, printed in every determination that they were applied to."""
    effective: date
    """First day of receipt to which they apply."""
    authorize_working_days: int
    """Overturned services not yet given: working days from receipt to authorization."""
    reimburse_days: int
    """Overturned services already given: days from receipt to reimbursement."""
    appeal_days: int
    """Days from service of the determination to the last day for an appeal."""
    ur_denial_months: int
    """Months from the Utilization Review decision for which an upheld denial is effective."""


DEFAULT_RULES: tuple[DeadlineRules, ...] = (
    DeadlineRules(
        version="ca-2013-01-01",
        effective=date(2013, 1, 1),
        authorize_working_days=5,
        reimburse_days=20,
        appeal_days=30,
        ur_denial_months=12,
    ),
)
"""In force since Independent Medical Review began (Senate Bill 863)."""

_LARGEST = {"authorize_working_days": 366, "reimburse_days": 3660, "appeal_days": 3660, "ur_denial_months": 120}
"""Larger figures are typing errors. The bound on working days also bounds the search for them."""


def read_rules(mapping: Mapping[str, object]) -> tuple[DeadlineRules, ...]:
    """The rules of a parsed TOML or JSON file: a list `rules` of tables with the fields of `DeadlineRules`.

    The rules come back ordered by their effective day. Raises ValueError that names the wrong entry and its field.
    """
    entries = mapping.get("rules")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ValueError("deadline rules: `rules` must be a list with at least one entry")
    rules = tuple(_read_entry(number, entry) for number, entry in enumerate(entries, 1))
    if len({rule.effective for rule in rules}) < len(rules):
        raise ValueError("deadline rules: two entries have the same `effective` day")
    return tuple(sorted(rules, key=lambda rule: rule.effective))


def _read_entry(number: int, entry: object) -> DeadlineRules:
    if not isinstance(entry, Mapping):
        raise ValueError(f"deadline rules: entry {number} must be a table")  # noqa: TRY004  the file is wrong, not a type
    unknown = sorted(set(entry) - set(DeadlineRules.__slots__))
    if unknown:
        raise ValueError(f"deadline rules: entry {number} has an unknown field `{unknown[0]}`")
    version = entry.get("version")
    if not isinstance(version, str) or not version.strip():
        raise ValueError(f"deadline rules: entry {number} needs a `version`, a name in quotes")
    return DeadlineRules(
        version=version,
        effective=_read_day(number, entry.get("effective")),
        **{name: _read_figure(number, entry, name) for name in _LARGEST},
    )


def _read_day(number: int, value: object) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or type(value) is not date:
        raise ValueError(f"deadline rules: entry {number} needs `effective`, a day such as 2026-04-01")
    return value


def _read_figure(number: int, entry: Mapping[str, object], name: str) -> int:
    value = entry.get(name)
    if type(value) is not int or not 0 < value <= _LARGEST[name]:
        raise ValueError(f"deadline rules: entry {number} needs `{name}`, a whole number from 1 to {_LARGEST[name]}")
    return value


def compute(
    determination: Determination,
    received_on: date,
    rules: Sequence[DeadlineRules],
    is_working_day: Callable[[date], bool],
) -> Deadlines:
    """The deadlines of a determination received on a day, by the rules in force on that day.

    Raises ValueError for a calendar without working days.
    """
    rule = _in_force(rules, received_on)
    overturned = [issue for issue in determination.issues if issue.decision != "upheld"]
    return Deadlines(
        received_on=received_on,
        rule_version=rule.version,
        authorize_by=_authorize_by(overturned, received_on, rule, is_working_day),
        reimburse_by=_reimburse_by(overturned, received_on, rule),
        appeal_by=received_on + timedelta(days=rule.appeal_days),
        ur_denial_effective_until=_denial_until(determination, rule),
    )


def _in_force(rules: Sequence[DeadlineRules], day: date) -> DeadlineRules:
    """The latest rules that are effective on the day; for a day before all of them, the earliest."""
    ordered = sorted(rules, key=lambda rule: rule.effective)
    return next((rule for rule in reversed(ordered) if rule.effective <= day), ordered[0])


def _authorize_by(
    overturned: Sequence[Issue], received_on: date, rule: DeadlineRules, is_working_day: Callable[[date], bool]
) -> date | None:
    if not any(issue.review_type == "prospective" for issue in overturned):
        return None
    return add_working_days(received_on, rule.authorize_working_days, is_working_day)


def _reimburse_by(overturned: Sequence[Issue], received_on: date, rule: DeadlineRules) -> date | None:
    if not any(issue.review_type == "retrospective" for issue in overturned):
        return None
    return received_on + timedelta(days=rule.reimburse_days)


def _denial_until(determination: Determination, rule: DeadlineRules) -> date | None:
    decided = determination.ur_decision_date
    if decided is None or not any(issue.decision != "overturned" for issue in determination.issues):
        return None
    return add_months(decided, rule.ur_denial_months)


def add_working_days(day: date, count: int, is_working_day: Callable[[date], bool]) -> date:
    """The count-th working day after a day. The day itself does not count."""
    for _ in range(_LONGEST_SEARCH_DAYS):
        if count == 0:
            return day
        day += timedelta(days=1)
        count -= is_working_day(day)
    raise ValueError("the calendar has no working days")


_LONGEST_SEARCH_DAYS = 4000
"""Eleven years: a calendar that has too few working days in them is broken."""


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
