"""The folders of the share: four, on one file system, writable. Made and tried when a service starts."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.names import CLAIMED, FOLDERS, INBOX

PROBE_PREFIX: Final = ".imr-check-"
PROBE_LEFT_NS: Final = 60 * 1_000_000_000
"""A probe file older than this (ns) was left by a service that was killed while it tried; trying takes milliseconds."""


class ShareUnavailable(Exception):
    """The share cannot be reached by a command."""


@contextlib.contextmanager
def share_reached(share: Path) -> Iterator[None]:
    """Turn every OSError in this block into `ShareUnavailable`; raise it at once for a folder that is no share."""
    if not (share / INBOX).is_dir():
        raise ShareUnavailable(f"{share} is not a share: there is no {INBOX}/ in it (IMR_SHARE)")
    try:
        yield
    except OSError as error:
        raise ShareUnavailable(f"this user cannot do that in the share {share} ({error.strerror})") from error


def prepare(share: Path) -> None:
    """Make the folders of the share, and check that files can be claimed in it. Raises `StartRefused`."""
    try:
        share.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            (share / folder).mkdir(exist_ok=True)
        problems = share_problems(share)
    except OSError as error:
        what = f"the folders of the share {share} cannot be created or read ({error.strerror})"
        raise StartRefused([Problem(what, "give this user write permission there, or set IMR_SHARE")]) from error
    if problems:
        raise StartRefused(problems)


def share_problems(share: Path) -> list[Problem]:
    """Why the share cannot be used; empty if it can. Raises OSError if its folders cannot be looked at."""
    missing = [folder for folder in FOLDERS if not (share / folder).is_dir()]
    if missing:
        return [Problem(f"{', '.join(missing)} missing in {share}", "start the producer once, or make the folders")]
    devices = {(share / folder).stat().st_dev for folder in FOLDERS}
    if len(devices) > 1:
        return [
            Problem(
                "the folders of the share lie on different file systems, where a rename is a copy",
                "put inbox/, claimed/, archive/ and review/ on one file system",
            )
        ]
    return _rename_problems(share)


def _rename_problems(share: Path) -> list[Problem]:
    """Try what a claim does, with a probe file."""
    name = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
    made, moved = share / INBOX / name, share / CLAIMED / name
    try:
        made.touch(exist_ok=False)
        _remove_left_probes(share, made.stat().st_mtime_ns)
        os.rename(made, moved)
    except OSError as error:
        return [
            Problem(
                f"files cannot be renamed from inbox/ to claimed/ in {share} ({error.strerror})",
                "mount the share writable, and give this user write permission in its folders",
            )
        ]
    finally:
        made.unlink(missing_ok=True)
        moved.unlink(missing_ok=True)
    return []


def _remove_left_probes(share: Path, now_ns: int) -> None:
    """Remove probe files that a killed service left. `now_ns` is the file server's time, as the times of the files."""
    for folder in (INBOX, CLAIMED):
        with os.scandir(share / folder) as entries:
            for left in [entry for entry in entries if entry.name.startswith(PROBE_PREFIX)]:
                with contextlib.suppress(FileNotFoundError):
                    if now_ns - left.stat().st_mtime_ns > PROBE_LEFT_NS:
                        os.unlink(left.path)
