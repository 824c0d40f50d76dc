"""The table of numbers and dates at the top of a letter, in whatever order an extractor prints its cells.

By rows a value follows its label; by columns several labels come first and their values after them, in the same order.
So labels wait in a queue. When a run of values comes that is as long as the queue, they pair in order; a single value
belongs to the nearest label. Any other run is ambiguous and is reported, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from worker.letter.fields import DATE, read_date
from worker.letter.raw_letter import DATE_FIELDS, FoundValue, RawLetter, RawProblem
from worker.letter.text import Place, View, phrase

# The field of each label of the known headers.
LABELS = {
    "case_number": ("IMR Case Number:", "MAXIMUS Case Number:", "Case Number:"),
    "date_assigned": ("Date Assigned:",),
    "date_of_injury": ("Date of Injury:",),
    "decision_date": ("Decision Date:",),
    # The date of the letter, which is the decision date unless the letter gives both.
    "dated": ("Dated:",),
    "ur_decision_date": (
        "UR Denial Date:", "UR Denial/Modification Date:", "UR Decision Date:", "Date of UR Decision:",
    ),
    # The value of the cell before it may stand inside this label: `Priority: Standard Application / Received:`.
    "application_received": ("IMR Application Received:", "Application Received:", "Received:"),
    "priority": ("Priority:",),
    "other": (
        "Claims Number:", "Claim Number:", "Employee Name:", "Employee:", "Provider Name:", "Provider:",
        "Claims Administrator:", "Treatment(s) in Dispute Listed on IMR Application:",
    ),
}  # fmt: skip

_BY_LABEL = {"".join(label.lower().split()): name for name, labels in LABELS.items() for label in labels}
_LABEL = "|".join(sorted((phrase(label) for labels in LABELS.values() for label in labels), key=len, reverse=True))
_TOKEN = re.compile(
    rf"\b(?:(?P<label>{_LABEL})|(?P<date>{DATE})|(?P<case>cm\s?[\d-][\w-]*)|(?P<priority>(?:standard|expedited|regular|urgent)\b))"
)
PRIORITIES: dict[str, Literal["standard", "expedited"]] = {"standard": "standard", "expedited": "expedited"}
_CASE_NUMBER = re.compile(r"cm\d\d-\d{7}$")
_AFTER_LABEL = re.compile(r"\s*(\S+)")

END_OF_CELL = re.compile(rf"\n|\b(?:{_LABEL})")
"""End of a value that is free text."""

_LONGEST_CHARS = 12_000
"""A cover page and a header are two pages at most."""


@dataclass(slots=True)
class _Token:
    kind: str
    """`label`, `date`, `case` or `priority`."""
    name: str
    """The field that a label names; empty for a value."""
    place: Place


def read_header(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the table into the raw letter."""
    waiting: list[_Token] = []
    run: list[_Token] = []
    for token in [*_tokens(view, start, min(end, start + _LONGEST_CHARS)), _Token("label", "end", (end, end))]:
        if token.kind != "label":
            run.append(token)
            continue
        if run:
            _pair(view, waiting, run, raw)
            waiting, run = [], []
        waiting.append(token)
    if raw.dated:
        raw.dates.setdefault("decision_date", raw.dated)
    _report_malformed_number(view, start, end, raw)


def _tokens(view: View, start: int, end: int) -> Iterator[_Token]:
    for match in _TOKEN.finditer(view.folded, start, end):
        kind = match.lastgroup or ""
        name = _BY_LABEL["".join(match.group().split())] if kind == "label" else ""
        yield _Token(kind, name, match.span())


_KIND = {"case_number": "case", "priority": "priority", **dict.fromkeys((*DATE_FIELDS, "dated"), "date")}


def _pair(view: View, waiting: list[_Token], run: list[_Token], raw: RawLetter) -> None:
    for kind in ("case", "priority", "date"):
        labels = [label for label in waiting if _KIND.get(label.name) == kind]
        values = [value for value in run if value.kind == kind]
        if len(values) == 1:
            labels = labels[-1:]
        if len(labels) < len(values):
            values = values[: len(labels)]
        if len(labels) != len(values):
            _report_ambiguous(labels, values, raw)
            continue
        for label, value in zip(labels, values, strict=True):
            _keep(view, label.name, value.place, raw)


def _report_ambiguous(labels: Iterable[_Token], values: list[_Token], raw: RawLetter) -> None:
    if values:
        raw.problems.extend(RawProblem("ambiguous_header", label.name, label.place) for label in labels)


def _keep(view: View, name: str, place: Place, raw: RawLetter) -> None:
    folded = view.folded[place[0] : place[1]]
    if name == "case_number":
        keep_case_number(view, place, raw)
    elif name == "priority":
        raw.priority = raw.priority or FoundValue(PRIORITIES.get(folded), place)
    elif name == "dated":
        raw.dated = FoundValue(read_date(folded), place)
    else:
        day = FoundValue(read_date(folded), place)
        if raw.dates.setdefault(name, day).value != day.value:
            raw.problems.append(RawProblem("header_values_differ", name, place))


def keep_case_number(view: View, place: Place, raw: RawLetter) -> None:
    """Keep a printed case number; the first one is the letter's."""
    number = FoundValue(view.clean[place[0] : place[1]].upper(), place)
    raw.case_numbers.append(number)
    raw.case_number = raw.case_number or number
    if not _CASE_NUMBER.match(view.folded[place[0] : place[1]]):
        raw.problems.append(RawProblem("malformed_case_number", "case_number", place))


# A line that ends in the number, with a running title before it and a page number after it.
_LABELED_NUMBER = re.compile(
    r"case\s+number(?:\s*:)?\s*(?P<number>cm\d\d-\d{7})\b"
    r"[^\S\n]{0,40}(?:(?:page\s)?\s?\d{1,3}(?:\sof\s\d{1,3})?)?[^\S\n]{0,40}(?:[\n\f]|\Z)"
)


_TITLE_BEFORE = re.compile(r"[\n\f][^\S\n]*(?:[^\n\f.]*\s)?$")
_TITLE_CHARS = 80


def read_other_numbers(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read case numbers on lines of their own after the header, as running headers of another letter print them."""
    for match in _LABELED_NUMBER.finditer(view.folded, start, end):
        before = view.folded[max(0, match.start() - _TITLE_CHARS) : match.start()]
        if not _TITLE_BEFORE.search(before):
            continue
        raw.case_numbers.append(FoundValue(match.group("number").upper(), match.span("number")))


_NUMBER_LABEL = re.compile(phrase("Case Number:"))


def _report_malformed_number(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Report the word after `Case Number:` where it does not even begin like a case number."""
    if raw.case_number:
        return
    label = _NUMBER_LABEL.search(view.folded, start, end)
    word = _AFTER_LABEL.match(view.folded, label.end(), end) if label else None
    if word and not _TOKEN.match(view.folded, word.start(1)):
        raw.problems.append(RawProblem("malformed_case_number", "case_number", word.span(1)))
