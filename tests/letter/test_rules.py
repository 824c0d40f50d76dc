"""The table of rules and the code agree, and no message repeats the letter."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.letter.corpus import INVALID, VALID, Letter
from tests.letter.test_corpus import TODAY
from worker import letter as package
from worker.letter import RULES, LetterError, ParseOptions, parse
from worker.letter.raw_letter import RawProblem

SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))


def codes_in_source() -> set[str]:
    """Every code that some line of the parser can report: the first argument of each `RawProblem(...)`."""
    codes = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RawProblem":
                first = node.args[0]
                options = [first] if isinstance(first, ast.Constant) else list(ast.walk(first))
                codes |= {item.value for item in options if isinstance(item, ast.Constant)}
    return {code for code in codes if isinstance(code, str)}


def test_every_reported_code_is_in_the_table_and_every_code_is_reported() -> None:
    in_code = {"no_issues", "missing_section"} | codes_in_source()
    assert in_code == {rule.code for rule in RULES}


def test_codes_are_unique_and_rules_are_whole() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.code == rule.code.lower()
        assert rule.sentence.endswith(".")
        assert rule.severity in {"error", "warning", "info"}
        assert rule.source


@pytest.mark.parametrize("letter", INVALID, ids=str)
def test_messages_are_sentences_of_the_table(letter: Letter) -> None:
    """Nothing of the letter can be in them: they are the table's, with the name of a missing part at most."""
    sentences = {rule.code: rule.sentence for rule in RULES}
    with pytest.raises(LetterError) as caught:
        parse(letter.text, options=ParseOptions(today=TODAY))
    for violation in caught.value.violations:
        sentence, _, missing = violation.message.partition(" Missing: ")
        assert sentence == sentences[violation.code]
        assert missing == "" or missing.removesuffix(".") in MISSING_PARTS


MISSING_PARTS = {
    "everything after the first words",
    "the section on how the determination was made",
    "the clinical case summary",
    "the case summary",
    "the text of the case summary",
    "the issues with their decisions",
    "the issue at dispute",
    "the decisions and rationales",
    "the reviewer's qualifications",
    "the rationales",
    "the rationale",
    "the rationale of the last issue",
    "the end of the last rationale",
    "the guidelines and the rationale of the last issue",
    "the guideline relied upon",
    "the list of documents",
}


@pytest.mark.parametrize("letter", VALID, ids=str)
def test_findings_are_sentences_of_the_table(letter: Letter) -> None:
    sentences = {rule.code: (rule.sentence, rule.severity) for rule in RULES}
    for finding in parse(letter.text).findings:
        assert (finding.message, finding.severity) == sentences[finding.code]


def test_a_problem_holds_no_text_of_the_letter() -> None:
    assert RawProblem._fields == ("code", "field", "place", "detail", "source")
