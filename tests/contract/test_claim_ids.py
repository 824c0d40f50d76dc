"""Claim ids: who owns a file, since when, and on which day it arrived."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.claim_ids import arrival_day, claimed_at_ms, is_claim_id, new_claim_id, split_claimed_name

PACIFIC = ZoneInfo("America/Los_Angeles")
times_ms = st.integers(min_value=0, max_value=(1 << 47) - 1)


@given(now_ms=times_ms)
def test_an_id_has_its_form_and_knows_its_time(now_ms: int) -> None:
    claim_id = new_claim_id(now_ms)
    assert is_claim_id(claim_id)
    assert claimed_at_ms(claim_id) == now_ms


@given(first=times_ms, second=times_ms)
def test_ids_sort_by_arrival(first: int, second: int) -> None:
    if first != second:
        assert (new_claim_id(first) < new_claim_id(second)) == (first < second)


def test_two_claims_of_one_millisecond_do_not_meet() -> None:
    assert len({new_claim_id(1_718_000_000_000) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 19,
        "0" * 21,
        "0" * 19 + "u",
        "0" * 19 + "I",
        "0" * 19 + "/",
        "0" * 19 + "\n",
        "../" + "0" * 17,
        "Z" * 20,
        "z" * 20,
        "4" + "0" * 19,
    ],
)
def test_what_has_another_form_is_no_claim_id(text: str) -> None:
    assert not is_claim_id(text)


@given(claim_id=st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=20, max_size=20).filter(is_claim_id))
def test_every_claim_id_has_a_day(claim_id: str) -> None:
    for zone in (UTC, PACIFIC, ZoneInfo("Pacific/Kiritimati")):
        assert arrival_day(claim_id, zone).year < 6500


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024-06-10T06:59:59.999+00:00", date(2024, 6, 9)),  # summer: midnight in California is 07:00 UTC
        ("2024-06-10T07:00:00.000+00:00", date(2024, 6, 10)),
        ("2024-01-10T07:59:59.999+00:00", date(2024, 1, 9)),  # winter: 08:00 UTC
        ("2024-01-10T08:00:00.000+00:00", date(2024, 1, 10)),
        ("2024-03-10T07:59:59.999+00:00", date(2024, 3, 9)),  # the day on which summer time begins, at 10:00 UTC
        ("2024-03-10T08:00:00.000+00:00", date(2024, 3, 10)),
        ("2024-03-11T06:59:59.999+00:00", date(2024, 3, 10)),
        ("2024-03-11T07:00:00.000+00:00", date(2024, 3, 11)),
        ("2024-11-03T06:59:59.999+00:00", date(2024, 11, 2)),  # the day on which it ends, at 09:00 UTC
        ("2024-11-03T07:00:00.000+00:00", date(2024, 11, 3)),
        ("2024-11-04T07:59:59.999+00:00", date(2024, 11, 3)),
        ("2024-11-04T08:00:00.000+00:00", date(2024, 11, 4)),
        ("2025-01-01T07:59:59.999+00:00", date(2024, 12, 31)),
    ],
)
def test_the_day_of_arrival_is_the_one_in_california(moment: str, day: date) -> None:
    now_ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
    assert arrival_day(new_claim_id(now_ms), PACIFIC) == day


@pytest.mark.parametrize(
    ("name", "original"), [("x", "x"), ("a~b.txt", "a~b.txt"), ("", ""), ("~", "~"), ("\n", "\n"), ("\udcff", "\udcff")]
)
def test_a_claimed_name_gives_back_the_original(name: str, original: str) -> None:
    claim_id = new_claim_id(1_718_000_000_000)
    assert split_claimed_name(f"{claim_id}~{name}") == (claim_id, original)


@pytest.mark.parametrize("name", ["letter.txt", "~letter.txt", "short~letter.txt", "z" * 20 + "~x", "0" * 20])
def test_a_name_that_no_claim_made_has_none(name: str) -> None:
    assert split_claimed_name(name) is None
