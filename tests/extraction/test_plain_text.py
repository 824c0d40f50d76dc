"""From the bytes of a text file to its characters, exactly, or a refusal."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.share.errors import Unreadable
from worker.extraction import Text, plain_text

LETTER = "Case Number: CM00-0000000\r\n\fDecision – “upheld”\n\tCafé\x0b \xa0end"


def read(content: bytes, max_text_chars: int = 1000) -> str:
    return plain_text.to_text(content, max_text_chars=max_text_chars).text


def code(content: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value.code


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "windows-1252"),
    ],
)
def test_characters_come_as_they_are(mark: bytes, encoding: str) -> None:
    text = plain_text.to_text(mark + LETTER.encode(encoding), max_text_chars=1000)
    assert text == Text(LETTER, paged=False, page_count=None, kind="text")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\r\n\t\f"), min_size=1))
def test_any_text_without_controls_comes_back(text: str) -> None:
    assert read(text.encode("utf-8")) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "content",
    [
        b"text with a \0 in it",
        bytes(range(1, 256)),
        b"\x81\x8d\x8f are no Windows characters",
        b"a control \x1b in Windows\xe9",
        codecs.BOM_UTF16_LE + b"odd",
        codecs.BOM_UTF16_LE + b"\0\xd8alone",
        codecs.BOM_UTF32_LE + "wide".encode("utf-32-le"),
        codecs.BOM_UTF8 + b"\xff",
        "wide without a mark".encode("utf-16-le"),
        b"\x01\x02\x03",
    ],
    ids=repr,
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    assert code(content) == "not_text"


def test_a_damaged_file_of_utf8_is_not_read_as_something_else() -> None:
    assert code("“Upheld” was the decision".encode() + b"\xff") == "not_text"


def test_a_stray_control_is_left_to_the_parser() -> None:
    assert read(b"Upheld" * 50 + b"\x1a") == "Upheld" * 50 + "\x1a"


def test_more_text_than_a_letter_has_is_refused() -> None:
    assert read(b"x" * 1000) == "x" * 1000
    assert code(b"x" * 1001) == "too_much_text"


def test_a_refusal_holds_no_word_of_the_letter() -> None:
    with pytest.raises(Unreadable) as caught:
        read(b"Canary Jones \0")
    assert "Canary" not in repr(caught.value)
