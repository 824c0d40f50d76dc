"""An operator's pause: a file in the share, `PAUSED.txt`, for as long as it is there.

Producers leave letters in the inbox while it exists, whatever it holds; workers finish what is claimed. It is kept in
the share and not in Redis: so it holds for every producer of that share on every host, survives restarts and a lost or
restored Redis, and is seen by people who have no other tool. The reason, an operator's own words, is nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

PAUSE_FILE: Final = "PAUSED.txt"
MAX_REASON_CHARS: Final = 500
_MAX_BYTES: Final = 8_192
_HEAD: Final = "The intake is paused: letters stay in the inbox until `imr resume`, or until this file is removed."


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused the intake, when, and why; None for what the file does not say, as if a person has made it by hand."""

    by: str | None
    since: datetime | None
    reason: str | None


def is_paused(share: str) -> bool:
    """Whether the intake of that share is paused. Raises OSError if the share cannot be looked at."""
    try:
        os.lstat(os.path.join(share, PAUSE_FILE))
    except FileNotFoundError:
        return False
    return True


def read_pause(share: Path) -> Pause | None:
    """The pause in force; None if there is none. Raises OSError if the share cannot be looked at."""
    if not is_paused(os.fspath(share)):
        return None
    fields = dict.fromkeys(("by", "since", "reason"), "")
    for line in _text(share / PAUSE_FILE).splitlines():
        name, _, value = line.partition(": ")
        if name in fields:
            fields[name] = value.strip()
    return Pause(fields["by"] or None, _moment(fields["since"]), fields["reason"] or None)


def write_pause(share: Path, pause: Pause) -> None:
    """Pause the intake, or replace the pause in force. Raises OSError; the file is written completely or not at all."""
    since = pause.since.isoformat(timespec="seconds") if pause.since is not None else ""
    lines = (_HEAD, "", f"by: {pause.by or ''}", f"since: {since}", f"reason: {_one_line(pause.reason or '')}", "")
    aside = share / f".{PAUSE_FILE}-{secrets.token_hex(8)}"
    try:
        aside.write_text("\r\n".join(lines), encoding="utf-8", errors="replace", newline="")
        aside.rename(share / PAUSE_FILE)
    finally:
        aside.unlink(missing_ok=True)


def end_pause(share: Path) -> None:
    """End the pause, if there is one. Raises OSError."""
    (share / PAUSE_FILE).unlink(missing_ok=True)


def _text(path: Path) -> str:
    """The text of the file; empty if it is not a regular file (a link, a pipe): it is a pause all the same."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    return ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_REASON_CHARS]
