"""Landlock: a kernel rule that takes all files from the reading process, except the few that it needs.

Landlock needs no privileges and works inside containers. Linux has it since 5.13. Older kernels, and those that were
started without it, refuse the first call; then this module does nothing.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System call numbers, the same on every architecture."""
_ASK_FOR_VERSION = 1
_PATH_BENEATH = 1

_READ = 0b1100
"""Read files, list folders."""
_ACCESS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_LATEST_ACCESS_BITS = 16
"""Kinds of file access that each version knows. All are handled, which means: refused unless a rule allows them."""
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11
"""Versions since which connections (TCP), and signals and sockets of other processes (scopes), can be refused."""


def leave_only(libc: ctypes.CDLL, readable: Iterable[str]) -> None:
    """Refuse, irrevocably, every access to files except reading below the folders `readable`, and every connection."""
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_FOR_VERSION)
    if version < 1:
        return
    rules = _rules(version)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.c_char_p(rules), len(rules), 0)
    for folder in readable:
        with suppress(OSError):
            _allow_reading(libc, ruleset, folder)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _rules(version: int) -> bytes:
    """What is handled. A kernel accepts fields that it does not know as long as they are 0."""
    files = (1 << _ACCESS_BITS.get(version, _LATEST_ACCESS_BITS)) - 1
    return struct.pack("QQQ", files, _TCP * (version >= _TCP_SINCE), _SCOPES * (version >= _SCOPES_SINCE))


def _allow_reading(libc: ctypes.CDLL, ruleset: int, folder: str) -> None:
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.c_char_p(struct.pack("=Qi", _READ, parent)), 0)
    finally:
        os.close(parent)
