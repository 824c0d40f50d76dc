"""Two streams: results on standard output, narration and progress on standard error."""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console

_PIPED_WIDTH: Final = 500
"""Columns of a table that goes to a file or another program: there, nothing is cut to fit a screen."""

out: Final = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def write_line(line: bytes) -> None:
    """One line of machine-readable output, whatever the terminal's encoding."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def printable(name: str) -> str:
    """A file name for people and JSON: one line, bytes that are no UTF-8 and control characters escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
