"""Where a rationale ends and the heading of the next issue begins.

    ... [rationale] ... Therefore, the request is not medically necessary.
    [heading over one to eight lines]: Upheld
    Claims Administrator guideline: ...

A heading ends at its decision word: that is certain. Where it begins is not: many texts have no blank lines, page
breaks make false ones, and headings contain periods, colons and whole sentences. So each line start before the decision
word gets a weight, the sum of the evidence for it (`_LineEvidence.weight`), and the line with the greatest weight wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.letter.conclusions import states_conclusion
from worker.letter.heading_parts import LEAVING, WAS_REQUESTED
from worker.letter.text import View, compile_phrase, line_spacing

_REMAINS = compile_phrase("remaining IMR eligible portion of the original request")

_LONGEST_CHARS = 2600
"""A heading of a partial authorization has eight lines; no heading is longer than this."""
_LONGEST_PLAIN_CHARS = 1200
"""Other headings have five lines at most; the rest is the rationale before, which shows how lines are set."""
_CLOSED = re.compile(r"[.?!][\"')\]]*$")
_INNER_SENTENCE = re.compile(r"[a-z)\]\"][.?!]\s+(?=[A-Z\"])")
_SENTENCE_END = re.compile(r"[.?!][\"')\]]*\s+(?=[A-Z0-9\"'(\[])")
_CLOSING = re.compile(
    r"necess(?:ary|ity)|not\s+(?:been\s+)?(?:supported|established|indicated|recommended|warranted|appropriate)|for\s+this\s+patient"
    r"|(?:is|are)\s+(?:supported|indicated|recommended|warranted|appropriate|upheld|overturned|approved|denied)"
)

_CLOSING_AT_END = re.compile(r"necess(?:ary|ity)$")
"""A rationale that lacks its last period."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str
    """Without the white space around it."""
    soft: bool
    """Ends with a blank, as wrapped lines do in some texts."""
    breaks: int
    """Count of line breaks before it."""
    after_page: bool
    """A page break stands before it."""


def heading_start(view: View, start: int, end: int) -> int:
    """Where the heading that ends at `end` begins; the rationale before it begins at `start`."""
    low = max(start, end - _LONGEST_CHARS)
    requested = _partial_start(view.folded, low, end)
    if requested is None:
        low = max(start, end - _LONGEST_PLAIN_CHARS)
    lines = _lines(view.clean, low, end)
    best, weight = None, 0.0
    evidence = _LineEvidence(lines)
    for index in range(len(lines) - 1, 0, -1):
        if requested is not None and lines[index].start > requested:
            continue
        heading = view.clean[lines[index].start : end if requested is None else requested]
        if states_conclusion(heading.lower()):
            break
        candidate = evidence.weight(index, heading)
        if best is None or candidate > weight:
            best, weight = lines[index].start, candidate
    if best is not None and weight >= _CONVINCING:
        return best
    within = _sentence_start(view, low, requested or end)
    return best if within is None and best is not None else within or low


_CONVINCING = 0.5
"""Below this weight no line start is convincing, and sentence ends within lines are looked at."""


def _partial_start(folded: str, low: int, end: int) -> int | None:
    """Where `was the original request.` begins if the heading is one of a partial authorization, else None."""
    if folded.find("original", low, end) < 0:
        return None
    requested = None
    for match in WAS_REQUESTED.finditer(folded, low, end):
        requested = match
    if requested is None or states_conclusion(folded[requested.end() : end]):
        return None
    tail = folded[requested.end() : end]
    return requested.start() if _REMAINS.search(tail) or LEAVING.search(tail) else None


def _lines(clean: str, low: int, end: int) -> list[_Line]:
    """The lines that are not blank, each with what separates it from the line before."""
    lines: list[_Line] = []
    offset, breaks, after_page = low, 0, False
    text = clean[low:end]
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    for piece in re.split("([\n\f])", text):
        if piece == "\n":
            breaks += 1
        elif piece == "\f":
            after_page = True
        elif stripped := piece.strip():
            at = offset + piece.index(stripped[0])
            lines.append(_Line(at, stripped, piece.rstrip("\r")[-1:].isspace(), breaks, after_page))
            breaks, after_page = 0, False
        offset += len(piece)
    return lines


class _LineEvidence:
    """How this letter sets its lines, and what that says for a heading to begin with one of them."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self.lines = lines
        self.spacing = line_spacing([line.breaks for line in lines[1:]])
        self.width = max((len(line.text) for line in lines), default=0)
        soft = sum(line.soft for line in lines)
        self.marks_soft = 2 * soft > len(lines) > soft

    def weight(self, index: int, heading: str) -> float:
        """The weight of the evidence that a heading begins with this line."""
        before, line = self.lines[index - 1], self.lines[index]
        closed = _CLOSED.search(before.text) is not None
        weight = 2.5 if closed else -3.0
        weight += 3.0 if (_CLOSING if closed else _CLOSING_AT_END).search(self._end_of(index)) else 0.0
        weight += 4.0 if line.breaks > self.spacing and not line.after_page else 0.0
        weight += 2.0 if len(before.text) + 1 + len(line.text.split(None, 1)[0]) < self.width - 4 else 0.0
        if self.marks_soft:
            weight += -0.5 if before.soft else 1.5
        weight += -2.0 if line.text[0].islower() else 1.0
        weight -= 0.3 * (len(self.lines) - 1 - index)
        return weight - 1.0 * min(4, len(_INNER_SENTENCE.findall(heading)))

    def _end_of(self, index: int) -> str:
        """The last words before the line."""
        words = self.lines[index - 1].text
        if len(words) < 60 and index > 1:
            words = f"{self.lines[index - 2].text[-60:]} {words}"
        return words[-90:].lower()


def _sentence_start(view: View, low: int, end: int) -> int | None:
    """Where the last sentence begins, for texts whose lines are no evidence; not after an abbreviation such as `mg.`"""
    first = None
    for match in reversed(list(_SENTENCE_END.finditer(view.clean, low, end))):
        if states_conclusion(view.folded[match.end() : end]):
            break
        first = match.end()
        if not _is_abbreviation(view, match.start()):
            break
    return first


def _is_abbreviation(view: View, at: int) -> bool:
    word = view.folded[max(0, at - 8) : at].split()[-1:]
    return bool(word) and word[0].lstrip("(0123456789") in _ABBREVIATIONS


_UNITS = "mg ml mcg cc gm g kg oz lb tab tabs cap caps hr hrs min wk wks mo"
_ABBREVIATIONS = frozenset([*_UNITS.split(), "qty", "no", "approx", "dr", "vs", "st"])
