"""Whether the share is still there: an empty mount point is not an empty inbox.

While it is not, the producer touches nothing, so that nothing is made where the share should be; when it is back,
known by its id, work goes on by itself.

The table of mounts, read again when it changes: the kernel says so to whoever polls it.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from worker.adapters.share.identity import share_id
from worker.adapters.share.mounts import MOUNT_TABLE, Mount, mount_of, parse_mounts

log = logging.getLogger("imr.producer")

NOT_MOUNTED: Final = "the share is not mounted"
_GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV}

Identity = tuple[int, int, int | None]
"""Device and inode of the root, and the id of the mount it lies on."""


class MountGuard:
    """Watches over one share by who it is, not by what lies in it."""

    def __init__(self, share: str, own_id: str | None, table: MountTable) -> None:
        self._share = share
        self._id = own_id
        self._table = table
        self._identity: Identity | None = None
        self.trouble: str | None = None
        """Why the share cannot be used; None if it can."""

    def look(self) -> bool:
        """Look at the share; whether it was away until now."""
        before, self.trouble = self.trouble, self._trouble()
        if self.trouble is not None and self.trouble != before:
            log.error("%s: nothing is claimed until it is back", self.trouble)
        elif before is not None and self.trouble is None:
            log.warning("the share is back")
        return before is not None and self.trouble is None

    def _trouble(self) -> str | None:
        try:
            identity = self._seen()
            if identity == self._identity:
                return None
            found = share_id(Path(self._share)) if self._id is not None else None
        except OSError as error:
            return NOT_MOUNTED if error.errno in _GONE else f"the share does not answer (errno={error.errno})"
        if self._id is not None and self._identity is not None and found != self._id:
            return NOT_MOUNTED if found is None else "another share is mounted in its place"
        self._identity = identity
        return None

    def _seen(self) -> Identity:
        root = os.stat(self._share)
        mount = mount_of(os.path.realpath(self._share), self._table.mounts)
        return root.st_dev, root.st_ino, mount.mount_id if mount is not None else None


class MountTable:
    """This machine's table; one that cannot be read is empty and never changes."""

    def __init__(self, path: str = MOUNT_TABLE) -> None:
        self._poll = select.poll()
        self._table: BinaryIO | None = None
        self.mounts: tuple[Mount, ...] = ()
        """As they were at the last look."""
        self.version = 0
        """Another number after each change."""
        try:
            self._table = open(path, "rb", buffering=0)  # noqa: SIM115 - polled for as long as the producer runs
        except OSError:
            return
        self._poll.register(self._table, select.POLLERR | select.POLLPRI)
        self._read(self._table)

    def look(self) -> None:
        """Read it again if it has changed: one system call if it has not."""
        if self._table is not None and self._poll.poll(0):
            self._read(self._table)

    def close(self) -> None:
        """Leave it."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def _read(self, table: BinaryIO) -> None:
        with suppress(OSError):
            table.seek(0)
            self.mounts = parse_mounts(table.read().decode("utf-8", "surrogateescape"))
            self.version += 1
