"""`imr up` and `imr watch`: run the services on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from worker.contract.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("watch")(watch)


def up(
    *,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = os.cpu_count() or 1,
    sample: Annotated[
        bool, typer.Option("--sample", help="Drop sample letters into the inbox; one of them is broken.")
    ] = False,
    drain: Annotated[bool, typer.Option("--drain", help="Stop when no letter waits any more.")] = False,
) -> None:
    """Run everything on this machine: an embedded Redis (unless IMR_REDIS_URL is set), producer, workers, live view.

    Ctrl-C stops everything in order; no letter is lost.
    """
    from worker.entrypoints.live_view import live_view
    from worker.entrypoints.supervisor import Supervisor, UpOptions

    settings = load_settings()
    raise typer.Exit(Supervisor(settings, UpOptions(workers, sample=sample, drain=drain), live_view()).run())


def watch() -> None:
    """Run the producer alone: watch the inbox, claim letters, send hints."""
    from producer.__main__ import main

    raise typer.Exit(main())
