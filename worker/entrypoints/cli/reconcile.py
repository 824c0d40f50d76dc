"""`imr reconcile`: hold the filed letters against their records by hand, after Redis lost some."""

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
from worker.operations.reconcile import DAY_MS, Checked, Since, back_to, batches, make_reconciler


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    *,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Letters filed that day or later.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter in archive/ and review/.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be read again.")] = False,
) -> None:
    """Check that Redis knows what became of each filed letter; those that it has lost are read again.

    Producers and workers do this by themselves when Redis was restarted or lost. Without an option: the last
    IMR_RECONCILE_DAYS days. May be run at any time and repeated; letters that are recorded are left alone.
    """
    settings = load_settings()
    client = connect(redis_url(settings))
    reconciler = make_reconciler(settings, RedisRecords(client, Keys(settings.prefix)), dry_run=dry_run)
    found = Checked()
    for batch in batches(reconciler.filed(_since(settings, since, everything=everything))):
        reconciler.check(batch, found)
        err.print(f"{found.letters} checked, {found.lost} without a record", end="\r")
    err.print(_told(found, dry_run=dry_run))
    if since is None and not (dry_run or found.lost or found.unread):
        ServerContinuity(client, Keys(settings.prefix)).acknowledge_loss()
    raise typer.Exit(ExitCode.FAILED if found.unread else ExitCode.OK)


def _since(settings: Settings, since: datetime | None, *, everything: bool) -> Since:
    if everything:
        return Since(0, date.min)
    if since is not None:
        return Since(int(since.replace(tzinfo=settings.zone).timestamp() * 1000), date.min)
    return back_to(int(datetime.now(UTC).timestamp() * 1000) - settings.reconcile_days * DAY_MS, settings.zone)


def _told(found: Checked, *, dry_run: bool) -> str:
    sentence = f"{found.letters} letters checked, {found.lost} without a record"
    if found.lost:
        sentence += (
            ": they would be read again" if dry_run else ": they are read again; `imr tail` shows what comes of it"
        )
    if found.unread:
        sentence += f"; {found.unread} may not be opened by this user, and were not checked"
    return sentence
