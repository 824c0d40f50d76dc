"""`imr tail` and `imr status`: the results, and whether every letter is accounted for."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.table import Table

from worker.adapters.redis.producer_reports import ProducerReport
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import redis_url
from worker.adapters.redis.server_continuity import PendingCheck, RecordLoss, ServerContinuity
from worker.adapters.redis.stream_state import read_states
from worker.adapters.share.pause import read_pause
from worker.adapters.share.spool import Spool
from worker.contract.names import TAIL_GROUP, Keys
from worker.contract.reader import Entry, Handle, Reader
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, load_settings
from worker.entrypoints.cli.console import err, out, write_line
from worker.entrypoints.cli.event_line import print_event
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.entrypoints.cli.pause import pause_line
from worker.operations.status import Balance, take_balance
from worker.operations.stream_health import limits_of, problems_of


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("tail")(tail)
    app.command("status")(status)


def tail(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print whole events, each as one JSON line.")] = False,
    follow: Annotated[
        bool, typer.Option(help="Wait for further events, or print those that are there and exit.")
    ] = True,
    group: Annotated[
        str, typer.Option(help="Consumer group; each group gets every event. Give each of your programs its own.")
    ] = TAIL_GROUP,
) -> None:
    """Print results and dead letters as they come, from where this group stopped the last time."""
    settings = load_settings()
    keys = Keys(settings.prefix)
    reader = Reader(
        redis_url(settings), [keys.determinations, keys.dead_letters], group=group, consumer=socket.gethostname()
    )
    with reader:
        try:
            reader.drain(_printer(reader, json=json))
            if follow:
                reader.run(_printer(reader, json=json))
        except KeyboardInterrupt:
            err.print("stopped; the next `imr tail` continues from here")


def _printer(reader: Reader, *, json: bool) -> Handle:
    def show(entry: Entry) -> None:
        try:
            if json:
                write_line(entry.data)
            else:
                print_event(out, entry.event())
        except BrokenPipeError:
            # The program that reads this output has ended. The entry is shown the next time; the rest goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            reader.stop()
            raise

    return show


def status(*, json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False) -> None:
    """Print what became of all letters, and whether the figures add up. Exits with 1 if they do not."""
    settings = load_settings()
    client = connect(redis_url(settings))
    keys = Keys(settings.prefix)
    balance = take_balance(Spool(settings.share), RedisRecords(client, keys), client, keys)
    problems = problems_of(read_states(client, keys), keys, limits_of(settings), lost={})
    pending_check, loss = ServerContinuity(client, keys).pending_check(), ServerContinuity(client, keys).loss()
    if json:
        more = {
            "unexplained": balance.unexplained,
            "pause": read_pause(settings.share),
            "checking": pending_check,
            "lost": loss,
            "stream_problems": problems,
        }
        write_line(orjson.dumps({**dataclasses.asdict(balance), **more}, option=orjson.OPT_UTC_Z))
    else:
        _show(balance)
        _show_losses(pending_check, loss)
        _show_pause(settings)
        for problem in problems:
            out.print(f"{problem.what} (`imr stream check`)", style="yellow", markup=False)
    raise typer.Exit(ExitCode.OK if balance.closes else ExitCode.FAILED)


def _show(balance: Balance) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for name in ("seen", "published", "dead", "discarded", "duplicate", "ignored", "in_flight"):
        table.add_row(name.replace("_", " "), f"{getattr(balance, name):,}", _NOTES[name])
    unexplained = balance.unexplained
    table.add_row("unexplained", f"{unexplained:,}", "", style="bold red" if unexplained else "green")
    out.print(table)
    if balance.internal:
        what = f"{balance.internal:,} of the dead letters failed by a fault of this software (code internal)"
        out.print(
            f"{what}: report it with the lines `letter failed` of the worker's log, and handle these letters yourself."
        )
    if balance.lost_claims:
        out.print(f"{balance.lost_claims} letters were begun, and their files are gone from claimed/", style="bold red")
    if balance.holds:
        out.print(f"intake held: {'; '.join(balance.holds)}", style="yellow")
    if not balance.producers:
        out.print("no producer is running: letters stay in the inbox (`imr up` or `imr watch`)", style="yellow")
    for report in balance.reports:
        _show_producer(report)


def _show_producer(report: ProducerReport) -> None:
    """How a producer notices new files, and what went wrong with that."""
    if report.trouble:
        out.print(f"the producer has a problem: {report.trouble}", style="bold red", markup=False)
    out.print(f"new files are noticed by {report.watching} ({report.why})", markup=False)
    if report.repairs:
        causes = ", ".join(f"{cause} {times}" for cause, times in sorted(report.repairs.items()))
        out.print(f"file events were lost, and the inbox was scanned for their files: {causes}", markup=False)
    folders = {"too deep": report.too_deep, "unreadable": report.unreadable, "unwatched": report.unwatched}
    skipped = ", ".join(f"{count:,} {what}" for what, count in folders.items() if count)
    if skipped:
        out.print(f"folders of the inbox: {skipped} (docs/intake.md)", style="yellow", markup=False)


def _show_pause(settings: Settings) -> None:
    pause = read_pause(settings.share)
    if pause is not None:
        out.print(f"paused {pause_line(pause)}; `imr resume` reopens the intake", style="yellow", markup=False)


def _show_losses(pending_check: PendingCheck | None, loss: RecordLoss | None) -> None:
    if pending_check is not None:
        what = f"Redis was restarted or lost data (noticed {_minute(pending_check.noticed_ms)})"
        progress = (
            f"{pending_check.checked:,} letters so far, {pending_check.lost:,} of them without a record and read again"
        )
        out.print(f"{what}: filed letters are compared with their records, {progress}", style="yellow")
    if loss is not None:
        what = f"Redis lost the records of {loss.letters:,} letters (noticed {_minute(loss.noticed_ms)})"
        out.print(f"{what}; they were read again and published under the same ids.", style="bold red")
        out.print("     -> `imr reconcile` ends this message once no record is missing; see deploy/runbook.md")


def _minute(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


_NOTES = {
    "seen": "letters in the inbox, and all that were ever claimed from it",
    "published": "their results are in the stream, the letters in archive/",
    "dead": "in review/, waiting for a person (`imr dead-letters list`)",
    "discarded": "given up by a person, kept in review/discarded/",
    "duplicate": "further copies with the same bytes",
    "ignored": "in the inbox, with a name that is ignored",
    "in_flight": "in the inbox or claimed/, not finished yet",
}
