"""A sample of a file (size, times, inode, links) at one moment: two samples show whether it changed in between."""

from __future__ import annotations

import os
import stat
import struct
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

Fingerprint: TypeAlias = bytes
"""A sample in 36 bytes: thousands are kept. Different samples have different fingerprints."""

_FINGERPRINT: Final = struct.Struct("=QQQQI")
_64_BITS: Final = (1 << 64) - 1
"""Bits kept of a time in nanoseconds: a writer can set an mtime that needs more, but its ctime then changes too."""


class FileSample(NamedTuple):
    """What `lstat` says of a file at one moment."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int

    @property
    def fingerprint(self) -> Fingerprint:
        """The sample in a form to be kept and compared."""
        times = self.mtime_ns & _64_BITS, self.ctime_ns & _64_BITS
        return _FINGERPRINT.pack(self.size_bytes, *times, self.inode, self.links)


def sample_of(path: str) -> FileSample | None:
    """The file now, links not followed. None for a folder, or if it is gone or `lstat` fails."""
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
