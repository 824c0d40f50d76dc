"""Two streams: results on standard output; messages, progress and errors on standard error."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Final

from rich.console import Console

_PIPED_WIDTH: Final = 500
"""Columns of a table that goes to a file or another program: there, nothing is cut to fit a screen."""

out: Final = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def print_wrapped(console: Console, sentence: str, style: str | None = None) -> None:
    """Print a sentence broken between words on a terminal, and as one line everywhere else.

    A word longer than the screen (a path) is left whole, so that it can be copied.
    """
    if console.is_terminal:
        sentence = textwrap.fill(sentence, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(sentence, style=style, markup=False)


def write_line(line: bytes) -> None:
    """Write one line of machine-readable output, whatever the terminal's encoding."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def printable(name: str) -> str:
    """A file name for people and JSON: one line, bytes that are no UTF-8 and control characters escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
