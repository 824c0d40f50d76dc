"""The list of documents that a reviewer was given: bulleted, or one to a line.

The following relevant documents received from the interested parties and the documents provided with the
application were reviewed and considered. These documents included:
• <document>
• <document over
two lines>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from worker.letter.text import Place, View

_INTRODUCTION = re.compile(r"\s*the\s+following\s+(?:relevant\s+)?documents[^:]{0,300}:")
_BULLET = re.compile(r"(?:^|[\n\f])[^\S\n\f]*(?:[\u2022\u00b7\u25cf\u25aa\uf0b7*-]|o(?=\s))[^\S\n]+")


def read_documents(view: View, start: int, end: int) -> list[Place]:
    """The places of the names of the documents, in the order of the letter."""
    introduction = _INTRODUCTION.match(view.folded, start, end)
    start, end = view.trimmed(introduction.end() if introduction else start, end)
    bullets = list(_BULLET.finditer("\n" + view.folded[start:end]))
    if bullets:
        starts = [start + bullet.end() - 1 for bullet in bullets]
        stops = [start + bullet.start() - 1 for bullet in bullets[1:]] + [end]
        places = [view.trimmed(begin, max(begin, stop)) for begin, stop in zip(starts, stops, strict=True)]
    else:
        places = list(_lines(view, start, end))
    return [place for place in places if place[0] < place[1]]


def _lines(view: View, start: int, end: int) -> Iterator[Place]:
    """One document to a line; a line that starts in lower case continues the document before it."""
    document: Place | None = None
    offset = start
    for line in re.split("[\n\f]", view.folded[start:end]):
        place = view.trimmed(offset, offset + len(line))
        offset += len(line) + 1
        if place[0] == place[1]:
            continue
        if document and view.clean[place[0]].islower():
            document = (document[0], place[1])
            continue
        if document:
            yield document
        document = place
    if document:
        yield document
