"""From a path to bytes: what is taken, what is refused, and with which word."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import time
from pathlib import Path

import pytest

from tests.adapters.share.safe_read.letter import CONTENT, LETTER, LIMIT, read_letter
from tests.support.leaks import at_most_descriptors
from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import read_file


def refusal(share: Path, relative: str = LETTER) -> str:
    with pytest.raises(Unreadable) as caught:
        read_letter(share, relative)
    assert "letter.txt" not in str(caught.value)
    return caught.value.code


def test_a_letter_is_taken_with_its_digest_and_its_signature(share: Path) -> None:
    letter, status = read_letter(share), (share / "claimed/letter.txt").stat()
    assert letter.content == CONTENT
    assert letter.digest == hashlib.sha256(CONTENT).hexdigest()
    assert (letter.signature.device, letter.signature.inode) == (status.st_dev, status.st_ino)
    assert (letter.signature.size_bytes, letter.signature.mtime_ns) == (len(CONTENT), status.st_mtime_ns)


def test_a_letter_of_many_chunks_is_whole(share: Path) -> None:
    content = os.urandom(5_000_000)
    (share / "claimed/large").write_bytes(content)
    letter = read_file(str(share), "claimed/large", max_bytes=len(content))
    assert (letter.content, letter.digest) == (content, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe\x80.pdf", b"two\nlines", b"x" * 255, b"-rf", b"\x1b[31mred", b"...", b" ", b"<script>", b"a~b"],
    ids=repr,
)
def test_any_name_that_a_file_can_have_is_taken(share: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(share), b"claimed", name), "wb") as file:
        file.write(CONTENT)
    assert read_letter(share, f"claimed/{os.fsdecode(name)}").content == CONTENT


def test_a_deep_path_is_walked(share: Path) -> None:
    folders = [f"{number:03}" for number in range(300)]
    deep = share.joinpath(*folders)
    deep.mkdir(parents=True)
    (deep / "letter").write_bytes(CONTENT)
    assert read_letter(share, "/".join([*folders, "letter"])).content == CONTENT


@pytest.mark.parametrize(
    "relative", ["", "/etc/passwd", "../letter", "claimed/../letter", "claimed//x", ".", "a\0b", "a/"]
)
def test_a_path_that_cannot_be_inside_the_share_is_an_error_of_the_caller(share: Path, relative: str) -> None:
    with pytest.raises(ValueError, match="not a path inside the share"):
        read_letter(share, relative)


@pytest.mark.parametrize(
    "relative", ["claimed/other", "nowhere/letter.txt", "claimed/letter.txt/deeper", "claimed/" + "x" * 256]
)
def test_what_is_not_there_is_gone(share: Path, relative: str) -> None:
    with pytest.raises(Gone):
        read_letter(share, relative)


def test_a_share_that_is_away_is_no_letter_that_is_gone(share: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_letter(share / "unmounted")


def test_an_empty_file_is_refused(share: Path) -> None:
    (share / "claimed/letter.txt").write_bytes(b"")
    assert refusal(share) == "empty"


def test_the_largest_letter_is_taken_and_one_more_byte_is_refused(share: Path) -> None:
    (share / "claimed/letter.txt").write_bytes(b"x" * LIMIT)
    assert len(read_letter(share).content) == LIMIT
    (share / "claimed/letter.txt").write_bytes(b"x" * (LIMIT + 1))
    assert refusal(share) == "too_large"


def test_ten_gigabytes_of_nothing_are_refused_unread(share: Path) -> None:
    with open(share / "claimed/letter.txt", "wb") as file:
        file.truncate(10_000_000_000)
    started_s = time.monotonic()
    assert refusal(share) == "too_large"
    assert time.monotonic() - started_s < 1


def test_symbolic_links_are_not_followed(share: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "bait").write_bytes(b"bait")
    (share / "file-link").symlink_to(outside / "bait")
    (share / "folder-link").symlink_to(outside)
    (share / "loop").symlink_to(".")
    (share / "nowhere").symlink_to("missing")
    assert refusal(share, "file-link") == "symbolic_link"
    assert refusal(share, "folder-link/bait") == "symbolic_link"
    assert refusal(share, "loop/loop/claimed/letter.txt") == "symbolic_link"
    assert refusal(share, "nowhere") == "symbolic_link"


def test_the_share_itself_may_be_a_link(share: Path) -> None:
    (share.parent / "link").symlink_to(share)
    assert read_letter(share.parent / "link").content == CONTENT


def test_what_is_not_a_regular_file_is_refused_without_waiting(share: Path) -> None:
    os.mkfifo(share / "fifo")
    (share / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(share / "socket"))
        assert [refusal(share, name) for name in ("fifo", "folder", "socket")] == ["not_a_regular_file"] * 3


def test_a_device_is_refused_unopened() -> None:
    assert refusal(Path("/dev"), "zero") == "not_a_regular_file"


def test_a_hard_link_is_refused(share: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"someone else's")
    os.link(tmp_path / "elsewhere", share / "claimed/linked")
    assert refusal(share, "claimed/linked") == "hard_link"


@pytest.mark.parametrize(("relative", "descriptors"), [(LETTER, 0), (LETTER, 1), ("top.txt", 1)])
def test_what_the_machine_lacks_is_left_to_the_caller(share: Path, relative: str, descriptors: int) -> None:
    (share / "top.txt").write_bytes(CONTENT)
    with at_most_descriptors(descriptors), pytest.raises(OSError, match="Too many open files") as caught:
        read_letter(share, relative)
    assert caught.value.errno == errno.EMFILE
    assert read_letter(share, relative).content == CONTENT
