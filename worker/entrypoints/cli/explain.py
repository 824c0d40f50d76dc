"""`imr explain`: where a file is, since when, and what it waits for."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text as Styled

from worker.adapters.redis.lookup import Lookup
from worker.adapters.redis.server import redis_url
from worker.adapters.share.completion_rule import CompletionRule
from worker.adapters.share.folders import share_reached
from worker.adapters.share.spool import Spool
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, load_settings
from worker.entrypoints.cli.console import err, out, printable, write_line
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.operations.locate.explainer import Explainer
from worker.operations.locate.explanation import Explanation, NotFound, NotUnique
from worker.operations.locate.inbox import InboxRules


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="PATH-OR-ID", help="A path, a name, a claim id, or at least 6 characters of a letter's id."
        ),
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="The answer as one JSON line.")] = False,
) -> None:
    """Say where a file is, since when, and what it waits for.

    Reads the share and the records and changes nothing; without Redis it says what the share alone shows.
    """
    settings = load_settings()
    try:
        with share_reached(settings.share):
            explanation = _explainer(settings).explain(wanted)
    except NotUnique as error:
        err.print(f"imr: {error}; give one of these:", markup=False)
        for candidate in error.candidates:
            err.print(f"  {printable(candidate)}", markup=False)
        raise typer.Exit(ExitCode.NOT_FOUND) from None
    except NotFound as error:
        unsure = "; Redis does not answer and might know it: `imr check` says why" if error.unsure else ""
        err.print(f"imr: {error}{unsure}", markup=False)
        raise typer.Exit(ExitCode.UNAVAILABLE if error.unsure else ExitCode.NOT_FOUND) from None
    if json:
        write_line(orjson.dumps(_as_json(explanation), option=orjson.OPT_UTC_Z))
    else:
        _show(explanation)


def _explainer(settings: Settings) -> Explainer:
    return Explainer(
        spool=Spool(settings.share),
        connect=lambda: Lookup(connect(redis_url(settings)), Keys(settings.prefix)),
        rules=InboxRules(
            completion=CompletionRule.choose(
                settings.complete, settle_s=settings.settle_seconds, renamed_quiet_s=settings.renamed_quiet_seconds
            ),
            max_scan_s=settings.max_scan_seconds,
            max_letter_bytes=settings.max_letter_bytes,
            incomplete_s=settings.incomplete_seconds,
        ),
        zone=settings.zone,
        wall_clock_s=time.time,
    )


def _as_json(explanation: Explanation) -> dict[str, Any]:
    facts = {name: _safe(value) for name, value in explanation.facts.items() if value is not None}
    path = printable(explanation.path) if explanation.path is not None else None
    return {**dataclasses.asdict(explanation), "path": path, "facts": facts}


def _show(explanation: Explanation) -> None:
    out.print(printable(explanation.path) if explanation.path is not None else "(no file)", style="bold", markup=False)
    out.print(printable(explanation.sentence), markup=False, soft_wrap=False)
    if explanation.since is not None:
        since = explanation.since.astimezone()
        out.print(f"since {since:%Y-%m-%d %H:%M:%S %Z} ({_ago(since)})", markup=False)
    for cause in explanation.waits_for:
        out.print(Styled.assemble(("waits for ", "yellow"), printable(cause)), soft_wrap=False)
    for note in explanation.notes:
        out.print(Styled.assemble(("note: ", "yellow"), printable(note)), soft_wrap=False)
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in explanation.facts.items():
        for line in _lines(value):
            table.add_row(name.replace("_", " "), Styled(printable(line)))
    if table.row_count:
        out.print(table)


def _lines(value: Any) -> list[str]:
    """A fact as lines for people."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [str(value)]
    return [_decision(item) if isinstance(item, dict) else str(item) for item in value]


def _decision(decision: dict[str, Any]) -> str:
    reason = f": {decision['reason']}" if decision.get("reason") else ""
    return f"{decision.get('action')} by {decision.get('decided_by')} on {str(decision.get('decided_at'))[:16]}{reason}"


def _safe(value: Any) -> Any:
    """Paths as one line of Unicode, whatever bytes a file system holds."""
    return printable(value) if isinstance(value, str) else value


def _ago(moment: datetime) -> str:
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {name} ago"
    return f"{seconds:.0f} s ago" if seconds >= 0 else "in the future by this machine's clock"
