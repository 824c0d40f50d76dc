"""The terminal behind the picture of `imr up`, and the picture made of it."""

from __future__ import annotations

import pytest

from tests.docs.screenshot import svg
from tests.docs.terminal import Terminal


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("waiting\r\x1b[2Kdone", ["done"]),
        ("a\r\nb\r\n\x1b[2A\x1b[Jc", ["c"]),
        ("abcdef", ["abcd", "ef"]),
        ("\x1b[?25l\x1b]0;title\x07ab\x1b[Dc", ["ac"]),
        ("abc\r\x1b[1Cx", ["axc"]),
    ],
)
def test_what_stands_there_afterwards(written: str, shown: list[str]) -> None:
    terminal = Terminal(columns=4 if written == "abcdef" else 80)
    terminal.write(written)
    assert [line.removesuffix("\x1b[0m") for line in terminal.lines()] == shown


def test_colors_stay_with_their_characters() -> None:
    terminal = Terminal(columns=80)
    terminal.write("a\x1b[1m\x1b[32mb\x1b[0mc")
    assert terminal.lines() == ["a\x1b[0m\x1b[1m\x1b[32mb\x1b[0mc\x1b[0m"]


def test_the_picture_loads_nothing_and_says_what_it_is() -> None:
    picture = svg(["\x1b[32mpublished\x1b[0m <&>"], title="imr-intake")
    assert 'aria-label="Terminal: imr up --sample --drain"' in picture
    assert "url(http" not in picture
    assert "@font-face" not in picture
    assert "published" in picture
    assert "&lt;" in picture
