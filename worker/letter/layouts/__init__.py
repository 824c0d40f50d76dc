"""The known layouts, those with the most specific marks first. A further layout is one more file here and its line in
`LAYOUTS`.
"""

from __future__ import annotations

from worker.letter.layouts import (
    case_number_2016,
    documents_reviewed_2014,
    how_made_2014,
    medical_professional_review,
    notice_2013,
)
from worker.letter.layouts.known import KnownLayout
from worker.letter.text import View

LAYOUTS: tuple[KnownLayout, ...] = (
    case_number_2016.LAYOUT,
    notice_2013.LAYOUT,
    medical_professional_review.LAYOUT,
    documents_reviewed_2014.LAYOUT,
    how_made_2014.LAYOUT,
)


def recognize(view: View) -> KnownLayout | None:
    """The layout of a letter, recognized by its marks; None for a text that is no such letter."""
    return next((layout for layout in LAYOUTS if any(mark.search(view.folded) for mark in layout.marks)), None)


def begins_like(view: View) -> KnownLayout | None:
    """The layout whose first words a text begins with and breaks off in; None where there is none."""
    words = " ".join(view.folded.split())
    if len(words) < _SHORTEST_CHARS:
        return None
    return next((layout for layout in LAYOUTS if layout.opening.lower().startswith(words)), None)


_SHORTEST_CHARS = 4
"""Fewer characters begin like anything."""
