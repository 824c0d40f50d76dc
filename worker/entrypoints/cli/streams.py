"""`imr stream`: check and trim the two streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import orjson
import typer
from rich.table import Table

from worker.adapters.redis.server import redis_url
from worker.adapters.redis.stream_gaps import lost_entries
from worker.adapters.redis.stream_state import StreamState, read_states
from worker.adapters.redis.stream_trim import Trimmed, Trimmer
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.contract.settings import load_settings
from worker.entrypoints.cli.console import out, write_line
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.operations.stream_health import limits_of, problems_of

group = typer.Typer(
    help="The two streams: whether they are read, and what can be deleted from them.", no_args_is_help=True
)

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
    """Delete old entries that every consumer group has acknowledged; the workers do it by themselves, too."""
    settings = load_settings()
    trimmer = Trimmer(connect(redis_url(settings)), Keys(settings.prefix), settings.keep_acknowledged_days)
    for trimmed in trimmer.preview() if dry_run else trimmer.trim():
        if json:
            write_line(orjson.dumps({**asdict(trimmed), "dry_run": dry_run}))
        else:
            verb = "would be deleted" if dry_run else "deleted"
            out.print(
                f"{trimmed.stream}: {trimmed.removed:,} {verb}; {_reason(trimmed, settings.keep_acknowledged_days)}",
                markup=False,
            )


@group.command()
def check(
    *, json: Annotated[bool, typer.Option("--json", help="State and problems as one JSON object.")] = False
) -> None:
    """Check that every reader gets every entry, and say what to do if not. Exits with 1 if there is a problem."""
    settings = load_settings()
    client, keys = connect(redis_url(settings)), Keys(settings.prefix)
    states = read_states(client, keys)
    lost = {state.stream: lost_entries(client, keys, state) for state in states}
    problems = problems_of(states, keys, limits_of(settings), lost)
    if json:
        report = {
            "streams": [asdict(state) for state in states],
            "problems": [asdict(problem) for problem in problems],
        }
        write_line(orjson.dumps(report))
    else:
        _show(states)
        for problem in problems:
            out.print(f"problem: {problem.what}", style="bold red", markup=False)
            if problem.ids:
                out.print(f"     {', '.join(problem.ids)}", markup=False)
            out.print(f"     -> {problem.remedy}", markup=False)
        if not problems:
            out.print("every reader gets every entry", style="green")
    raise typer.Exit(ExitCode.FAILED if problems else ExitCode.OK)


def _show(states: Sequence[StreamState]) -> None:
    table = Table("stream", "group", "entries", "lag", "pending", "consumers", box=None, padding=(0, 1))
    for state in states:
        size = f" ({state.memory_bytes / 1_000_000:,.1f} MB)" if state.memory_bytes is not None else ""
        table.add_row(state.stream, "", f"{state.entries:,}{size}", "", "", "")
        for reader in state.groups:
            lag = "unknown" if reader.lag is None else f"{reader.lag:,}"
            table.add_row("", reader.name, "", lag, f"{reader.pending:,}", str(len(reader.consumers)))
    out.print(table)


def _reason(trimmed: Trimmed, keep_days: float) -> str:
    """Why the other entries are kept, and what to do about it."""
    match trimmed.why:
        case "empty":
            return "the stream is empty"
        case "no_reader":
            return "nothing is deleted until a consumer group reads it (`imr tail` does not count); see docs/reading.md"
        case "group":
            return f"group {trimmed.group} still needs the entries from {trimmed.first_kept} on; see `imr stream check`"
        case "letter":
            return f"{trimmed.first_kept} belongs to a letter that waits in review/; it is kept, with all later entries"
        case "age" | "further":
            return f"the other entries are younger than {keep_days:g} days"
