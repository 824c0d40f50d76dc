"""Detecting an unmounted share: an empty mount point must not be taken for an empty inbox.

While the share is away, the producer touches nothing, so that nothing is created where the share should be. When it is
back, which its id proves, work goes on by itself.

The guard notices another mount in the same place by the table of mounts. The kernel reports changes of that table to
any process that polls it, so it is read again only then.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from worker.adapters.logs import LogOnChange
from worker.adapters.share.identity import share_id
from worker.adapters.share.mounts import MOUNT_TABLE, Mount, mount_of, parse_mounts

log = logging.getLogger("imr.producer")

NOT_MOUNTED: Final = "the share is not mounted"
_GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV}

Identity: TypeAlias = tuple[int, int, int | None]
"""Device and inode of the root of the share, and the id of the mount that it lies on."""


class MountTable:
    """This machine's table of mounts; if it cannot be read, it is empty and never changes."""

    def __init__(self, path: str = MOUNT_TABLE) -> None:
        self._poll = select.poll()
        self._file: BinaryIO | None = None
        self.mounts: tuple[Mount, ...] = ()
        """The mounts at the last refresh."""
        self.version = 0
        """Another number after each change."""
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - polled for as long as the producer runs
        except OSError:
            return
        self._poll.register(self._file, select.POLLERR | select.POLLPRI)
        self._read(self._file)

    def refresh(self) -> None:
        """Read the table again if it has changed: one system call if it has not."""
        if self._file is not None and self._poll.poll(0):
            self._read(self._file)

    def close(self) -> None:
        """Close the table; it never changes again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, file: BinaryIO) -> None:
        with suppress(OSError):
            file.seek(0)
            self.mounts = parse_mounts(file.read().decode("utf-8", "surrogateescape"))
            self.version += 1


class MountGuard:
    """Watches whether a share is there: by its identity and its id, not by what lies in it."""

    def __init__(self, share: str, own_id: str | None, table: MountTable) -> None:
        """`own_id` is the id of the share; None if it has none."""
        self._share = share
        self._own_id = own_id
        self._table = table
        self._identity: Identity | None = None
        """The identity that was last seen with the right id."""
        self.trouble: str | None = None
        """Why the share cannot be used; None if it can."""
        self._changes = LogOnChange(log)

    def check(self) -> bool:
        """Look at the share; whether it is there again after it was away."""
        was_away, self.trouble = self.trouble is not None, self._find_trouble()
        if self.trouble is not None:
            self._changes.log(self.trouble, logging.ERROR, "%s: nothing is claimed until it is back", self.trouble)
            return False
        self._changes.log(None, logging.WARNING, "the share is back")
        return was_away

    def _find_trouble(self) -> str | None:
        try:
            identity = self._current_identity()
            if identity == self._identity:
                return None
            current_id = share_id(Path(self._share)) if self._own_id is not None else None
        except OSError as error:
            return NOT_MOUNTED if error.errno in _GONE else f"the share does not answer (errno={error.errno})"
        # At the first check the caller has just read or written the id.
        if self._own_id is not None and self._identity is not None and current_id != self._own_id:
            return NOT_MOUNTED if current_id is None else "another share is mounted in its place"
        self._identity = identity
        return None

    def _current_identity(self) -> Identity:
        root = os.stat(self._share)
        mount = mount_of(os.path.realpath(self._share), self._table.mounts)
        return root.st_dev, root.st_ino, mount.mount_id if mount is not None else None
