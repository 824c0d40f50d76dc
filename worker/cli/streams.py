"""`imr stream`: trim the two streams by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from worker.cli.console import out, write_line
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.contract.server import redis_url
from worker.contract.settings import load_settings
from worker.streams.trimming import Trimmed, Trimmer

group = typer.Typer(help="The two streams: are they read, and what may be deleted from them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="As JSON, one line for each stream.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="stream")


@group.command()
def trim(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    json: Json = False,
) -> None:
    """Delete what every consumer group has acknowledged and is old enough; the workers do it by themselves as well."""
    settings = load_settings()
    trimmer = Trimmer(connect(redis_url(settings)), Keys(settings.prefix), settings.keep_acknowledged_days)
    for one in trimmer.look() if dry_run else trimmer.trim():
        if json:
            write_line(orjson.dumps({**asdict(one), "dry_run": dry_run}))
        else:
            verb = "would be deleted" if dry_run else "deleted"
            out.print(
                f"{one.stream}: {one.removed:,} {verb}; {_why(one, settings.keep_acknowledged_days)}", markup=False
            )


def _why(one: Trimmed, keep_days: float) -> str:
    """What keeps the rest, and what to do about it."""
    match one.why:
        case "empty":
            return "the stream is empty"
        case "no_reader":
            return "nothing is deleted while no consumer group reads (`imr tail` is none); see docs/reading.md"
        case "group":
            return f"group {one.group} needs what follows from {one.first_kept} on; `imr stream check` says how it does"
        case "letter":
            return f"{one.first_kept} tells of a letter that waits in review/, and stays with what follows"
        case "age" | "further":
            return f"the rest is younger than {keep_days:g} days"
