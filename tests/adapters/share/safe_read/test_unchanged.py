"""Whether a file is still the one that was read: asked before it is filed away."""

from __future__ import annotations

import os
from pathlib import Path

from tests.adapters.share.safe_read.letter import CONTENT, read_letter
from tests.support.waiting import eventually
from worker.adapters.share.safe_read import unchanged


def test_a_file_left_alone_is_unchanged(share: Path) -> None:
    assert unchanged(str(share), "claimed/letter.txt", read_letter(share).signature)


def test_a_file_written_to_is_changed_even_with_its_time_set_back(share: Path) -> None:
    letter, path = read_letter(share), share / "claimed/letter.txt"

    def is_noticed() -> bool:
        path.write_bytes(CONTENT[::-1])
        os.utime(path, ns=(letter.signature.mtime_ns, letter.signature.mtime_ns))
        return not unchanged(str(share), "claimed/letter.txt", letter.signature)

    eventually(is_noticed, "a later tick of the file system's clock")


def test_our_own_rename_is_not_taken_for_a_change(share: Path) -> None:
    letter = read_letter(share)
    (share / "claimed/letter.txt").rename(share / "moved")
    assert unchanged(str(share), "moved", letter.signature, renamed=True)
    with open(share / "moved", "ab") as file:
        file.write(b"more")
    assert not unchanged(str(share), "moved", letter.signature, renamed=True)


def test_another_file_under_the_same_name_is_a_change(share: Path) -> None:
    letter, path = read_letter(share), share / "claimed/letter.txt"
    path.rename(share / "aside")
    assert not unchanged(str(share), "claimed/letter.txt", letter.signature)
    path.symlink_to(share / "aside")
    assert not unchanged(str(share), "claimed/letter.txt", letter.signature)
    assert not unchanged(str(share), "claimed/letter.txt", letter.signature, renamed=True)


def test_a_folder_turned_into_a_link_is_a_change(share: Path) -> None:
    letter = read_letter(share)
    (share / "claimed").rename(share / "aside")
    (share / "claimed").symlink_to("aside")
    assert not unchanged(str(share), "claimed/letter.txt", letter.signature)
