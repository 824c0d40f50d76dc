"""The table of mounts, read again when it changes: the kernel says so to whoever polls it."""

from __future__ import annotations

import select
from contextlib import suppress
from typing import BinaryIO

from worker.adapters.share.mounts import MOUNT_TABLE, Mount, parse_mounts


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
