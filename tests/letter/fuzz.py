# ruff: noqa: T201  a command that prints its figures
"""Seeded mutation fuzz: `python -m tests.letter.fuzz --cases 100000 --seed 1`.

Letters of the corpus are cut, spliced, repeated, mangled and mixed. For every result the parser must return a
determination that keeps the contract, or raise `LetterError`. A failure prints the arguments that repeat it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date

from tests.letter.corpus import INVALID, VALID
from worker.letter import RULES, Determination, LetterError, ParseOptions, parse

TEXTS = [letter.text for letter in (*VALID, *INVALID)]
CODES = {rule.code for rule in RULES}

_ODD = "\x00 \ud800 \udfff \u202e \u2066 \u0130 \ufb01 \u00ad \ufeff \x02 \ufffe ( ) : , 1/1/1 99/99/9999 \u0663 \u00b2"
_WORDS = """
Upheld|: Overturned|Claims Administrator guideline:|MAXIMUS guideline:|Decision rationale:|Page 1 of 2|DOS:|year old
Case Number: CM16-0000000|was the original request.|HOW THE IMR FINAL DETERMINATION WAS MADE|Decision based on MTUS
Section(s):|Page(s):|1) Regarding the request for|is not medically necessary|CLINICAL CASE SUMMARY|ISSUE AT DISPUTE:
"""
_RUNS = (":" * 40, "," * 30, " " * 60, "\n" * 40, "9" * 300, "\f", "\r", "\u2028", "\x85", "\v", "\t", "\n\n\n")
SPICE = (*_ODD.split(" "), *(f" {words.strip()} " for words in _WORDS.replace("\n", "|").split("|")), *_RUNS)


def _cut(text: str, chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    return text[:start] + text[start + chance.randrange(1, 400) :]


def _end(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _begin(text: str, chance: random.Random) -> str:
    return text[chance.randrange(len(text) + 1) :]


def _repeat(text: str, chance: random.Random) -> str:
    start = chance.randrange(len(text) + 1)
    piece = text[start : start + chance.randrange(1, 300)]
    return text[:start] + piece * chance.randrange(2, 6) + text[start:]


def _spice(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(SPICE) + text[at:]


def _swap(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


def _splice(text: str, chance: random.Random) -> str:
    other = chance.choice(TEXTS)
    return text[: chance.randrange(len(text) + 1)] + other[chance.randrange(len(other) + 1) :]


def _respace(text: str, chance: random.Random) -> str:
    return text.replace(
        chance.choice("\n .,:"), chance.choice(("", " ", "\n", "\n\n", "\f", "\u00a0")), chance.randrange(1, 200)
    )


def _recase(text: str, chance: random.Random) -> str:
    return chance.choice((text.upper, text.lower, text.title, text.swapcase))()


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _cut, _end, _begin, _repeat, _spice, _spice, _swap, _splice, _respace, _recase,
)  # fmt: skip


def mutated(chance: random.Random) -> str:
    """A letter of the corpus after some mutations."""
    text = chance.choice(TEXTS)
    for _ in range(chance.randrange(1, 6)):
        text = chance.choice(MUTATIONS)(text, chance)
    return text[:_LONGEST_CHARS]


_LONGEST_CHARS = 60_000


def outcome(text: str, *, paged: bool) -> str:
    """`published`, or the code of the error; anything else that happens is a failure of the parser."""
    try:
        determination = parse(text, paged=paged, options=ParseOptions(read_parties=True, today=date(2026, 1, 1)))
    except LetterError as error:
        is_well_placed(error, text)
        return error.code
    promises(determination, text)
    return "published"


def is_well_placed(error: LetterError, text: str) -> None:
    """Known codes, and places within the text."""
    assert error.violations
    for violation in error.violations:
        assert violation.code in CODES
        assert violation.start is None or 0 <= violation.start <= (violation.end or 0) <= len(text), violation


def promises(determination: Determination, text: str) -> None:
    """What the contract says of every determination, whatever the letter."""
    assert determination.issues
    assert [issue.number for issue in determination.issues] == list(range(1, len(determination.issues) + 1))
    assert all(issue.heading and issue.rationale for issue in determination.issues)
    assert all(0 <= span.start < span.end <= len(text) for span in determination.spans.values())
    assert {finding.code for finding in determination.findings} <= CODES


def _chance(seed: int, case: int) -> random.Random:
    return random.Random(f"{seed}:{case}")  # noqa: S311  mutations, no secrets


def run(cases: int, seed: int) -> Counter[str]:
    """Parse that many mutated letters; the number of outcomes by code."""
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        chance = _chance(seed, case)
        text = mutated(chance)
        try:
            outcomes[outcome(text, paged=chance.random() < 0.3)] += 1
        except Exception:
            print(f"failed: --seed {seed} --only {case}", file=sys.stderr)
            raise
    return outcomes


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", type=int, help="one case of the seed, to repeat a failure")
    asked = arguments.parse_args()
    if asked.only is not None:
        print(outcome(mutated(_chance(asked.seed, asked.only)), paged=False))
        return
    began = time.perf_counter()
    outcomes = run(asked.cases, asked.seed)
    seconds = time.perf_counter() - began
    for code, times in outcomes.most_common():
        print(f"{times:8d}  {code}")
    print(f"{asked.cases} cases, seed {asked.seed}, {seconds:.0f} s, no exception but LetterError")


if __name__ == "__main__":
    main()
