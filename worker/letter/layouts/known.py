"""A layout, as the parser sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from worker.letter.model import Layout
from worker.letter.raw_letter import RawLetter
from worker.letter.text import View


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """One layout of the letters: how to recognize it, how to read it, and how completely it is known."""

    name: Layout
    marks: tuple[re.Pattern[str], ...]
    """Patterns that only letters of this layout match; any of them is enough."""
    opening: str
    """Its first words: a text that is shorter than they are and begins like them was cut off."""
    read: Callable[[View, int, int], RawLetter]
    """Reads the letter between two offsets, the cover page of a mailed letter included."""
    starts: tuple[re.Pattern[str], ...]
    """Patterns of the start of such a letter: a match after the first rationale is a second letter."""
    whole: bool = True
    """False where only the headings or a partial copy of the layout are known."""
