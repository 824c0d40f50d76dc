"""Ignored names in an inbox, which are not letters: temporary files, hidden files, files that desktops leave behind."""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 64
"""Depth limit of sub-folders, for producer and workers alike; those that people make have three or four levels."""

OWN_PREFIX: Final = ".imr-"
"""Files that this software puts into an inbox for a moment: trials, canary files, samples that are being written."""
CANARY_PREFIX: Final = f"{OWN_PREFIX}canary-"
"""A file with which the producer tests whether it gets file events."""
DONE_SUFFIX: Final = ".done"
"""`x.pdf.done` says that `x.pdf` is complete; see `IMR_COMPLETE`. It is never a letter, in any mode."""

_PREFIXES: Final = (
    ".",  # hidden files: temporary names of rsync, editors and file managers
    "~$",  # lock files of office programs
)
_SUFFIXES: Final = (
    "~",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".download",
    ".swp",
    ".error.json",  # sidecar files of letters: people copy them back together with the letter
    ".error.txt",
    ".extracted.txt",
    DONE_SUFFIX,
)
_NAMES: Final = frozenset({"thumbs.db", "desktop.ini"})


def is_ignored(name: str) -> bool:
    """Whether a file with that name is not a letter: hidden, or still being written under a temporary name."""
    name = name.lower()
    return name.startswith(_PREFIXES) or name.endswith(_SUFFIXES) or name in _NAMES


def is_own(name: str) -> bool:
    """Whether this software made the file; such files are not counted."""
    return name.startswith(OWN_PREFIX)


def ignore_rule(path: str) -> str | None:
    """The pattern that makes the file at that path (relative to the inbox) ignored; None if it is not ignored."""
    return next((rule for part in path.lower().split("/") if (rule := _rule_of(part)) is not None), None)


def _rule_of(name: str) -> str | None:
    rules = [f"{prefix}*" for prefix in _PREFIXES if name.startswith(prefix)]
    rules += [f"*{suffix}" for suffix in _SUFFIXES if name.endswith(suffix)]
    rules += [ignored for ignored in _NAMES if name == ignored]
    return rules[0] if rules else None


def may_be_letter(path: str) -> bool:
    """Whether to claim a file at that path (relative to the inbox): no part is ignored, and scans reach its depth."""
    if "/" not in path:
        return not is_ignored(path)
    parts = path.split("/")
    return len(parts) <= MAX_DEPTH + 1 and not any(is_ignored(part) for part in parts)
