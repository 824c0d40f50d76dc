"""Time grows with the text and no faster: doubling a hostile text at most multiplies the time by 2.5.

Ratios of times in one process, each the best of some runs; a noisy machine gets several tries, a quadratic parser fails
them all, since it quadruples.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from tests.letter.corpus import VALID
from worker.letter import LetterError, parse

MOST = 2.5
TRIES = 6
SMALL_CHARS = 12_000

_TEXTS = {letter.name: letter.text for letter in VALID}
OLD = _TEXTS["2014-how-made/hearing-aids-short"]
NEW = _TEXTS["2016-case-number/ibuprofen-short"]
NOTICE = _TEXTS["2013-notice/psychotherapy"]
DOCUMENTS = _TEXTS["2014-documents-reviewed/hip-injection"]
REVIEW = _TEXTS["medical-professional-review/neck-traction"]


def filled(text: str, anchor: str, filling: str) -> Callable[[int], str]:
    """The letter with a filling of the wanted length put in after an anchor."""
    assert anchor in text, anchor
    before, after = text.split(anchor, 1)

    def of(chars: int) -> str:
        return before + anchor + filling * (chars // len(filling)) + after

    return of


def alone(piece: str, end: str = "") -> Callable[[int], str]:
    return lambda chars: piece * (chars // len(piece)) + end


_MARKS = (
    *(" ", "\n", " \n", "\t", "\r", "\f", "\n\f"),
    *(":", ": ", ",", ", ", ".", ". ", "(", ")", "9", "1/", "1-1-", "\n-"),
)
_ODD = ("\u00a0", "\u00ad", "\u201c", "a", "a ", "A. ", "\n1\n", "CM16-", "X Y\n\n", ": Upheld\n", "Page 1 of 2\n")
_WORDS = """
and|, and|is not|medically|medically necessary|Section(s):|Page(s):|Upheld|Claims Administrator guideline:|UR (UR)
Decision rationale:|Decision based on MTUS|the original request.|was the original request.|year old|45 year old|dos
Utilization Review|1) Regarding the request for|Case Number: CM16-0000000|licensed in|board certified in|injured on
"""
_PHRASES = tuple(f"{words} " for words in _WORDS.strip().replace("\n", "|").split("|"))
FILLINGS = (*_MARKS, *_ODD, *_PHRASES, "Case Number: CM16-0000000\n")

PLACES = (
    (OLD, "medical records:"),
    (OLD, "Decision rationale:"),
    (OLD, "MAXIMUS guideline:"),
    (OLD, "set forth below:"),
    (NEW, "Case Number:"),
    (NEW, "State(s) of Licensure:"),
    (NEW, "medical records:"),
    (NEW, "Claims Administrator guideline: Decision based on MTUS"),
    (NEW, "Decision rationale:"),
    (NOTICE, "Case Summary:"),
    (NOTICE, "Regarding the request for"),
    (NOTICE, "Rationale for the Decision:"),
    (DOCUMENTS, "These documents included:"),
    (DOCUMENTS, "decision on the"),
    (REVIEW, "ISSUE AT DISPUTE:"),
    (REVIEW, "AND WHY:"),
    # Inside of labels and sentences.
    (NEW, "Case"),
    (NEW, "Date"),
    (NEW, "Claims"),
    (OLD, "sent the complete case file to a"),
    (OLD, "Board Certified in"),
    (NOTICE, "has determined the request for"),
    (NOTICE, "based its decision on the"),
    (DOCUMENTS, "IMR DECISION(S)"),
    (REVIEW, "MEDICAL TREATMENT GUIDELINE(S)"),
)


def seconds(text: str) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        with contextlib.suppress(LetterError):
            parse(text)
        best = min(best, time.process_time() - began)
    return best


def ratio(of: Callable[[int], str], chars: int = SMALL_CHARS) -> float:
    small, large = of(chars), of(2 * chars)
    lowest = float("inf")
    for _ in range(TRIES):
        lowest = min(lowest, seconds(large) / max(seconds(small), 1e-9))
        if lowest <= MOST:
            break
    return lowest


@pytest.mark.parametrize("filling", FILLINGS, ids=repr)
def test_doubling_a_filled_letter_doubles_the_time(filling: str) -> None:
    worst = {anchor: ratio(filled(text, anchor, filling)) for text, anchor in PLACES}
    assert max(worst.values()) <= MOST, worst


@pytest.mark.parametrize("filling", FILLINGS, ids=repr)
def test_doubling_a_text_of_one_thing_doubles_the_time(filling: str) -> None:
    assert ratio(alone(filling, "x")) <= MOST


def test_doubling_a_letter_of_many_issues_doubles_the_time() -> None:
    first, _, issue = NEW.partition("set forth below:")
    assert ratio(lambda chars: first + "set forth below:" + issue * (chars // len(issue))) <= MOST


def test_a_line_of_millions_of_characters_is_answered_in_linear_time() -> None:
    assert ratio(alone("The request is for physical therapy, 2 times a week (as before): "), 1_250_000) <= MOST
