"""An event that would be too large says what was left out, and leaves out no more than it must."""

from __future__ import annotations

import dataclasses
from typing import Any

import jsonschema
import orjson
import pytest

from tests.support.determinations import NOW, dead_letter, determination, issue
from worker.contract.event import DEAD_LETTERED, PUBLISHED, Event, encode, event_id, make_event
from worker.contract.schema import event_schema
from worker.letter.model import Determination
from worker.processing.event_size import LEFT_OUT, encode_within

TEN_KB = "x" * 10_000
VALIDATOR = jsonschema.Draft202012Validator(event_schema())


def event_of(told: Determination) -> Event:
    return make_event(kind=PUBLISHED, identity=event_id("d", 1), site="s", time=NOW, path="archive/x", data=told)


def fitted(told: Determination, max_bytes: int) -> tuple[list[str], dict[str, Any]]:
    """(what was left out, the event's data)"""
    encoded = encode_within(event_of(told), max_bytes)
    event = orjson.loads(encoded)
    VALIDATOR.validate(event)
    return [one["field"] for one in event["data"]["findings"] if one["code"] == LEFT_OUT], event["data"]


FULL = determination(clinical_summary=TEN_KB, documents_reviewed=(TEN_KB,), issues=(issue(1, TEN_KB), issue(2, TEN_KB)))


def test_an_event_that_fits_is_left_as_it_is() -> None:
    event = event_of(FULL)
    assert encode_within(event, len(encode(event))) == encode(event)


@pytest.mark.parametrize(
    ("max_bytes", "left_out"),
    [
        (60_000, []),
        (36_000, ["spans", "documents_reviewed"]),
        (26_000, ["spans", "documents_reviewed", "clinical_summary"]),
        (5_000, ["spans", "documents_reviewed", "clinical_summary", "issues.rationale"]),
    ],
)
def test_parts_go_in_the_order_of_how_easily_they_are_had_elsewhere(max_bytes: int, left_out: list[str]) -> None:
    fields, data = fitted(FULL, max_bytes)
    assert fields == left_out
    assert len(data["issues"]) == 2
    assert [one["decision"] for one in data["issues"]] == ["upheld", "upheld"]


def test_what_was_not_there_is_not_said_to_be_left_out() -> None:
    told = dataclasses.replace(determination(clinical_summary=TEN_KB), spans={})
    assert fitted(told, 5_000)[0] == ["clinical_summary"]


def test_what_cannot_fit_says_that_everything_it_could_was_left_out() -> None:
    fields, data = fitted(FULL, 10)
    assert fields[-1] == "issues.guidelines"
    assert [one["reviewer_guideline"] for one in data["issues"]] == [None, None]


def test_earlier_findings_stay() -> None:
    _, data = fitted(FULL, 5_000)
    assert data["findings"][0]["code"] == "short_summary"


def test_a_dead_letter_is_left_as_it_is() -> None:
    event = make_event(
        kind=DEAD_LETTERED, identity=event_id("d", 1), site="s", time=NOW, path="review/x", data=dead_letter()
    )
    assert encode_within(event, 10) == encode(event)
