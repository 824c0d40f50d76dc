"""A command on a terminal of its own, and the screen that a person sees there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.docs.terminal import Terminal

COLUMNS: Final = 80
ROWS: Final = 24

_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")


def run_on_terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> tuple[int, list[list[str]]]:
    """Run a command on a terminal of 80x24: its exit code, and the lines of the screen after each write."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    output, screens = b"", []
    with os.fdopen(master, "rb", buffering=0) as terminal:
        while written := _read(terminal.fileno()):
            output += written
            screens.append(_lines(output))
    return process.wait(timeout=90), screens


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""  # the last process on it has ended


def _lines(output: bytes) -> list[str]:
    terminal = Terminal(COLUMNS)
    terminal.write(output.decode(errors="ignore"))
    return [_COLORS.sub("", line).rstrip() for line in terminal.lines()]
