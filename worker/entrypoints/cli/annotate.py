"""`imr parse --explain`: a letter in the terminal, values and violations marked where they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text as Styled

from worker.letter.errors import Violation
from worker.letter.model import Determination

_VISIBLE = str.maketrans({"\f": "␌", "\r": " ", "\t": " ", "\0": "␀", "\x1b": "␛"})
"""One character for one, so that places stay what they are; nothing in a letter steers the terminal."""

_STYLES = (
    ("clinical_summary", "cyan"),
    ("rationale", "blue"),
    ("guideline", "magenta"),
    ("decision", "bold black on yellow"),
    ("heading", "bold yellow"),
    ("documents_reviewed", "cyan"),
)
_VALUE = "bold green"
_WRONG = "bold white on red"


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of the text, what it is called in the margin, and how it looks."""

    start: int
    end: int
    label: str
    style: str


def values(told: Determination) -> list[Mark]:
    """Every value that was read, where it was read."""
    return [Mark(span.start, span.end, field, _style(field)) for field, span in told.spans.items()]


def violations(found: Iterable[Violation]) -> list[Mark]:
    """Every violation that has a place."""
    return [
        Mark(one.start, one.end if one.end is not None else one.start, f"{one.code}: {one.message}", _WRONG)
        for one in found
        if one.start is not None
    ]


def explained(text: str, marks: Sequence[Mark]) -> Iterator[Styled]:
    """The letter, line by line, numbered; below each line what begins on it."""
    whole = Styled(text.translate(_VISIBLE))
    for mark in sorted(marks, key=lambda one: one.start - one.end):
        # The longest first: what lies within a stretch is drawn over it.
        whole.stylize(mark.style, mark.start, max(mark.end, mark.start + 1))
    labels = _labels_by_line(text, marks)
    for number, line in enumerate(whole.split("\n", allow_blank=True), 1):
        yield Styled.assemble((f"{number:4} ", "dim"), line)
        for mark in labels[number]:
            yield Styled.assemble("     ", ("^ " + mark.label, "red" if mark.style == _WRONG else "dim"))


def _labels_by_line(text: str, marks: Sequence[Mark]) -> dict[int, list[Mark]]:
    by_line: dict[int, list[Mark]] = defaultdict(list)
    line, seen = 1, 0
    for mark in sorted(marks, key=lambda one: (one.start, -one.end)):
        line += text.count("\n", seen, mark.start)
        seen = mark.start
        by_line[line].append(mark)
    return by_line


def _style(field: str) -> str:
    return next((style for part, style in _STYLES if part in field), _VALUE)
