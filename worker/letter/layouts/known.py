"""What a layout is to the parser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from worker.letter.model import Layout
from worker.letter.raw_letter import RawLetter
from worker.letter.text import View


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """One layout of the letters: how to tell it, how to read it, and how well it is known."""

    name: Layout
    marks: tuple[re.Pattern[str], ...]
    """Words that letters of this layout alone have, each of them enough."""
    opening: str
    """How it starts: a text that is shorter than this and begins like it was cut off."""
    read: Callable[[View, int, int], RawLetter]
    """Reads the letter between two places; the cover page of a mailed letter stands before them."""
    starts: tuple[re.Pattern[str], ...]
    """Where a letter of this layout starts: a second one is a second letter."""
    whole: bool = True
    """False where only headings or a partial copy of the layout are known."""
