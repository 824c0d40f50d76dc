"""What the pipeline needs from outside besides the records (`worker.processing.records`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

from worker.extraction import Text
from worker.letter.model import Determination
from worker.processing.filing import FilingOrder

Determine = Callable[[Text, date], Determination]
"""Text and day of receipt to a determination with its deadlines; raises `LetterError`."""


class TextPort(Protocol):
    """Text extraction."""

    def to_text(self, content: bytes, following: bytes | None = None) -> Text:
        """The text of a letter; `following` is the next letter's content, whose extraction may begin meanwhile.

        Raises `Unreadable` where the letter is at fault, OSError where it is not.
        """


class FilingPort(Protocol):
    """Moves finished letters to where they belong, at once or a little later."""

    def submit(self, orders: Sequence[FilingOrder]) -> None:
        """File these letters once their outcome is on disk. Never raises; what fails is logged and stays claimed."""

    def at_work(self) -> AbstractContextManager[None]:
        """While the block runs, its thread processes letters and calls `submit` after each turn."""
