"""How a file looked at one moment: a file has changed if a later sample of it differs."""

from __future__ import annotations

import os
import stat
import struct
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

Looks: TypeAlias = bytes
"""A sample packed into 36 bytes, because thousands are kept. Samples that differ give different bytes."""

_LOOKS: Final = struct.Struct("=QQQQI")
_64_BITS: Final = (1 << 64) - 1
"""What is kept of a time in nanoseconds. A file's mtime can be set to a year that takes more bits; then its ctime
differs."""


class FileSample(NamedTuple):
    """How a file looked at one moment."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int

    @property
    def looks(self) -> Looks:
        """The same packed, to be kept and compared."""
        times = self.mtime_ns & _64_BITS, self.ctime_ns & _64_BITS
        return _LOOKS.pack(self.size_bytes, *times, self.inode, self.links)


def sample_of(path: str) -> FileSample | None:
    """How the file looks now, links not followed; None for a folder, or if it is gone or cannot be examined now."""
    try:
        return _sample(os.lstat(path))
    except OSError:
        return None


def sample_of_entry(entry: os.DirEntry[str]) -> FileSample | None:
    """The same for an entry of a walk."""
    with suppress(OSError):
        return _sample(entry.stat(follow_symlinks=False))
    return None


def _sample(status: os.stat_result) -> FileSample | None:
    if stat.S_ISDIR(status.st_mode):
        return None
    return FileSample(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_nlink)
