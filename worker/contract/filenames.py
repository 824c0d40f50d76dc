"""Which names in an inbox are no letters: temporary names, hidden files, what desktops leave behind."""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 64
"""Sub-folders deeper than this are not looked into, here or by the workers; people's have three or four levels."""

OWN_PREFIX: Final = ".imr-"
"""Files of our own that live in an inbox for a moment: trials, canaries, samples that are being written."""
CANARY_PREFIX: Final = f"{OWN_PREFIX}canary-"
"""A file by which the producer tries whether it hears of new files."""
DONE_SUFFIX: Final = ".done"
"""`x.pdf.done` says that `x.pdf` is complete; see `IMR_COMPLETE`. It is a letter in no mode."""

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
    ".error.json",  # what lies beside a dead letter and a published one: people put all of it back together
    ".error.txt",
    ".extracted.txt",
    DONE_SUFFIX,
)
_NAMES: Final = frozenset({"thumbs.db", "desktop.ini"})


def is_ignored(name: str) -> bool:
    """Whether a file of that name is no letter: hidden, or being written under a temporary name."""
    name = name.lower()
    return name.startswith(_PREFIXES) or name.endswith(_SUFFIXES) or name in _NAMES


def is_own(name: str) -> bool:
    """Whether it is the name of a file of ours, which is counted nowhere."""
    return name.startswith(OWN_PREFIX)


def junk_rule(path: str) -> str | None:
    """The pattern by which a part of that path (relative to the inbox) makes the file no letter; None if none does."""
    return next((rule for part in path.lower().split("/") if (rule := _rule_of(part)) is not None), None)


def _rule_of(name: str) -> str | None:
    rules = [f"{one}*" for one in _PREFIXES if name.startswith(one)]
    rules += [f"*{one}" for one in _SUFFIXES if name.endswith(one)]
    rules += [one for one in _NAMES if name == one]
    return rules[0] if rules else None


def may_be_letter(path: str) -> bool:
    """Whether a file at that path (relative to the inbox) is to be claimed: no part is junk, and a scan reaches it."""
    if "/" not in path:
        return not is_ignored(path)
    parts = path.split("/")
    return len(parts) <= MAX_DEPTH + 1 and not any(is_ignored(part) for part in parts)
