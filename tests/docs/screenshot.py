"""Writes docs/imr-up.svg: what a terminal of 80 columns shows after `imr up --sample --drain` on a share of its own.

    python -m tests.docs.screenshot        under a minute; `make screenshot`

The real command runs in a pseudo-terminal, so the picture follows the live view whatever that prints.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.docs.terminal import Terminal

PICTURE: Final = Path(__file__).resolve().parents[2] / "docs" / "imr-up.svg"
COMMAND: Final = ("imr", "up", "--sample", "--drain")
COLUMNS: Final = 80
_ROWS: Final = 40
_FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, &quot;DejaVu Sans Mono&quot;, monospace"
"""Fonts that systems have. The template of rich loads one from a server instead."""


def run(command: tuple[str, ...]) -> str:
    """What the command writes to its terminal, in an empty folder of its own. Raises CalledProcessError."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "IMR_SHARE": "share"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        written = _read_all(ours)
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, command, written)
    return written


def _read_all(descriptor: int) -> str:
    written = b""
    while True:
        try:
            piece = os.read(descriptor, 65_536)
        except OSError:  # Linux says EIO once the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(descriptor)
    return written.decode(errors="replace")


def svg(lines: list[str], title: str) -> str:
    """A picture of a terminal with these lines. It loads nothing from anywhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in (*lines, ""):  # the frame of the template would cut off the feet of the last line's letters
        console.print(Text.from_ansi(line), soft_wrap=True, highlight=False)
    picture = console.export_svg(title=title, theme=MONOKAI, code_format=_template(), unique_id="imr-up")
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


def _template() -> str:
    """The template of rich with a name for screen readers, without its fonts from a server and its comment."""
    named = f'<svg role="img" aria-label="Terminal: {" ".join(COMMAND)}"'
    template = CONSOLE_SVG_FORMAT.replace("<svg", named, 1)
    template = re.sub(r"@font-face \{\{.*?\}\}", "", template, flags=re.DOTALL)
    template = re.sub(r"<!--.*?-->", "", template, flags=re.DOTALL)
    template = re.sub(r"font-family: (?:Fira Code|arial)[^;]*;", f"font-family: {_FONTS};", template)
    return re.sub(r"\n\s*\n+", "\n", template)


def main() -> None:
    """Run the command and write the picture."""
    terminal = Terminal(COLUMNS)
    terminal.write(f"\x1b[1m$ {' '.join(COMMAND)}\x1b[0m\r\n{run(COMMAND)}")
    PICTURE.write_text(svg(terminal.lines(), title="imr-intake"))


if __name__ == "__main__":
    main()
