"""Dead letters: every code has a sentence and a remedy, and the file beside the letter says all of it plainly."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.support.determinations import NOW, dead_letter
from worker import extraction
from worker.contract.event import DEAD_LETTERED, DeadLetter, encode, event_id, make_event
from worker.letter.errors import Violation
from worker.processing import dead_letters
from worker.processing.dead_letters import INTERNAL, MAX_VIOLATIONS, POISON, READING, catalogue, make_dead_letter
from worker.processing.disposition import Disposition


def made(why: Disposition) -> DeadLetter:
    return make_dead_letter(
        why, attempts=2, claim_id="0" * 20, received_on=date(2024, 6, 9), failed_at=NOW, size_bytes=5
    )


def explained(*violations: Violation) -> dict[str, object]:
    event = make_event(
        kind=DEAD_LETTERED,
        identity=event_id("0123456789abcdef", 1),
        site="s",
        time=NOW,
        path="review/two words.txt",
        data=dead_letter(*violations),
    )
    return dead_letters.error_file(encode(event))


class TestCatalogue:
    def test_every_code_stands_once(self) -> None:
        codes = [one.code for one in catalogue()]
        assert len(codes) == len(set(codes))

    def test_every_code_has_a_sentence_and_every_error_a_remedy(self) -> None:
        for one in catalogue():
            assert one.sentence.endswith(".") or one.sentence.endswith("?"), one
            assert bool(one.remedy) == (one.severity == "error"), one

    def test_every_code_that_reading_can_raise_stands_in_it(self) -> None:
        sources = [path.read_text() for path in Path(extraction.__path__[0]).glob("*.py")]
        raised = {code for source in sources for code in re.findall(r'Unreadable\(\s*"(\w+)"', source)}
        assert len(raised) > 8
        assert raised <= set(READING)


class TestWhatAPersonIsTold:
    def test_first_in_plain_words_then_every_detail(self) -> None:
        told = explained()
        assert list(told)[:3] == ["what_happened", "what_to_do", "where"]
        assert told["what_happened"] == "The file is empty."
        assert told["dataref"] == "review/two%20words.txt"
        assert told["code"] == "empty"

    def test_the_commands_name_the_letter_by_the_start_of_its_id(self) -> None:
        assert explained()["commands"] == {
            "look": "imr dead-letters show 0123456789ab",
            "try again": "imr dead-letters redrive 0123456789ab",
            "give up": "imr dead-letters discard 0123456789ab --reason '...'",
        }

    @pytest.mark.parametrize(
        ("violation", "line"),
        [
            (Violation("c", "It is wrong."), "It is wrong. [c]"),
            (Violation("c", "It is wrong.", line=3, column=7), "line 3, column 7: It is wrong. [c]"),
            (Violation("c", "It is wrong.", line=3, column=7, page=2), "page 2, line 3, column 7: It is wrong. [c]"),
        ],
    )
    def test_each_violation_is_a_line_with_its_place(self, violation: Violation, line: str) -> None:
        assert explained(violation)["where"] == [line]


class TestDeadLetter:
    def test_a_letters_own_error_is_told_in_its_own_words(self) -> None:
        violations = (Violation("no_issues", "It decides nothing."),)
        one = made(Disposition("review", "no_issues", "It decides nothing.", violations))
        assert (one.code, one.message, one.violations) == ("no_issues", "It decides nothing.", violations)
        assert (one.attempts, one.size_bytes, one.received_on) == (2, 5, date(2024, 6, 9))

    @pytest.mark.parametrize("code", [POISON, INTERNAL])
    def test_ours_is_told_in_a_sentence_and_not_by_the_name_of_an_exception(self, code: str) -> None:
        one = made(Disposition("internal", code, "ZeroDivisionError"))
        assert "ZeroDivisionError" not in one.message
        assert one.message.endswith(".")
        assert "maintainers" in one.remedy or "report" in one.remedy

    def test_more_violations_than_a_person_reads_are_counted(self) -> None:
        many = tuple(Violation("c", "m") for _ in range(MAX_VIOLATIONS + 7))
        *kept, note = made(Disposition("review", "c", "m", many)).violations
        assert len(kept) == MAX_VIOLATIONS
        assert note.message == "7 more problems are left out here."

    def test_as_many_as_a_person_reads_are_all_told(self) -> None:
        many = tuple(Violation("c", "m") for _ in range(MAX_VIOLATIONS))
        assert made(Disposition("review", "c", "m", many)).violations == many

    def test_a_code_from_elsewhere_has_a_remedy_too(self) -> None:
        assert dead_letters.remedy("never heard of it").endswith(".")
