"""Which names in an inbox are no letters: temporary names, hidden files, what desktops leave behind."""

from __future__ import annotations

import fnmatch
import re
from typing import Final

MAX_DEPTH: Final = 64
"""Sub-folders deeper than this are not looked into, here or by the workers; people's have three or four levels."""

_JUNK: Final = (
    ".*",  # hidden files: temporary names of rsync, editors and file managers
    "~$*",  # lock files of office programs
    "*~",
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "*.download",
    "*.swp",
    "thumbs.db",
    "desktop.ini",
    "*.error.json",  # what lies beside a dead letter and a published one: people put all of it back together
    "*.error.txt",
    "*.extracted.txt",
)
_junk: Final = re.compile("|".join(fnmatch.translate(pattern) for pattern in _JUNK), re.DOTALL)


def is_junk(name: str) -> bool:
    """Whether a file of that name is no letter: hidden, or being written under a temporary name."""
    return _junk.match(name.lower()) is not None


def junk_rule(path: str) -> str | None:
    """The pattern by which a part of that path (relative to the inbox) makes the file no letter; None if none does."""
    parts = path.lower().split("/")
    rules = (one for part in parts for one in _JUNK if re.fullmatch(fnmatch.translate(one), part, re.DOTALL))
    return next(rules, None)


def may_be_letter(path: str) -> bool:
    """Whether a file at that path (relative to the inbox) is to be claimed: no part is junk, and a scan reaches it."""
    parts = path.split("/")
    return len(parts) <= MAX_DEPTH + 1 and not any(is_junk(part) for part in parts)
