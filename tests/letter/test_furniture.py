"""What is removed as page furniture, and what is kept because it may be text of the letter."""

from __future__ import annotations

import pytest

from worker.letter.text import View

BODY = "The first page ends in the middle of a\n{}sentence that the second page ends. The third\n{}page says no more."


def clean(*breaks: str) -> str:
    return " ".join(View.of(BODY.format(*breaks)).clean.split())


WHOLE = "The first page ends in the middle of a sentence that the second page ends. The third page says no more."


@pytest.mark.parametrize(
    "breaks",
    [
        ("\f", "\f"),
        ("Page 1 of 3\n\f", "Page 2 of 3\n\f"),
        ("\nPage 1 of 3\n\n", "\nPage 2 of 3\n\n"),
        ("- 1 -\n", "- 2 -\n"),
        ("\fPage 2\n", "\fPage 3\n"),
        ("\nPage 1\n\n", "\nPage 2\n\n"),
        ("1\n\f", "2\n\f"),
        ("\fMAXIMUS Federal Services, Inc.\n", "\fMAXIMUS Federal Services, Inc.\n"),
        ("\fIndependent Medical Review   Page 2\n", "\fIndependent Medical Review   Page 3\n"),
        ("\fWest Coast Scanning\n", "\fWest Coast Scanning\n"),
        ("West Coast Scanning 0001\nPage 1 of 3\n\f", "West Coast Scanning 0002\nPage 2 of 3\n\f"),
    ],
)
def test_furniture_goes(breaks: tuple[str, str]) -> None:
    assert clean(*breaks) == WHOLE


@pytest.mark.parametrize(
    "breaks",
    [
        ("Lidocaine patches, box of 30\n", "Lidocaine patches, box of 30\n"),  # no page ends here
        ("\fLidocaine patches: Upheld\n", "\fLidocaine patches: Upheld\n"),
        ("\fMAXIMUS guideline:\n", "\fMAXIMUS guideline:\n"),
        ("\fnot medically necessary\n", "\fnot medically necessary\n"),
        ("\fthe request is not supported\n", "\fthe request is not supported\n"),  # goes on with a sentence
        ("\fWest Coast Scanning\n", "\f"),  # stands there once
        ("as was said on\npage 82\n", ""),
        ("12\n", ""),
    ],
)
def test_what_may_be_the_letter_stays(breaks: tuple[str, str]) -> None:
    text = BODY.format(*breaks)
    assert View.of(text).clean == text


def test_a_page_break_is_left_where_furniture_went() -> None:
    view = View.of(BODY.format("\n\nPage 1 of 3\n\f\n\n", "\fPage 3 of 3\n"))
    assert "middle of a\fsentence" in view.clean
    assert "The third\fpage" in view.clean


def test_offsets_of_the_clean_text_are_found_in_the_source() -> None:
    source = BODY.format("\n\nPage 1 of 3\n\f", "Page 2 of 3\n\f")
    view = View.of(source, paged=True)
    for word in ("first", "sentence", "third", "more."):
        start = view.clean.index(word)
        span = view.span((start, start + len(word)))
        assert source[span.start : span.end] == word
        assert span.page == 1 + source.count("\f", 0, span.start)
