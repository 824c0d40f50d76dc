"""Finding the sections of a letter by their headings, in the order of the letter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from worker.letter.raw import Problem, RawLetter
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


def divide(view: View, start: int, end: int, sections: Sequence[Section]) -> dict[str, Place]:
    """The contents of each section that is there, from the end of its heading to the start of the next heading."""
    found: list[tuple[str, int, int]] = []
    for section in sections:
        match = section.heading.search(view.folded, start, end)
        if match:
            found.append((section.name, match.start(), match.end()))
            start = match.end()
    stops = [begin for _, begin, _ in found[1:]] + [end]
    return {name: (after, stop) for (name, _, after), stop in zip(found, stops, strict=True)}


def report_missing(view: View, end: int, sections: Sequence[Section], found: dict[str, Place], raw: RawLetter) -> None:
    """A section that is missing with all that would follow it was cut off; one that others follow was left out."""
    wanted = [section for section in sections if section.required]
    present = [section.name in found for section in wanted]
    for index, section in enumerate(wanted):
        if present[index]:
            continue
        if any(present[index:]):
            after = next(found[later.name][0] for later in wanted[index:] if later.name in found)
            raw.problems.append(Problem("missing_section", section.field, (after, after), section.name))
        else:
            raw.problems.append(Problem("truncated", section.field, (end, end), section.name))
            return
