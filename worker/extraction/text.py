"""The result of text extraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one letter."""

    text: str
    """Plain files: the characters as they are, without the byte order mark. PDFs: lines end in LF, a blank line
    stands where the page shows a gap between paragraphs, and one form feed between two pages."""
    paged: bool
    """Whether a form feed in `text` is the border between two pages."""
    page_count: int | None
    """Number of pages; None for plain files."""
    kind: Literal["pdf", "text"]
    """What the bytes were."""
    picture_pages: tuple[int, ...] = ()
    """Pages, from 1, that show a picture and hold no text: whatever is printed there is not in `text`."""
