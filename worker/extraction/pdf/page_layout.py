"""Page layout: from lines and their places on the page to text with paragraphs.

A PDF has no paragraphs: it has characters at places. Letters separate paragraphs, headings and issues by a gap. A gap
is found by comparing the distance between two lines with the usual distance in the document.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

PARAGRAPH_PITCHES = 1.3
"""A gap begins at this multiple of the usual distance between lines. In letters, lines of a paragraph are 0.9 to 1.03
of it apart, a heading and its text 1.45, paragraphs 2."""

_NATURAL_PITCH = 1.1
"""Least distance between two lines of a paragraph, in multiples of the type size: a heading in large type that runs
over two lines is no gap, however small the text around it."""

_SAME_PITCH = 1.06
"""Distances within this factor are the same distance: positions on a page are rounded to its grid."""

_USUAL_SHARE = 0.1
"""A distance is usual if one in ten distances is like it. The lines of a header's table are fewer."""


class Line(NamedTuple):
    """One line as it stands on the page."""

    text: str
    depth: float
    """Distance of its base line from the top of the page (as it is shown), in points, up to a constant."""
    size: float
    """Type size in points of its first visible character."""


Page = Sequence[Line]


def document_text(pages: Sequence[Page]) -> str:
    """Lines end in LF, a blank line stands at each gap, pages are joined by a form feed."""
    pitch = usual_pitch(pages)
    return "\f".join(_page_text(page, pitch) for page in pages)


def usual_pitch(pages: Sequence[Page]) -> float:
    """The smallest usual distance between two lines, in points; 0 where there are too few lines."""
    distances = sorted(
        distance for page in pages for upper, lower in pairwise(page) if (distance := lower.depth - upper.depth) > 1
    )
    needed = max(2.0, _USUAL_SHARE * len(distances))
    for index, distance in enumerate(distances):
        alike = bisect_right(distances, distance * _SAME_PITCH) - index
        if alike >= needed:
            return distances[index + alike // 2]
    return 0.0


def _page_text(page: Page, pitch: float) -> str:
    if not page:
        return ""
    parts = [page[0].text]
    for upper, lower in pairwise(page):
        parts.append("\n\n" if _is_gap(upper, lower, pitch) else "\n")
        parts.append(lower.text)
    return "".join(parts)


def _is_gap(upper: Line, lower: Line, pitch: float) -> bool:
    return lower.depth - upper.depth > PARAGRAPH_PITCHES * max(pitch, _NATURAL_PITCH * lower.size)
