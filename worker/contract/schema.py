"""The JSON Schema of the events, generated from the typed values; `imr schema` prints it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from worker.contract.event import DEAD_LETTERED, RESOLVED, DeadLetter, Event, Resolution
from worker.letter.model import Determination

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DATA_OF = {DEAD_LETTERED: DeadLetter, RESOLVED: Resolution}


def event_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one event of either stream; its `type` decides the shape of `data`."""
    schema = TypeAdapter(Event).json_schema(mode="serialization")
    schema["$schema"] = _DIALECT
    schema["properties"]["supersedes"] = _never_null(schema["properties"]["supersedes"])
    schema["allOf"] = [_data_by_type(kind) for kind in schema["properties"]["type"]["enum"]]
    return _strict(schema)


def determination_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a determination alone, as `imr parse --json` prints it."""
    schema = TypeAdapter(Determination).json_schema(mode="serialization")
    schema["$schema"] = _DIALECT
    return _strict(schema)


def _data_by_type(kind: str) -> dict[str, Any]:
    data = _DATA_OF.get(kind, Determination)
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"properties": {"data": {"$ref": f"#/$defs/{data.__name__}"}}},
    }


def _never_null(optional: dict[str, Any]) -> dict[str, Any]:
    """The schema of an attribute that is left out instead of being null."""
    return {"type": "string", **{name: optional[name] for name in ("title", "description")}}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Require every property except `supersedes`: they are always written, and defaults are only for the code."""
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["required"] = [name for name in part["properties"] if name != "supersedes"]
    return schema
