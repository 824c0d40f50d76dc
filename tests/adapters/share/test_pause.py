"""The pause: a file in the share that people can read, and that holds the intake whatever is in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from worker.adapters.share.pause import (
    MAX_REASON_CHARS,
    PAUSE_FILE,
    Pause,
    end_pause,
    is_paused,
    read_pause,
    write_pause,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_there_is_none_until_somebody_pauses(tmp_path: Path) -> None:
    assert not is_paused(str(tmp_path))
    assert read_pause(tmp_path) is None


def test_it_comes_back_as_it_was_said(tmp_path: Path) -> None:
    pause = Pause("alice", NOON, "moving the server, until tomorrow: ask Bob")
    write_pause(tmp_path, pause)
    assert is_paused(str(tmp_path))
    assert read_pause(tmp_path) == pause
    assert os.listdir(tmp_path) == [PAUSE_FILE], "nothing else is left"


def test_people_can_read_it(tmp_path: Path) -> None:
    write_pause(tmp_path, Pause("alice", NOON, "moving the server"))
    lines = (tmp_path / PAUSE_FILE).read_bytes().decode().split("\r\n")
    assert lines[0].startswith("The intake is paused: letters stay in the inbox")
    assert lines[2:5] == ["by: alice", "since: 2026-11-22T12:00:00+00:00", "reason: moving the server"]


def test_the_last_word_stands(tmp_path: Path) -> None:
    for by in ("alice", "bob"):
        write_pause(tmp_path, Pause(by, NOON, None))
    assert read_pause(tmp_path) == Pause("bob", NOON, None)


def test_it_ends_once_and_for_all(tmp_path: Path) -> None:
    write_pause(tmp_path, Pause("alice", NOON, None))
    end_pause(tmp_path)
    end_pause(tmp_path)
    assert not is_paused(str(tmp_path))


@pytest.mark.parametrize("reason", ["two\nlines\r\nby: mallory", "x" * 2000, "   "])
def test_a_reason_is_one_line_of_bounded_length(tmp_path: Path, reason: str) -> None:
    write_pause(tmp_path, Pause("alice", NOON, reason))
    pause = read_pause(tmp_path)
    assert pause is not None
    assert pause.by == "alice"
    assert len(pause.reason or "") <= MAX_REASON_CHARS


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"since: yesterday\nby:\n", b"since: 2026-11-22 12:00\n"])
def test_one_made_by_hand_holds_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PAUSE_FILE).write_bytes(content)
    assert read_pause(tmp_path) == Pause(None, None, None)


def test_what_is_no_file_holds_and_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PAUSE_FILE)
    assert read_pause(tmp_path) == Pause(None, None, None)
    end_pause(tmp_path)
    (tmp_path / "secret").write_text("by: nobody")
    (tmp_path / PAUSE_FILE).symlink_to(tmp_path / "secret")
    assert read_pause(tmp_path) == Pause(None, None, None)


def test_a_share_that_is_not_there_cannot_be_paused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_pause(tmp_path / "unmounted", Pause("alice", NOON, None))
