"""`imr tail` and `imr status`: what came out, and whether everything is accounted for."""

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
from worker.entrypoints.cli.pause import told
from worker.operations.status import Balance, take_balance
from worker.operations.stream_health import limits_of, problems_of


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("tail")(tail)
    app.command("status")(status)


def tail(
    *,
    json: Annotated[bool, typer.Option("--json", help="Whole events, one JSON line each.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, or print what there is and exit.")] = True,
    group: Annotated[
        str, typer.Option(help="Consumer group; each gets every event. For a program of yours, name one of its own.")
    ] = TAIL_GROUP,
) -> None:
    """Print results and dead letters as they come, resuming where this group stopped."""
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
            err.print("stopped; the next `imr tail` goes on from here")


def _printer(reader: Reader, *, json: bool) -> Handle:
    def show(entry: Entry) -> None:
        try:
            if json:
                write_line(entry.data)
            else:
                print_event(out, entry.event())
        except BrokenPipeError:
            # The program that reads us has ended. This entry is shown the next time; nobody hears any more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            reader.stop()
            raise

    return show


def status(*, json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False) -> None:
    """Say what became of every letter, and whether the figures add up. Exits with 1 if they do not."""
    settings = load_settings()
    client = connect(redis_url(settings))
    keys = Keys(settings.prefix)
    account = take_balance(Spool(settings.share), RedisRecords(client, keys), client, keys)
    problems = problems_of(read_states(client, keys), keys, limits_of(settings), lost={})
    doubt, loss = ServerContinuity(client, keys).pending_check(), ServerContinuity(client, keys).loss()
    if json:
        more = {
            "unexplained": account.unexplained,
            "pause": read_pause(settings.share),
            "checking": doubt,
            "lost": loss,
            "stream_problems": problems,
        }
        write_line(orjson.dumps({**dataclasses.asdict(account), **more}, option=orjson.OPT_UTC_Z))
    else:
        _show(account)
        _show_doubt(doubt, loss)
        _show_pause(settings)
        for problem in problems:
            out.print(f"{problem.what} (`imr stream check`)", style="yellow", markup=False)
    raise typer.Exit(ExitCode.OK if account.closes else ExitCode.FAILED)


def _show(account: Balance) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for name in ("seen", "published", "dead", "discarded", "duplicate", "ignored", "in_flight"):
        table.add_row(name.replace("_", " "), f"{getattr(account, name):,}", _NOTES[name])
    unexplained = account.unexplained
    table.add_row("unexplained", f"{unexplained:,}", "", style="bold red" if unexplained else "green")
    out.print(table)
    if account.internal:
        what = f"{account.internal:,} of the dead letters were stopped by a fault of this software (code internal)"
        out.print(f"{what}: report it with the lines `letter failed` of the worker's log, and act on them by hand.")
    if account.lost_claims:
        out.print(f"{account.lost_claims} letters were begun, and their files are gone from claimed/", style="bold red")
    if account.holds:
        out.print(f"intake held: {'; '.join(account.holds)}", style="yellow")
    if not account.producers:
        out.print("no producer is running: letters stay in the inbox (`imr up` or `imr watch`)", style="yellow")
    for report in account.reports:
        _show_producer(report)


def _show_producer(report: ProducerReport) -> None:
    """How one producer watches, and what went wrong with that."""
    if report.trouble:
        out.print(f"the producer is in trouble: {report.trouble}", style="bold red", markup=False)
    out.print(f"new files are noticed by {report.watching} ({report.why})", markup=False)
    if report.repairs:
        causes = ", ".join(f"{cause} {times}" for cause, times in sorted(report.repairs.items()))
        out.print(f"events were lost, and the inbox was scanned for their files: {causes}", markup=False)
    folders = {"too deep": report.too_deep, "unreadable": report.unreadable, "unwatched": report.unwatched}
    told = ", ".join(f"{count:,} {what}" for what, count in folders.items() if count)
    if told:
        out.print(f"folders of the inbox: {told} (docs/intake.md)", style="yellow", markup=False)


def _show_pause(settings: Settings) -> None:
    pause = read_pause(settings.share)
    if pause is not None:
        out.print(f"paused {told(pause)}; `imr resume` opens the intake", style="yellow", markup=False)


def _show_doubt(doubt: PendingCheck | None, loss: RecordLoss | None) -> None:
    if doubt is not None:
        what = f"Redis was started anew or lost data (noticed {_minute(doubt.noticed_ms)})"
        progress = f"{doubt.checked:,} letters checked so far, {doubt.lost:,} of them to be published again"
        out.print(f"{what}: filed letters are held against their records, {progress}", style="yellow")
    if loss is not None:
        what = f"Redis lost the records of {loss.letters:,} letters (noticed {_minute(loss.noticed_ms)})"
        out.print(f"{what}; they were read again and published under the ids they had.", style="bold red")
        out.print("     -> `imr reconcile` finds nothing missing any more and ends this message; see the runbook")


def _minute(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


_NOTES = {
    "seen": "letters in the inbox and everything ever taken from it",
    "published": "results in the stream, letters in archive/",
    "dead": "in review/, waiting for a person (`imr dead-letters list`)",
    "discarded": "given up by a person, kept in review/discarded/",
    "duplicate": "further copies of the same bytes",
    "ignored": "in the inbox, no letters by their names",
    "in_flight": "in the inbox or claimed/, not finished yet",
}
