"""From text to a determination with its legal clocks: our own samples, California's calendar, rules from a file."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from worker.adapters.share.spool import ClaimedFile
from worker.contract.claim_ids import new_claim_id
from worker.contract.settings import SettingsError
from worker.extraction import Text
from worker.letter.deadlines import DEFAULT_RULES
from worker.letter.errors import LetterError
from worker.processing.determination import Determiner, is_working_day, load_rules

RECEIVED = date(2024, 6, 10)


def sample(name: str) -> Text:
    text = (resources.files("worker.entrypoints") / "samples" / name).read_text()
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


RULES = """
[[rules]]
version = "ours"
effective = 2020-01-01
authorize_working_days = 2
reimburse_days = 3
appeal_days = 4
ur_denial_months = 5
"""


def test_rules_of_the_operators_own_are_named_in_the_event(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    determine = Determiner(read_parties=False, rules=load_rules(path), today=lambda: RECEIVED)
    deadlines = determine(sample("home-infusion-expedited.txt"), RECEIVED).deadlines
    assert deadlines is not None
    assert (deadlines.rule_version, deadlines.authorize_by) == ("ours", date(2024, 6, 12))


def test_five_working_days_skip_weekend_and_thanksgiving(determiner: Determiner) -> None:
    deadlines = determiner(sample("home-infusion-expedited.txt"), date(2026, 11, 20)).deadlines
    assert deadlines is not None
    assert deadlines.authorize_by == date(2026, 12, 1)


@pytest.mark.parametrize("content", [None, "not TOML", "", "[[rules]]\nunknown = 1\n"])
def test_a_rules_file_that_cannot_be_used_is_refused_at_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"IMR_RULES_FILE: .*rules\.toml cannot be used"):
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
    noon_2026_11_21_ms = 1_795_291_200_000
    file = ClaimedFile(new_claim_id(noon_2026_11_21_ms), folder, "letter.pdf")
    assert file.received_on(ZoneInfo("America/Los_Angeles")) == received


def test_a_scanned_page_among_others_is_noticed(determiner: Determiner) -> None:
    text = sample("home-infusion-expedited.txt").text
    scanned = Text(text, paged=True, page_count=3, kind="pdf", picture_pages=(2, 3))
    (finding,) = [one for one in determiner(scanned, None).findings if one.code == "picture_page"]
    assert finding.message.startswith("Page 2, 3 shows a picture")
