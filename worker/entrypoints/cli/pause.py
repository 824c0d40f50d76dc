"""`imr pause` and `imr resume`: an operator stops and reopens the intake."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from worker.adapters.share.folders import share_reached
from worker.adapters.share.pause import MAX_REASON_CHARS, PAUSE_FILE, Pause, end_pause, read_pause, write_pause
from worker.contract.settings import load_settings
from worker.entrypoints.cli.console import err, printable

_REASON: Final = f"Why; at most {MAX_REASON_CHARS} characters, shown by `imr status`."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pause")(pause)
    app.command("resume")(resume)


def pause(*, reason: Annotated[str | None, typer.Option(help=_REASON)] = None) -> None:
    """Pause the intake: letters stay in the inbox, and claimed letters are finished. Lasts until `imr resume`."""
    settings = load_settings()
    with share_reached(settings.share):
        earlier = read_pause(settings.share)
        write_pause(settings.share, Pause(user_name(), datetime.now(UTC), reason))
    if earlier is not None:
        err.print(f"the intake was paused already, {pause_line(earlier)}", markup=False)
    err.print("the intake is paused: within seconds, every producer of this share leaves new letters in the inbox,")
    err.print(
        f"and workers finish the claimed ones. {PAUSE_FILE} in the share says so, too. `imr resume` reopens the intake."
    )


def resume() -> None:
    """Reopen the intake after `imr pause`."""
    settings = load_settings()
    with share_reached(settings.share):
        earlier = read_pause(settings.share)
        end_pause(settings.share)
    err.print(
        f"the intake is open again; it was paused {pause_line(earlier)}" if earlier else "the intake was not paused"
    )


def pause_line(pause: Pause) -> str:
    """Who, since when and why, in one line."""
    by = f"by {printable(pause.by)}" if pause.by else "by somebody"
    since = f" since {pause.since.astimezone():%Y-%m-%d %H:%M %Z}" if pause.since is not None else ""
    return f"{by}{since}{': ' + printable(pause.reason) if pause.reason else ''}"


def user_name() -> str:
    """The user's name as the operating system knows it; in a container there may be only a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
