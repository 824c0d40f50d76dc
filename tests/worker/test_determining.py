"""California's working days, rules of the operator's own, and the stated day of receipt."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from worker.contract.claim_ids import new_claim_id
from worker.contract.settings import SettingsError
from worker.determining import Determiner, is_working_day, load_rules
from worker.letter.deadlines import DEFAULT_RULES
from worker.reading import Text
from worker.spool import ClaimedFile

SAMPLES = Path(__file__).resolve().parents[2] / "worker" / "samples"
OVERTURNED = (SAMPLES / "home-infusion-expedited.txt").read_text()
CALIFORNIA = ZoneInfo("America/Los_Angeles")
NOON_2026_11_21_MS = 1_795_291_200_000

RULES = """
[[rules]]
version = "ours"
effective = 2020-01-01
authorize_working_days = 2
reimburse_days = 3
appeal_days = 4
ur_denial_months = 5
"""


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), False),  # Saturday
        (date(2026, 11, 26), False),  # Thanksgiving
        (date(2026, 11, 27), False),  # the day after Thanksgiving is a holiday of California's
        (date(2026, 3, 31), False),  # Cesar Chavez Day, California's alone
        (date(2026, 10, 12), True),  # Columbus Day is none of California's
        (date(2026, 12, 25), False),
    ],
)
def test_working_days_are_californias(day: date, works: bool) -> None:
    assert is_working_day(day) is works


def determine(rules_file: Path | None = None) -> Determiner:
    return Determiner(read_parties=False, rules=load_rules(rules_file), today=lambda: date(2026, 11, 21))


def letter() -> Text:
    return Text(OVERTURNED, paged=False, page_count=None, kind="text")


def test_five_working_days_skip_weekend_and_thanksgiving() -> None:
    deadlines = determine()(letter(), date(2026, 11, 20)).deadlines
    assert deadlines is not None
    assert deadlines.authorize_by == date(2026, 12, 1)
    assert deadlines.rule_version == DEFAULT_RULES[-1].version


def test_without_a_day_of_receipt_there_are_no_deadlines() -> None:
    assert determine()(letter(), None).deadlines is None


def test_rules_of_the_operators_own_are_named_in_the_event(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    deadlines = determine(path)(letter(), date(2026, 11, 18)).deadlines
    assert deadlines is not None
    assert (deadlines.rule_version, deadlines.authorize_by) == ("ours", date(2026, 11, 20))


@pytest.mark.parametrize("content", [None, "rules = 1", "[[rules]]\nversion = 'x'", "not toml"])
def test_a_rules_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"IMR_RULES_FILE: .*rules\.toml"):
        load_rules(path)


@pytest.mark.parametrize(
    ("folder", "received"),
    [
        ("", date(2026, 11, 21)),
        ("received-2026-11-18", date(2026, 11, 18)),
        ("sender/received-2026-11-18/matter", date(2026, 11, 18)),
        ("received-2026-11-21", date(2026, 11, 21)),
        ("received-2026-12-01", date(2026, 11, 21)),  # after its arrival: cannot be meant
        ("received-2026-02-30", date(2026, 11, 21)),  # no such day
        ("was received-2026-11-18", date(2026, 11, 21)),
    ],
)
def test_a_folder_of_the_inbox_states_the_day_of_receipt(folder: str, received: date) -> None:
    file = ClaimedFile(new_claim_id(NOON_2026_11_21_MS), folder, "letter.pdf")
    assert file.received_on(CALIFORNIA) == received
