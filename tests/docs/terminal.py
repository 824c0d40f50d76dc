"""A terminal of one screen without an end: what a program has written, as it stands there afterwards.

Understands what rich writes: text, line feeds, colors, moves of the cursor, and the clearing of lines. Other sequences
(hidden cursor, titles) change nothing that is seen.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
    r"\x1b\[(?P<values>[\d;?]*)(?P<command>[A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|(?P<char>.)", re.DOTALL
)

_BLANK: Final = "\x1b[0m"


class Terminal:
    """Lines of cells; each cell is a character with the color sequence in force when it was written."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lines: list[dict[int, tuple[str, str]]] = [{}]
        self._row = self._column = 0
        self._colors = ""

    def write(self, output: str) -> None:
        """Take what a program has written."""
        for token in _TOKEN.finditer(output):
            if token["char"] is not None:
                self._put(token["char"])
            elif token["command"] is not None:
                self._obey(token["command"], token["values"])

    def lines(self) -> list[str]:
        """Every line with its colors as escape sequences, blank ones at the end left out."""
        lines = [self._line(cells) for cells in self._lines]
        while lines and lines[-1] == _BLANK:
            lines.pop()
        return lines

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._move(self._row + 1)
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char >= " ":
            if self._column == self._columns:
                self._move(self._row + 1)
                self._column = 0
            self._lines[self._row][self._column] = (self._colors, char)
            self._column += 1

    def _move(self, row: int) -> None:
        self._row = max(0, row)
        while len(self._lines) <= self._row:
            self._lines.append({})

    def _obey(self, command: str, values: str) -> None:
        count = int(values) if values.isdigit() else 0
        match command:
            case "m":
                self._colors = "" if values in ("", "0") else self._colors + f"\x1b[{values}m"
            case "A" | "F":
                self._move(self._row - max(1, count))
            case "B" | "E":
                self._move(self._row + max(1, count))
            case "C":
                self._column = min(self._columns, self._column + max(1, count))
            case "D":
                self._column = max(0, self._column - max(1, count))
            case "G":
                self._column = max(0, count - 1)
            case "K":
                self._clear(count)
            case "J":
                self._clear(count)
                del self._lines[self._row + 1 :]
        if command in "EF":
            self._column = 0

    def _clear(self, how: int) -> None:
        """0: from the cursor on, 1: up to the cursor, 2: the whole line."""
        cells = self._lines[self._row]
        kept = {0: range(self._column), 1: range(self._column + 1, self._columns)}.get(how, range(0))
        self._lines[self._row] = {column: cells[column] for column in kept if column in cells}

    @staticmethod
    def _line(cells: dict[int, tuple[str, str]]) -> str:
        text, before = "", ""
        for column in range(max(cells, default=-1) + 1):
            colors, char = cells.get(column, ("", " "))
            text += ("" if colors == before else f"\x1b[0m{colors}") + char
            before = colors
        return f"{text.rstrip()}{_BLANK}"
