"""Two streams: results on standard output, narration and progress on standard error."""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console

out: Final = Console(highlight=False, soft_wrap=True)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def write_line(line: bytes) -> None:
    """One line of machine-readable output, whatever the terminal's encoding."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def printable(name: str) -> str:
    """A file name for people and JSON: one line, bytes that are no UTF-8 and control characters escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
