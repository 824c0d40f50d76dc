"""The live view of `imr up`: each result as it comes, and below the results one line with the figures.

Two consoles that draw on one terminal overwrite each other. So where standard output and standard error are the same
terminal, one console draws everything and keeps the figures on the last line. Anywhere else nothing moves the cursor:
results are plain lines on standard output, messages plain lines on standard error.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.status import Status
from rich.text import Text as Styled

from worker.contract.event import DEAD_LETTERED
from worker.entrypoints.cli.console import err, out, print_wrapped
from worker.entrypoints.cli.event_line import INDENT, print_event
from worker.operations.status import Balance

_ID_CHARS: Final = 12
"""Characters of an id that are shown: enough to be unique, and commands take them."""


class LiveView:
    """Results and figures of a running `imr up`; a context manager, which draws the figures while it is entered."""

    def __init__(self, results: Console, messages: Console, *, is_live: bool) -> None:
        """`is_live` says that both consoles write to one terminal; then `messages` draws everything."""
        self._results = messages if is_live else results
        self._messages = messages
        self._status = Status("starting", console=messages) if is_live else None
        self._last_line = ""

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show_message(self, sentence: str, style: str | None = None) -> None:
        """Show a sentence about the run itself."""
        print_wrapped(self._messages, sentence, style)

    def show_folders(self, inbox: Path, logs: Path) -> None:
        """Say where letters go, what else can be asked, and where the logs are."""
        imr = command_name()
        self.show_message(f"drop letters into {inbox}")
        self.show_message("results appear here; Ctrl-C stops everything in order, and no letter is lost")
        self.show_message(f"more, in another terminal: {imr} status, {imr} tail --json")
        self.show_message(f"logs: {logs}")

    def show_result(self, event: dict[str, Any]) -> None:
        """Show an event, and for a dead letter the command that explains it."""
        print_event(self._results, event)
        if event.get("type") == DEAD_LETTERED:
            command = f"{command_name()} dead-letters show {str(event.get('id'))[:_ID_CHARS]}"
            print_wrapped(self._messages, INDENT + command, "dim")

    def show_figures(self, balance: Balance) -> None:
        """Bring the line of figures up to date; where nothing is redrawn, a terminal has each new line below."""
        self._show_line(figures_line(balance), is_printed=self._messages.is_terminal)

    def show_total(self, balance: Balance) -> None:
        """Print the figures for good, at the end."""
        self._messages.print(figures_line(balance), soft_wrap=not self._messages.is_terminal)

    def show_trouble(self, sentence: str) -> None:
        """Show in place of the figures why there are none; where nothing is redrawn, print it once."""
        self._show_line(Styled(sentence), is_printed=True)

    def _show_line(self, line: Styled, *, is_printed: bool) -> None:
        if self._status is not None:
            self._status.update(line)
        elif is_printed and line.plain != self._last_line:
            self._messages.print(line, soft_wrap=not self._messages.is_terminal)
        self._last_line = line.plain


def live_view() -> LiveView:
    """The view of this process, on its standard output and standard error."""
    return LiveView(out, err, is_live=err.is_terminal and not err.is_dumb_terminal and _is_one_terminal())


def _is_one_terminal() -> bool:
    """Whether standard output and standard error are the same terminal."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    return os.path.samestat(os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno()))


def figures_line(balance: Balance) -> Styled:
    """What became of the letters so far, what is in flight, and what holds the intake."""
    figures = [f"{balance.published} published", f"{balance.dead} in review", f"{balance.in_flight} in flight"]
    if balance.duplicate:
        figures.append(f"{balance.duplicate} duplicates")
    line = Styled(", ".join(figures))
    if balance.unexplained:
        line.append(", ").append(f"{balance.unexplained} unexplained", style="bold red")
    return line.append("".join(f", {hold}" for hold in balance.holds))


def command_name() -> str:
    """The command `imr` as this user can call it from the current folder."""
    return "imr" if shutil.which("imr") else os.path.relpath(sys.argv[0])
