"""The identity of the share: an empty mount point looks like a share from which everything is gone.

A share has a random id in `.imr/share-id`. A state folder outside the share remembers the id, so that a machine on
which the share is not mounted yet does not take the empty mount point for a new share and fill it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from worker.adapters.start_problem import Problem
from worker.contract.names import STATE

MARKER: Final = "share-id"
_ID: Final = re.compile(r"[0-9a-f]{32}")


def share_id(share: Path) -> str | None:
    """The share's id, 32 hexadecimal digits; None if it has none. Raises OSError if its file cannot be read."""
    try:
        text = (share / STATE / MARKER).read_text("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return text if _ID.fullmatch(text) else None


def identity_problem(share: Path, state_folder: Path) -> Problem | None:
    """Why this cannot be the share that was used here before; None if it can be. Only looks, and creates nothing."""
    memory = _memory(share, state_folder)
    expected = _remembered(memory)
    if memory is None or expected is None:
        return None
    try:
        mounted = share_id(share)
    except OSError as error:
        return Problem(f"the share {share} does not answer (errno={error.errno})", "make sure that it is mounted")
    if mounted == expected:
        return None
    if_meant = f"if this folder is meant to be the share from now on, remove {memory}"
    if mounted is None:
        return Problem(f"the share {share} is not mounted", f"mount it; {if_meant}")
    return Problem(f"another share than before is mounted on {share}", f"mount the right one; {if_meant}")


def adopt(share: Path, state_folder: Path) -> str | None:
    """Give the share an id unless it has one, and remember it. The id; None if it can have none (read-only)."""
    with suppress(OSError):
        if share_id(share) is None:
            (share / STATE).mkdir(mode=0o700, exist_ok=True)
            _write(share / STATE / MARKER, secrets.token_hex(16))
        mounted, memory = share_id(share), _memory(share, state_folder)
        if mounted is not None and memory is not None and _remembered(memory) != mounted:
            memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(memory, mounted)
        return mounted
    return None


def _memory(share: Path, state_folder: Path) -> Path | None:
    """The file in which this machine remembers the id of that share; None if its state lies in the share itself."""
    real, state = os.path.realpath(share), os.path.realpath(state_folder)
    if state == real or state.startswith(real.rstrip("/") + "/"):
        return None
    return Path(state) / f"share-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.id"


def _remembered(memory: Path | None) -> str | None:
    if memory is not None:
        with suppress(OSError):
            return memory.read_text("ascii", "replace").strip() or None
    return None


def _write(path: Path, text: str) -> None:
    """Write the file completely or not at all."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("x") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
