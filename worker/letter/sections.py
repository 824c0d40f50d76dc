"""Finding the sections of a letter by their headings, in the order of the letter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from worker.letter.raw_letter import RawLetter, RawProblem
from worker.letter.text import Place, View


class Section(NamedTuple):
    """A part of the letter that a heading opens."""

    name: str
    """For messages: what a claims examiner would call it."""
    field: str | None
    """The value that is missing when the section is."""
    heading: re.Pattern[str]
    """Its heading, with the sentence that introduces what follows where the letter has one."""
    required: bool = True
    otherwise: re.Pattern[str] | None = None
    """What opens the section where the heading is missing."""


def divide(view: View, start: int, end: int, sections: Sequence[Section]) -> dict[str, Place]:
    """The contents of each section that is there, from the end of its heading to the start of the next heading."""
    found: list[tuple[str, int, int]] = []
    for section in sections:
        match = section.heading.search(view.folded, start, end)
        if match is None and section.otherwise:
            match = section.otherwise.search(view.folded, start, end)
        if match:
            found.append((section.name, match.start(), match.end()))
            start = match.end()
    stops = [begin for _, begin, _ in [*found[1:], ("", end, end)]]
    return {name: (after, stop) for (name, _, after), stop in zip(found, stops, strict=False)}


def report_missing(view: View, end: int, sections: Sequence[Section], found: dict[str, Place], raw: RawLetter) -> None:
    """A section that is missing with all that would follow it was cut off; one that others follow was left out.

    A letter that goes on without its issues has none.
    """
    for index, section in enumerate(sections):
        if section.name in found or not section.required:
            continue
        following = next((later for later in sections[index:] if later.name in found), None)
        if following:
            at = _heading_start(view, following, found)
            code = "no_issues" if section.field == "issues" else "missing_section"
            raw.problems.append(RawProblem(code, section.field, (at, at), section.name))
        else:
            raw.problems.append(RawProblem("truncated", section.field, (end, end), section.name))
            return


def _heading_start(view: View, section: Section, found: dict[str, Place]) -> int:
    """Where the heading begins that the section's contents follow."""
    after = found[section.name][0]
    starts = (match.start() for match in section.heading.finditer(view.folded, max(0, after - _HEADING_CHARS), after))
    return max(starts, default=after)


_HEADING_CHARS = 600
"""A heading with the sentence that introduces its section is shorter."""
