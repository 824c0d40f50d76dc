"""The events: CloudEvents 1.0 in JSON, one per entry of a stream.

An entry has two fields, `content-type` and `data`, as Dapr's Redis pub/sub reads them. See
https://github.com/cloudevents/spec; `dataref` and `dataclassification` are defined by its extensions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal
from urllib.parse import quote

import orjson

from worker.letter.errors import Violation
from worker.letter.model import Determination

CONTENT_TYPE = "application/cloudevents+json"
MAX_EVENT_BYTES = 64 * 1024
"""Size limit of an event, from the usual limits of Event Grid and Kafka; `findings` says what was left out to fit."""
SUPERSEDES_BYTES = 128
"""Space reserved for the attribute `supersedes`, which is added last."""

PUBLISHED: Literal["imr.determination.published"] = "imr.determination.published"
CORRECTED: Literal["imr.determination.corrected"] = "imr.determination.corrected"
DEAD_LETTERED: Literal["imr.letter.dead-lettered"] = "imr.letter.dead-lettered"
RESOLVED: Literal["imr.letter.resolved"] = "imr.letter.resolved"

EventType = Literal[
    "imr.determination.published",
    "imr.determination.corrected",
    "imr.letter.dead-lettered",
    "imr.letter.resolved",
]
Action = Literal["redrive", "discard", "restore", "supersede"]

DETERMINATION_SCHEMA = "urn:imr-intake:schema:determination:1.0"
DEAD_LETTER_SCHEMA = "urn:imr-intake:schema:dead-letter:1.0"
RESOLUTION_SCHEMA = "urn:imr-intake:schema:resolution:1.0"

_DOCUMENTED: dict[str, object] = {"use_attribute_docstrings": True, "extra": "forbid"}


@dataclass(frozen=True)
class DeadLetter:
    """A letter that could not be published, with everything a person needs to understand why."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    schema_version: Literal["1.0"]
    """Version of this shape."""
    code: str
    """Stable code of the error, listed by `imr schema --errors`."""
    message: str
    """What went wrong, in a sentence; never words of the letter."""
    remedy: str
    """What a person can do."""
    violations: tuple[Violation, ...]
    """Broken rules and where they were found, at most the first 100; empty if the letter could not be read at all."""
    attempts: int
    """Number of attempts."""
    claim_id: str
    """Id of the claim under which the file was taken from the inbox."""
    received_on: date
    """Day the file arrived in the share."""
    failed_at: datetime
    """When the letter was given up."""
    size_bytes: int | None
    """Size of the file; null if it could not be read."""
    parser_version: str
    """Version of the parser that made the last attempt."""


@dataclass(frozen=True)
class Resolution:
    """A decision about a dead letter: by a person, or by a worker when the letter's file was written to afterwards."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    schema_version: Literal["1.0"]
    """Version of this shape."""
    action: Action
    """`redrive`: tried again as the next revision; `discard`: given up, the file is kept; `restore`: a discard undone;
    `supersede`: the file was written to afterwards and is another letter now."""
    reason: str | None
    """The person's reason, always there for `discard`; for `supersede`, the letter that the file is now."""
    decided_by: str
    """The person's user name in the operating system; `imr-worker` for `supersede`."""
    decided_at: datetime
    """When the decision was taken."""
    revision: int
    """The letter's revision after the decision."""


@dataclass(frozen=True)
class Event:
    """One CloudEvent."""

    __pydantic_config__: ClassVar[dict[str, object]] = _DOCUMENTED

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    id: str
    """SHA-256 of the letter's bytes, a colon, and the revision (`<hex>:1`); a decision adds a dot and its number
    (`<hex>:1.1`). Readers deduplicate by it."""
    source: str
    """`/imr/<site>`."""
    type: EventType
    """What happened."""
    subject: str
    """The case number, or the letter's SHA-256 if there is none."""
    time: datetime
    """When the event was made."""
    datacontenttype: Literal["application/json"]
    """Media type of `data`."""
    dataschema: str
    """Name of the schema of `data`."""
    dataclassification: Literal["phi"]
    """Protected health information: handle accordingly."""
    dataref: str
    """The letter's file, relative to the share, as a URI reference (percent-encoded)."""
    data: Determination | DeadLetter | Resolution
    """What the letter says, why it could not be published, or what was decided."""
    supersedes: str | None = None
    """Only if the file was written to after its result was published: id of that event, which this one replaces."""


_SCHEMAS: dict[type, str] = {
    Determination: DETERMINATION_SCHEMA,
    DeadLetter: DEAD_LETTER_SCHEMA,
    Resolution: RESOLUTION_SCHEMA,
}


def event_id(digest: str, revision: int, decision: int = 0) -> str:
    """The id that readers deduplicate by."""
    return f"{digest}:{revision}.{decision}" if decision else f"{digest}:{revision}"


def dataref(path: str) -> str:
    """A path in the share as a URI reference; a name that is not valid Unicode keeps its bytes."""
    return quote(os.fsencode(path), safe="/~")


def make_event(
    *,
    kind: EventType,
    identity: str,
    site: str,
    time: datetime,
    path: str,
    data: Determination | DeadLetter | Resolution,
) -> Event:
    """The event of type `kind` with the id `identity` (`event_id`) for the letter at `path`, relative to the share."""
    case_number = data.case_number if isinstance(data, Determination) else None
    return Event(
        specversion="1.0",
        id=identity,
        source=f"/imr/{site}",
        type=kind,
        subject=case_number or identity.partition(":")[0],
        time=time,
        datacontenttype="application/json",
        dataschema=_SCHEMAS[type(data)],
        dataclassification="phi",
        dataref=dataref(path),
        data=data,
    )


def encode(event: Event) -> bytes:
    """The event as JSON in UTF-8."""
    attributes = {name: value for name, value in vars(event).items() if value is not None}
    return orjson.dumps(attributes, option=orjson.OPT_UTC_Z)


def superseding(event: bytes, earlier: str) -> bytes:
    """The encoded event with `supersedes`: it replaces the event with the id `earlier`."""
    return orjson.dumps({**orjson.loads(event), "supersedes": earlier})
