"""For any text the parser answers with a determination or with its one error."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.letter import fuzz
from tests.letter.corpus import VALID, Letter
from worker.letter import LetterError, parse, reflow
from worker.letter.text import fold

CASES = 3000
"""A few thousand in the suite; `make fuzz` runs a hundred thousand."""

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)
pieces = st.lists(
    st.one_of(
        st.sampled_from(fuzz.SPICE),
        st.sampled_from([line for letter in VALID[::5] for line in letter.text.split("\n")]),
        st.text(max_size=20),
    ),
    max_size=40,
).map("\n".join)


def test_mutated_letters_are_answered() -> None:
    outcomes = fuzz.run(CASES, seed=20_260_101)
    assert sum(outcomes.values()) == CASES
    assert outcomes["published"] > CASES // 50, outcomes
    assert outcomes["truncated"] > CASES // 50, outcomes


@given(anything, st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_text_is_answered(text: str, paged: bool) -> None:
    fuzz.outcome(text, paged=paged)


@given(pieces, st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pieces_of_letters_in_any_order_are_answered(text: str, paged: bool) -> None:
    fuzz.outcome(text, paged=paged)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_letter_cut_anywhere_is_answered(data: st.DataObject) -> None:
    """And never published with less than it had, unless the cut fell behind its end."""
    letter = data.draw(st.sampled_from(VALID))
    whole = parse(letter.text)
    cut = data.draw(st.integers(0, len(letter.text.rstrip()) - 1))
    try:
        cut_letter = parse(letter.text[:cut])
    except LetterError:
        return
    assert len(cut_letter.issues) <= len(whole.issues)
    assert [issue.heading for issue in cut_letter.issues] == [issue.heading for issue in whole.issues][
        : len(cut_letter.issues)
    ]


@given(anything)
@settings(max_examples=300, deadline=None)
def test_folding_keeps_every_offset(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_folding_keeps_every_character_one_character() -> None:
    every = "".join(chr(code) for code in range(0x110000))
    assert len(fold(every)) == len(every)


@given(anything)
@settings(max_examples=300, deadline=None)
def test_reflowing_twice_changes_nothing_more(text: str) -> None:
    once = reflow(text)
    assert reflow(once.replace("\n", " ")) == once.replace("\n", " ")
    assert "  " not in once
    assert once == once.strip()


@pytest.mark.parametrize("text", ["", " \n\f\t", "\ufeff", "\u00a0\n", "\r\r"])
def test_a_text_without_words_is_empty(text: str) -> None:
    with pytest.raises(LetterError) as caught:
        parse(text)
    assert caught.value.code == "empty_text"


@pytest.mark.parametrize("odd", ["\x00", "\x1b", "\ud83d", "\u202e", "\u2067", "\x7f"])
def test_characters_that_no_letter_has_are_named_with_their_place(odd: str) -> None:
    text = VALID[0].text
    with pytest.raises(LetterError) as caught:
        parse(text[:100] + odd + text[100:])
    assert caught.value.code == "unreadable_characters"
    assert caught.value.violations[0].start == 100
    assert odd not in str(caught.value)


def test_an_error_survives_the_queue() -> None:
    with pytest.raises(LetterError) as caught:
        parse("nothing of the kind")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  our own bytes
    assert again.violations == caught.value.violations


@pytest.mark.parametrize("letter", VALID[::4], ids=str)
def test_parsing_twice_gives_the_same(letter: Letter) -> None:
    assert parse(letter.text) == parse(letter.text)
