"""How a file looked at one moment: what tells whether it has changed since."""

from __future__ import annotations

import os
import stat
import struct
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

Looks: TypeAlias = bytes
"""A sample in 36 bytes: thousands are kept. Two samples that differ never give the same."""

_LOOKS: Final = struct.Struct("=QQQQI")
_64_BITS: Final = (1 << 64) - 1
"""Of a time in nanoseconds: anybody can set a file's mtime to a year that takes more, and then its ctime differs."""


class FileSample(NamedTuple):
    """How a file looked at one moment."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int

    @property
    def looks(self) -> Looks:
        """The same, to be kept and compared."""
        times = self.mtime_ns & _64_BITS, self.ctime_ns & _64_BITS
        return _LOOKS.pack(self.size_bytes, *times, self.inode, self.links)


def sample_of(path: str) -> FileSample | None:
    """How the file looks now, links not followed; None for a folder, or if it is gone or cannot be looked at now."""
    try:
        return _sample(os.lstat(path))
    except OSError:
        return None


def sample_of_entry(entry: os.DirEntry[str]) -> FileSample | None:
    """The same of an entry of a walk."""
    with suppress(OSError):
        return _sample(entry.stat(follow_symlinks=False))
    return None


def _sample(found: os.stat_result) -> FileSample | None:
    if stat.S_ISDIR(found.st_mode):
        return None
    return FileSample(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_nlink)
