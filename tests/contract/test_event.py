"""Events: CloudEvents that validate against the schema we publish, whatever is in them."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.determinations import NOW, dead_letter, determination, issue, resolution
from tests.support.letters import digest
from worker.contract.event import (
    CORRECTED,
    DEAD_LETTERED,
    PUBLISHED,
    RESOLVED,
    SUPERSEDES_BYTES,
    DeadLetter,
    EventType,
    Resolution,
    dataref,
    encode,
    event_id,
    make_event,
    superseding,
)
from worker.contract.schema import determination_schema, event_schema
from worker.letter.errors import Violation
from worker.letter.model import Determination

DIGEST = digest("a letter")
VALIDATOR = jsonschema.Draft202012Validator(event_schema(), format_checker=jsonschema.FormatChecker())

EVENTS: list[tuple[EventType, Determination | DeadLetter | Resolution]] = [
    (PUBLISHED, determination()),
    (CORRECTED, determination(None, documents_reviewed=("One", "Two"))),
    (PUBLISHED, dataclasses.replace(determination(), deadlines=None, spans={}, findings=())),
    (DEAD_LETTERED, dead_letter()),
    (DEAD_LETTERED, dead_letter(Violation("a", "b"), Violation("c", "d", "issues.0.decision", 1, 2, 3, 4, 5))),
    (RESOLVED, resolution()),
    (RESOLVED, dataclasses.replace(resolution(), action="redrive", reason=None)),
    (RESOLVED, dataclasses.replace(resolution(), action="supersede", reason="its file is another letter now")),
]


def made(kind: EventType, data: Determination | DeadLetter | Resolution, path: str = "archive/x") -> dict[str, Any]:
    event = make_event(kind=kind, identity=event_id(DIGEST, 1), site="here", time=NOW, path=path, data=data)
    decoded: dict[str, Any] = orjson.loads(encode(event))
    return decoded


@pytest.mark.parametrize(("kind", "data"), EVENTS)
def test_every_event_validates(kind: EventType, data: Determination | DeadLetter | Resolution) -> None:
    VALIDATOR.validate(made(kind, data))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(event_schema())
    jsonschema.Draft202012Validator.check_schema(determination_schema())


@pytest.mark.parametrize(("kind", "data"), [(PUBLISHED, dead_letter()), (DEAD_LETTERED, determination())])
def test_the_type_says_what_the_data_is(kind: EventType, data: Determination | DeadLetter) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(made(kind, data))


@pytest.mark.parametrize("where", [(), ("data",), ("data", "issues", 0), ("data", "patient"), ("data", "spans", "x")])
def test_nothing_more_and_nothing_less_than_the_schema_says(where: tuple[str | int, ...]) -> None:
    event = made(PUBLISHED, determination())
    event["data"]["spans"]["x"] = {"start": 0, "end": 1, "page": None}
    VALIDATOR.validate(event)
    part: Any = event
    for step in where:
        part = part[step]
    dropped = part.pop(next(iter(part)))
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(event)
    part["unknown"] = dropped
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(event)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text: str) -> None:
    told = determination(clinical_summary=text, issues=(issue(rationale=text),))
    event = made(PUBLISHED, told)
    VALIDATOR.validate(event)
    assert event["data"]["clinical_summary"] == text
    assert event["data"]["issues"][0]["rationale"] == text


def test_what_an_event_supersedes_is_said_where_there_is_something_and_left_out_elsewhere() -> None:
    event = make_event(
        kind=PUBLISHED, identity=event_id(DIGEST, 1), site="here", time=NOW, path="archive/x", data=determination()
    )
    plain, told = orjson.loads(encode(event)), orjson.loads(superseding(encode(event), "earlier:1"))
    assert told == {**plain, "supersedes": "earlier:1"}
    VALIDATOR.validate(told)
    for wrong in (None, 1):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate({**plain, "supersedes": wrong})


def test_there_is_room_for_what_an_event_supersedes() -> None:
    assert len(superseding(b'{"a":1}', event_id(DIGEST, 10**9))) - len(b'{"a":1}') <= SUPERSEDES_BYTES


def test_attributes() -> None:
    event = made(PUBLISHED, determination())
    assert {name: event[name] for name in event if name != "data"} == {
        "specversion": "1.0",
        "id": f"{DIGEST}:1",
        "source": "/imr/here",
        "type": "imr.determination.published",
        "subject": "CM16-0213037",
        "time": "2024-06-10T12:30:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:imr-intake:schema:determination:1.0",
        "dataclassification": "phi",
        "dataref": "archive/x",
    }


def test_the_subject_is_the_digest_where_there_is_no_case_number() -> None:
    assert made(PUBLISHED, determination(None))["subject"] == DIGEST
    assert made(DEAD_LETTERED, dead_letter())["subject"] == DIGEST


@pytest.mark.parametrize(("decision", "identity"), [(0, "d:2"), (1, "d:2.1"), (3, "d:2.3")])
def test_an_id_names_letter_revision_and_decision(decision: int, identity: str) -> None:
    assert event_id("d", 2, decision) == identity


@given(path=st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_a_reference_keeps_the_bytes_of_any_name(path: bytes) -> None:
    reference = dataref(path.decode("utf-8", "surrogateescape"))
    assert reference.isascii()
    assert not set(reference) & set(' <>"{}|\\^`\n?#')
    assert unquote_to_bytes(reference) == path
