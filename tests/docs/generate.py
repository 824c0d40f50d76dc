"""The parts of the documentation that come from the code: `make docs` writes them, a test checks that they are current.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. The tables of settings and commands are
made in `tests.docs.reference`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from tests.docs.reference import command_reference, command_table, settings_tables
from tests.support.samples import SAMPLES
from worker.adapters.share.spool import ClaimedFile
from worker.contract.event import PUBLISHED, encode, event_id, make_event
from worker.contract.schema import event_schema
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.entrypoints.cli.schema import error_table
from worker.extraction import Text
from worker.processing.determination import Determiner

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_PART: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)
_SHORT: Final = 160


def exits() -> str:
    """Every exit code of `imr`, with its meaning from the docstrings of the enumeration."""
    source = inspect.getsource(ExitCode)
    meanings = dict(re.findall(r'^    ([A-Z_]+) = \d+\n    """(.*?)"""', source, re.MULTILINE))
    rows = [f"| {code.value} | {code.name.lower().replace('_', ' ')} | {meanings[code.name]} |" for code in ExitCode]
    return "\n".join(["| exit | name | meaning |", "|---|---|---|", *rows])


def event() -> str:
    """A real event, made from a sample letter as a worker makes it; long texts are cut with `...`."""
    sample = SAMPLES / "opioid-and-acupuncture.txt"
    content = sample.read_bytes()
    claim = ClaimedFile("01m801adnmx8x48pjq8p", "", sample.name)
    determine = Determiner(read_parties=False, today=lambda: date(2026, 11, 21))
    determination = determine(Text(content.decode(), paged=False, page_count=None, kind="text"), date(2026, 11, 21))
    made = make_event(
        kind=PUBLISHED,
        identity=event_id(hashlib.sha256(content).hexdigest(), 1),
        site="default",
        time=datetime(2026, 11, 21, 20, 30, tzinfo=UTC),
        path=claim.archive_path(ZoneInfo("America/Los_Angeles")),
        data=determination,
    )
    shown = _shortened(orjson.loads(encode(made)))
    return f"```json\n{orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()}\n```"


def _shortened(value: Any) -> Any:
    """Long texts cut, of lists and spans the first few: enough to see the shape."""
    match value:
        case str():
            return value if len(value) <= _SHORT else value[:_SHORT] + "..."
        case list():
            return [_shortened(item) for item in value[:2]]
        case dict() as spans if "case_number" in spans and "start" in (spans["case_number"] or {}):
            return {name: spans[name] for name in list(spans)[:3]}
        case dict():
            return {name: _shortened(item) for name, item in value.items()}
        case _:
            return value


def fields_table() -> str:
    """Every field of a determination with its type and meaning, from the schema."""
    return _fields({"Determination": "", "Patient": "patient.", "Reviewer": "reviewer.", "Issue": "issues[].",
                    "Guideline": "issues[].…_guideline.", "Citation": "….citations[].", "Parties": "parties.",
                    "Deadlines": "deadlines.", "Finding": "findings[].", "Span": "spans.…."})  # fmt: skip


def dead_letter_table() -> str:
    """Every field of a dead letter's `data`."""
    return _fields({"DeadLetter": "", "Violation": "violations[]."})


def resolution_table() -> str:
    """Every field of a decision's `data`."""
    return _fields({"Resolution": ""})


def _fields(parts: dict[str, str]) -> str:
    """A table of the fields of these definitions of the schema, each with its prefix."""
    schema = event_schema()
    rows = [
        f"| `{prefix}{name}` | {_type(field)} | {' '.join(str(field.get('description', '')).split())} |"
        for part, prefix in parts.items()
        for name, field in schema["$defs"][part]["properties"].items()
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(kind) for kind in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        return "object"
    kind = str(field.get("type", ""))
    return {"array": "list", "string": str(field.get("format", "string"))}.get(kind, kind)


GENERATED: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_tables,
    "commands": command_table,
    "command-reference": command_reference,
    "exits": exits,
    "errors": error_table,
    "event": event,
    "fields": fields_table,
    "dead-letter": dead_letter_table,
    "resolution": resolution_table,
}


def rendered(page: str) -> str:
    """The page with its generated parts as the code has them now. Raises KeyError for an unknown part."""
    return _PART.sub(lambda part: f"{part[1]}{GENERATED[part['name']]()}\n{part[4]}", page)


def main() -> None:
    """Write the generated parts of every page."""
    for page in PAGES:
        page.write_text(rendered(page.read_text()))


if __name__ == "__main__":
    main()
