"""The share as every service needs it: four folders on one file system, writable."""

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
"""A file of ours that is older was left by a service that was killed while it tried; trying takes milliseconds."""


class ShareUnavailable(Exception):
    """The share cannot be reached by a command."""


@contextlib.contextmanager
def share_reached(share: Path) -> Iterator[None]:
    """Whatever the file system refuses in this block, and a share that is none, as `ShareUnavailable`."""
    if not (share / INBOX).is_dir():
        raise ShareUnavailable(f"{share} is no share, there is no {INBOX}/ in it (IMR_SHARE)")
    try:
        yield
    except OSError as error:
        raise ShareUnavailable(f"the share {share} does not let this user do that ({error.strerror})") from error


def prepare(share: Path) -> None:
    """Make the folders of the share and see that files can be claimed in it. Raises `StartRefused`."""
    try:
        share.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            (share / folder).mkdir(exist_ok=True)
        problems = share_problems(share)
    except OSError as error:
        what = f"the folders of the share {share} cannot be made or looked at ({error.strerror})"
        raise StartRefused([Problem(what, "give this user write permission there, or set IMR_SHARE")]) from error
    if problems:
        raise StartRefused(problems)


def share_problems(share: Path) -> list[Problem]:
    """What keeps the share from being used; empty if nothing does."""
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
    """Try what a claim does, with a file of our own."""
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
    """Remove what a service that was killed while it tried has left; `now_ns` is the file server's time, as theirs."""
    for folder in (INBOX, CLAIMED):
        with os.scandir(share / folder) as entries:
            for left in [one for one in entries if one.name.startswith(PROBE_PREFIX)]:
                with contextlib.suppress(FileNotFoundError):
                    if now_ns - left.stat().st_mtime_ns > PROBE_LEFT_NS:
                        os.unlink(left.path)
