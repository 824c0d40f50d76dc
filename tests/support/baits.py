"""Bait files that must not be read: the kernel reports each open."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

_IN_ACCESS: Final = 0x1
_IN_OPEN: Final = 0x20
_EVENT: Final = struct.Struct("iIII")
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Baits:
    """Watches whether files and folders are opened or read, under any name, until closed."""

    def __init__(self, *paths: Path) -> None:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())
        self._names = {self._watch(path): path.name for path in paths}

    def _watch(self, path: Path) -> int:
        watch = int(_libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_ACCESS | _IN_OPEN))
        assert watch >= 0, f"{path.name}: {os.strerror(ctypes.get_errno())}"
        return watch

    def taken(self) -> list[str]:
        """Names of the baits that were opened or read since the last call."""
        try:
            events = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return []
        names, start = set(), 0
        while start < len(events):
            watch, _, _, length = _EVENT.unpack_from(events, start)
            names.add(self._names[watch])
            start += _EVENT.size + length
        return sorted(names)

    def close(self) -> None:
        os.close(self._descriptor)
