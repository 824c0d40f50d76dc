"""Sole ownership of a file by one rename: from `inbox/` to `claimed/` under a fresh claim id.

rename(2) is atomic: of two producers, on whatever hosts, one moves the file and the other finds it gone. Nothing is
opened, and a link, a FIFO or a device is moved as what it is: a worker judges it, and it ends in review with a reason.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import Final

from worker.adapters.share.walk import open_below
from worker.contract.claim_ids import SEPARATOR, new_claim_id
from worker.contract.filenames import DONE_SUFFIX
from worker.contract.names import CLAIMED, INBOX, stored_name

_TRIES: Final = 10
"""Workers prune a folder of `claimed/` whenever it is empty, so it can vanish between its making and the rename: a
matter of microseconds, not lost so often in a row."""


class Claimer:
    """Claims files of one share."""

    def __init__(self, share: str, wall_clock_ms: Callable[[], int], *, with_done_files: bool = False) -> None:
        """`with_done_files`: a claim takes `<name>.done` away too, once it has the letter.

        In that order a crash in between leaves a done-file without a letter, never a letter that nothing speaks for.
        """
        self.inbox: Final = os.path.join(share, INBOX)
        self._claimed = os.path.join(share, CLAIMED)
        self._now_ms = wall_clock_ms
        self._with_done_files = with_done_files

    def claim(self, path: str) -> str | None:
        """Move the file `path` (relative to the inbox) to `claimed/`; its claim id, or None if it was gone.

        Raises OSError if the file system refuses; the file is then still in the inbox, and the next scan finds it.
        """
        folder, name = os.path.split(path)
        try:
            source = open_below(self.inbox, folder, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.isdir(self.inbox):
                raise
            return None
        try:
            claim_id = self._claim(source, folder, name)
            if claim_id is not None and self._with_done_files:
                with contextlib.suppress(OSError):
                    os.unlink(name + DONE_SUFFIX, dir_fd=source)
        finally:
            os.close(source)
        return claim_id

    def _claim(self, source: int, folder: str, name: str) -> str | None:
        claim_id = new_claim_id(self._now_ms())
        target = os.path.join(self._claimed, folder)
        renamed = os.path.join(target, stored_name(name, claim_id + SEPARATOR))
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, renamed, src_dir_fd=source)
                if _is_file(renamed):
                    return claim_id
                # A folder took the file's place in this very moment. In claimed/ nobody would look into it.
                _put_back(renamed, source, name)
                return None
            if not _is_in(source, name):
                return None
            # The folder in claimed/ is made on first use.
            with contextlib.suppress(FileNotFoundError):
                os.makedirs(target, exist_ok=True)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _is_file(path: str) -> bool:
    """Whether it is no folder; links are not followed. What a worker has filed away already was none."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _put_back(renamed: str, folder: int, name: str) -> None:
    """Back to the inbox: by its own name, or by the claimed one if that is taken by now."""
    try:
        os.rename(renamed, name, dst_dir_fd=folder)
    except OSError:
        os.rename(renamed, os.path.basename(renamed), dst_dir_fd=folder)


def _is_in(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True
