"""Finds the sections of a letter by their headings, in the order of the letter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from worker.letter.raw_letter import RawLetter, RawProblem
from worker.letter.text import Place, View


class Section(NamedTuple):
    """A part of the letter that a heading opens."""

    name: str
    """Name of the section in messages, as a claims examiner would say it."""
    field: str | None
    """Path of the value that is missing where the section is."""
    heading: re.Pattern[str]
    """Its heading, with the sentence that introduces its contents where the letter has one."""
    required: bool = True
    otherwise: re.Pattern[str] | None = None
    """Opens the section where the heading is missing."""


def find_sections(view: View, start: int, end: int, sections: Sequence[Section]) -> dict[str, Place]:
    """The contents of each section that is there, by its name.

    The contents reach from the end of the section's heading to the start of the next section's heading.
    """
    headings: list[tuple[str, int, int]] = []
    for section in sections:
        match = section.heading.search(view.folded, start, end)
        if match is None and section.otherwise:
            match = section.otherwise.search(view.folded, start, end)
        if match:
            headings.append((section.name, match.start(), match.end()))
            start = match.end()
    stops = [begin for _, begin, _ in [*headings[1:], ("", end, end)]]
    return {name: (after, stop) for (name, _, after), stop in zip(headings, stops, strict=False)}


def report_missing(
    view: View, end: int, sections: Sequence[Section], contents: dict[str, Place], raw: RawLetter
) -> None:
    """Report required sections that are missing.

    A section that others follow is reported as missing, or as `no_issues` if it is that of the issues. Where nothing
    follows, the letter was cut off: it is `truncated`.
    """
    for index, section in enumerate(sections):
        if section.name in contents or not section.required:
            continue
        following = next((later for later in sections[index:] if later.name in contents), None)
        if following:
            at = _heading_start(view, following, contents)
            code = "no_issues" if section.field == "issues" else "missing_section"
            raw.problems.append(RawProblem(code, section.field, (at, at), section.name))
        else:
            raw.problems.append(RawProblem("truncated", section.field, (end, end), section.name))
            return


def _heading_start(view: View, section: Section, contents: dict[str, Place]) -> int:
    """Where the section's heading begins."""
    after = contents[section.name][0]
    starts = (match.start() for match in section.heading.finditer(view.folded, max(0, after - _HEADING_CHARS), after))
    return max(starts, default=after)


_HEADING_CHARS = 600
"""A heading with the sentence that introduces its section is shorter."""
