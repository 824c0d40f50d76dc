"""`imr reconcile`: compare the filed letters with their records, after Redis lost some."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import redis_url
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, load_settings
from worker.entrypoints.cli.console import err
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.operations.filed_letters import CheckWindow, window_since
from worker.operations.reconcile import DAY_MS, CheckProgress, batches, make_reconciler


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    *,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Check letters filed that day or later.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check every letter in archive/ and review/.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be read again.")] = False,
) -> None:
    """Check that Redis has the record of each filed letter; letters whose records are lost are read again.

    Producers and workers do this by themselves when Redis was restarted or lost. Without an option, letters of the
    last IMR_RECONCILE_DAYS days are checked. The command may be run at any time and repeated: letters that have their
    records are left alone.
    """
    settings = load_settings()
    client = connect(redis_url(settings))
    reconciler = make_reconciler(settings, RedisRecords(client, Keys(settings.prefix)), dry_run=dry_run)
    progress = CheckProgress()
    for batch in batches(reconciler.filed(_window(settings, since, everything=everything))):
        reconciler.check(batch, progress)
        err.print(f"{progress.letters} checked, {progress.lost} without a record", end="\r")
    err.print(_result(progress, dry_run=dry_run))
    if since is None and not (dry_run or progress.lost or progress.unread):
        ServerContinuity(client, Keys(settings.prefix)).acknowledge_loss()
    raise typer.Exit(ExitCode.FAILED if progress.unread else ExitCode.OK)


def _window(settings: Settings, since: datetime | None, *, everything: bool) -> CheckWindow:
    if everything:
        return CheckWindow(0, date.min)
    if since is not None:
        return CheckWindow(int(since.replace(tzinfo=settings.zone).timestamp() * 1000), date.min)
    return window_since(int(datetime.now(UTC).timestamp() * 1000) - settings.reconcile_days * DAY_MS, settings.zone)


def _result(progress: CheckProgress, *, dry_run: bool) -> str:
    sentence = f"{progress.letters} letters checked, {progress.lost} without a record"
    if progress.lost:
        sentence += ": they would be read again" if dry_run else ": they are read again; `imr tail` shows the results"
    if progress.unread:
        sentence += f"; {progress.unread} could not be checked, because this user may not open them"
    return sentence
