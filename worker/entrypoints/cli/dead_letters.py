"""`imr dead-letters`: list, explain, redrive and discard the letters in review."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text as Styled

from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import broker_of, redis_url
from worker.adapters.share.spool import Spool
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, load_settings
from worker.entrypoints.cli.console import err, out, printable, write_line
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.entrypoints.cli.pause import user_name
from worker.operations.dead_items import DeadItem
from worker.operations.repair import Sweeper
from worker.operations.review import ReviewDesk

group = typer.Typer(help="Letters that went to review: understand, redrive or discard them.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The letter's id, or its first characters (at least 6).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per dead letter.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="dead-letters")


def _desk(settings: Settings) -> ReviewDesk:
    return ReviewDesk(
        spool=Spool(settings.share),
        records=RedisRecords(connect(redis_url(settings)), Keys(settings.prefix)),
        site=settings.site,
        decided_by=user_name(),
        wall_clock=lambda: datetime.now(UTC),
    )


@group.command("list")
def list_(
    *,
    json: Json = False,
    discarded: Annotated[bool, typer.Option("--discarded", help="Discarded letters too.")] = False,
) -> None:
    """List dead letters, oldest first."""
    items = [item for item in _desk(load_settings()).items() if discarded or item.where == "review"]
    items.sort(key=lambda item: item.file.claim_id)
    if json:
        for item in items:
            write_line(orjson.dumps(_as_json(item)))
        return
    replaced = any(item.replaced_by for item in items)
    table = Table("id", "received", "code", "file", *["replaced by"] * replaced, box=None, padding=(0, 1))
    for item in items:
        received, code = str(item.report.get("received_on", "")), str(item.report.get("code", ""))
        later = [item.replaced_by[:12]] * replaced
        table.add_row(item.digest[:12], received, code, Styled(printable(item.path)), *later)
    out.print(table)
    err.print(f"{len(items)} dead letters" if items else "no dead letters")
    if replaced:
        err.print(
            "replaced by: a later file of that name, which was published; if it is the same letter, discard this one"
        )


@group.command()
def show(wanted: Id, *, json: Json = False) -> None:
    """Say what is wrong with one letter, where, and what can be done."""
    desk = _desk(load_settings())
    item = desk.find(wanted)
    if json:
        write_line(orjson.dumps(_as_json(item)))
        return
    report, record = item.report, desk.record(item)
    out.print(f"{printable(item.path)}", style="bold", markup=False)
    out.print(f"{report.get('what_happened')}", markup=False, soft_wrap=False)
    for place in report.get("where") or ():
        out.print(f"  {place}", markup=False)
    out.print(f"{report.get('what_to_do')}", markup=False, soft_wrap=False)
    if item.replaced_by:
        out.print(
            f"A later file of the same name was published as {item.replaced_by[:12]}.", style="yellow", markup=False
        )
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name in ("code", "attempts", "received_on", "failed_at", "size_bytes", "parser_version", "claim_id", "id"):
        table.add_row(name.replace("_", " "), str(report.get(name)))
    table.add_row("state", f"{record.state}, revision {record.revision}" if record else "no record in Redis")
    out.print(table)


@group.command()
def redrive(
    wanted: Id, *, reason: Annotated[str | None, typer.Option(help="Why; it is kept in the stream.")] = None
) -> None:
    """Have a letter read again, as its next revision."""
    from worker.adapters.celery.client import HintSender, QueueUnavailable, make_app

    settings = load_settings()
    desk = _desk(settings)
    item = desk.find(wanted)
    claim_id = desk.redrive(item, reason)
    hints = HintSender(make_app(broker_of(settings, redis_url(settings)), settings.prefix))
    try:
        hints.send([claim_id])
    except QueueUnavailable:
        err.print("the broker did not take the hint; the producer sends it again within seconds")
    finally:
        hints.close()
    err.print(f"{item.digest[:12]} goes back to claimed/ and is read again; `imr tail` shows the result")


@group.command()
def discard(
    wanted: Id,
    *,
    reason: Annotated[str | None, typer.Option(help="Why the letter is given up; required.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Make a discarded letter a dead letter again.")] = False,
) -> None:
    """Give a letter up, with a reason. Its file is kept in review/discarded/, and --undo brings it back."""
    desk = _desk(load_settings())
    item = desk.find(wanted)
    if undo:
        desk.restore(item, reason)
        err.print(f"{item.digest[:12]} is a dead letter again")
        return
    if not (reason or "").strip():
        err.print("imr: a discard needs a reason, and nothing was changed; add --reason '...'")
        raise typer.Exit(ExitCode.USAGE)
    desk.discard(item, str(reason))
    err.print(f"{item.digest[:12]} is discarded; `imr dead-letters discard {item.digest[:12]} --undo` brings it back")


@group.command()
def sweep() -> None:
    """Finish decisions that a crash left half-done, repair what else it left, and print a line for each."""
    settings = load_settings()
    records = RedisRecords(connect(redis_url(settings)), Keys(settings.prefix))
    sweeper = Sweeper(Spool(settings.share), records, settings.max_letter_bytes, time.time)
    done = [*_desk(settings).sweep(), *sweeper.sweep()]
    for line in done:
        out.print(line, markup=False)
    err.print(f"{len(done)} findings" if done else "nothing to repair")


def _as_json(item: DeadItem) -> dict[str, Any]:
    return {"path": printable(item.path), "where": item.where, **item.report}
