"""`imr parse --explain`: a letter in the terminal, its values and violations marked in their places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text as Styled

from worker.letter.errors import Violation
from worker.letter.model import Determination

_VISIBLE = str.maketrans({"\f": "␌", "\r": " ", "\t": " ", "\0": "␀", "\x1b": "␛"})
"""Each replaced by one character, so that places stay the same; control characters never reach the terminal."""

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
    """A part of the text, its label below the line, and its style."""

    start: int
    end: int
    label: str
    style: str


def value_marks(determination: Determination) -> list[Mark]:
    """A mark for every value, where it was read."""
    return [Mark(span.start, span.end, field, _style(field)) for field, span in determination.spans.items()]


def violation_marks(violations: Iterable[Violation]) -> list[Mark]:
    """A mark for every violation that has a place."""
    return [
        Mark(
            violation.start,
            violation.end if violation.end is not None else violation.start,
            f"{violation.code}: {violation.message}",
            _WRONG,
        )
        for violation in violations
        if violation.start is not None
    ]


def annotated_lines(text: str, marks: Sequence[Mark]) -> Iterator[Styled]:
    """The letter as numbered lines; below each line the labels of the marks that begin on it."""
    whole = Styled(text.translate(_VISIBLE))
    for mark in sorted(marks, key=lambda mark: mark.start - mark.end):
        # The longest first: a mark within another is drawn over it.
        whole.stylize(mark.style, mark.start, max(mark.end, mark.start + 1))
    labels = _labels_by_line(text, marks)
    for number, line in enumerate(whole.split("\n", allow_blank=True), 1):
        yield Styled.assemble((f"{number:4} ", "dim"), line)
        for mark in labels[number]:
            yield Styled.assemble("     ", ("^ " + mark.label, "red" if mark.style == _WRONG else "dim"))


def _labels_by_line(text: str, marks: Sequence[Mark]) -> dict[int, list[Mark]]:
    by_line: dict[int, list[Mark]] = defaultdict(list)
    line, seen = 1, 0
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        line += text.count("\n", seen, mark.start)
        seen = mark.start
        by_line[line].append(mark)
    return by_line


def _style(field: str) -> str:
    return next((style for part, style in _STYLES if part in field), _VALUE)
