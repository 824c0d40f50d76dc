"""`imr parse --explain` shows the letter as it is, and each value below the line on which it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.support.samples import SAMPLES
from worker.entrypoints.cli.annotate import Mark, annotated_lines, value_marks, violation_marks
from worker.letter import LetterError, parse

LETTERS = Path(__file__).resolve().parents[1] / "letters"


def letter_lines(shown: list[str]) -> list[str]:
    """The letter's own lines, without their numbers and without what stands in the margin."""
    return [line[5:] for line in shown if not line.startswith("     ^")]


def shown(text: str, marks: list[Mark]) -> list[str]:
    return [line.plain for line in annotated_lines(text, marks)]


@pytest.mark.parametrize("path", sorted(LETTERS.glob("valid/*/*.txt")), ids=lambda path: path.stem)
def test_the_letter_is_shown_as_it_is_with_every_value(path: Path) -> None:
    text = path.read_bytes().decode()
    determination = parse(text)
    lines = shown(text, value_marks(determination))
    assert "\n".join(letter_lines(lines)) == text.replace("\f", "␌").replace("\r", " ").replace("\t", " ")
    assert sum(line.startswith("     ^") for line in lines) == len(determination.spans)


def test_a_value_is_named_below_its_line() -> None:
    text = (SAMPLES / "opioid-and-acupuncture.txt").read_text()
    lines = shown(text, value_marks(parse(text)))
    assert lines[:2] == ["   1 Case Number: CM18-9970021  ", "     ^ case_number"]


def test_a_violation_is_named_below_its_line() -> None:
    text = (SAMPLES / "shoulder-therapy-decision-missing.txt").read_text()
    with pytest.raises(LetterError) as caught:
        parse(text)
    lines = shown(text, violation_marks(caught.value.violations))
    at = next(index for index, line in enumerate(lines) if line.startswith("     ^"))
    assert lines[at - 1].startswith("  34 ")
    assert lines[at] == "     ^ issue_without_decision: An issue has no decision."


def test_nothing_in_a_letter_steers_the_terminal() -> None:
    console = Console(force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        for line in annotated_lines("a\x1b[2Jb\0\r\f[red]c", [Mark(0, 1, "x", "bold")]):
            console.print(line)
    assert "\x1b[2J" not in capture.get()
    assert "␛[2Jb␀ ␌[red]c" in capture.get()
