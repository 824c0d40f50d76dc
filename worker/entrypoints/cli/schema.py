"""`imr schema`: the format of events, for programs and people."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer

from worker.entrypoints.cli.console import out, write_line


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(
    *,
    determination: Annotated[bool, typer.Option("--determination", help="Only the schema of a determination.")] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Print every error code and finding as a Markdown table.")
    ] = False,
) -> None:
    """Print the JSON Schema of the events in both streams."""
    from worker.contract.schema import determination_schema, event_schema

    if errors:
        out.print(error_table(), markup=False)
        return
    wanted = determination_schema() if determination else event_schema()
    write_line(orjson.dumps(wanted, option=orjson.OPT_INDENT_2))


def error_table() -> str:
    """Every code that an event, a finding or an `.error.json` can carry, as Markdown."""
    from worker.processing.dead_letters import catalogue

    rows = ["| code | severity | meaning | what to do | source |", "|---|---|---|---|---|"]
    rows += [
        f"| `{entry.code}` | {entry.severity} | {entry.sentence} | {entry.remedy} | {entry.source} |"
        for entry in catalogue()
    ]
    return "\n".join(rows)
