"""Whether the share is the share: an empty mount point looks like a share from which everything is gone.

A share is known by a random id in `.imr/share-id`. A state folder that lies elsewhere remembers the id, so that a
machine on which the share is not mounted yet does not take the bare mount point for a new share and fill it.
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
    """The share's id; None if it has none. Raises OSError if that cannot be told."""
    try:
        told = (share / STATE / MARKER).read_text("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return told if _ID.fullmatch(told) else None


def absence(share: Path, state_folder: Path) -> Problem | None:
    """Why this cannot be the share that was used here before; None if it can. Looks only, and makes nothing."""
    memory = _memory(share, state_folder)
    expected = _remembered(memory)
    if memory is None or expected is None:
        return None
    try:
        found = share_id(share)
    except OSError as error:
        return Problem(f"the share {share} does not answer (errno={error.errno})", "see that it is mounted")
    if found == expected:
        return None
    meant = f"if this folder is meant to be the share from now on, remove {memory}"
    if found is None:
        return Problem(f"the share {share} is not mounted", f"mount it; {meant}")
    return Problem(f"another share than before is mounted on {share}", f"mount the right one; {meant}")


def adopt(share: Path, state_folder: Path) -> str | None:
    """Give the share an id unless it has one, and remember it; None if it cannot have one (read-only)."""
    with suppress(OSError):
        if share_id(share) is None:
            (share / STATE).mkdir(mode=0o700, exist_ok=True)
            _write(share / STATE / MARKER, secrets.token_hex(16))
        told, memory = share_id(share), _memory(share, state_folder)
        if told is not None and memory is not None and _remembered(memory) != told:
            memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(memory, told)
        return told
    return None


def _memory(share: Path, state_folder: Path) -> Path | None:
    """Where this machine remembers the id of that share; None if its state lies in the share itself."""
    real, state = os.path.realpath(share), os.path.realpath(state_folder)
    if state == real or state.startswith(real.rstrip("/") + "/"):
        return None
    return Path(state) / f"share-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.id"


def _remembered(memory: Path | None) -> str | None:
    if memory is not None:
        with suppress(OSError):
            return memory.read_text("ascii", "replace").strip() or None
    return None


def _write(path: Path, told: str) -> None:
    """Write the file whole or not at all."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("x") as file:
            file.write(told + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
