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

COLUMNS: Final = 80
ROWS: Final = 24

_PIECE: Final = re.compile(r"\x1b\[(?P<arguments>[?0-9;]*)(?P<command>[A-Za-z])|(?P<char>.)", re.DOTALL)


class Screen:
    """What a terminal of 80 columns shows after some output; lines that were scrolled away are kept."""

    def __init__(self) -> None:
        self._lines: dict[int, list[str]] = {}
        self._row = self._column = 0

    def feed(self, output: str) -> None:
        """Take output: text, line ends and the control sequences that a redrawn line needs."""
        for piece in _PIECE.finditer(output):
            if piece["char"]:
                self._put(piece["char"])
            else:
                self._control(piece["command"], piece["arguments"])

    def _put(self, char: str) -> None:
        if char == "\n":
            self._row += 1
        elif char == "\r":
            self._column = 0
        else:
            if self._column == COLUMNS:
                self._row, self._column = self._row + 1, 0
            self._lines.setdefault(self._row, [" "] * COLUMNS)[self._column] = char
            self._column += 1

    def _control(self, command: str, arguments: str) -> None:
        match command:
            case "A":
                self._row -= int(arguments or 1)
            case "K":
                assert arguments == "2", "a line is erased whole"
                self._lines.pop(self._row, None)
            case "m" | "h" | "l":
                pass  # colors; the cursor hidden and shown
            case _:
                raise AssertionError(f"a control sequence that this screen does not know: {command} {arguments}")

    def lines(self) -> list[str]:
        """The lines from the top, without spaces at their ends."""
        return ["".join(self._lines.get(row, [])).rstrip() for row in range(max(self._lines, default=-1) + 1)]


def run_on_terminal(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, list[Screen]]:
    """Run a command on a terminal of 80x24: its exit code, and the screen after each time that it wrote."""
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
            screens.append(_screen(output))
    return process.wait(timeout=90), screens


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""  # the last process on it has ended


def _screen(output: bytes) -> Screen:
    screen = Screen()
    screen.feed(output.decode(errors="ignore"))
    return screen
