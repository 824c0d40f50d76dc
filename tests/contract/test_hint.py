"""The hint: claim ids alone, and nothing that came over the queue is trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.contract.hint import BadHint, describe_hint, make_hint, read_hint

IDS = [f"01j00cf700zes4yynjf{number}" for number in range(5)]


def test_a_hint_survives_the_queue() -> None:
    sent = json.loads(json.dumps(make_hint(IDS)))
    assert read_hint(**sent) == IDS


def test_an_id_that_is_named_twice_is_worked_on_once() -> None:
    assert read_hint(1, [IDS[0], IDS[1], IDS[0]]) == IDS[:2]


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.5, [], {}])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(BadHint, match="version"):
        read_hint(version, IDS)


@pytest.mark.parametrize(
    "claim_ids",
    [
        None,
        "",
        IDS[0],
        {"0": IDS[0]},
        [None],
        [1],
        [""],
        ["../../etc/passwd"],
        [IDS[0], "letter.txt"],
        [IDS[0] + "\n"],
        [IDS[0].upper()],
        [[IDS[0]]],
    ],
)
def test_what_is_no_list_of_claim_ids_is_refused(claim_ids: Any) -> None:
    with pytest.raises(BadHint, match="list of claim ids"):
        read_hint(1, claim_ids)


def test_a_refusal_is_short_and_does_not_repeat_the_ids() -> None:
    with pytest.raises(BadHint) as refused:
        read_hint(1, ["Wilhelmina Quackenbush"])
    assert "Quackenbush" not in str(refused.value)
    with pytest.raises(BadHint) as refused:
        read_hint("x" * 10_000, [])
    assert len(str(refused.value)) < 120


def test_what_is_shown_of_a_hint_stays_short() -> None:
    assert IDS[0] in describe_hint(IDS[:1])
    assert describe_hint(IDS * 100).startswith("(500 letters: ")
    assert len(describe_hint(IDS * 100)) < 100
