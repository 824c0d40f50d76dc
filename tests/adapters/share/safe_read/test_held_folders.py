"""Folders that a batch holds open: opened once, of this thread, closed in the end, and never a way out of the share."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import folders_held_open, read_file, unchanged

FOLDERS = Path("/proc/self/fd")


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / "share" / "claimed" / "a").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "share" / "claimed" / "a" / f"{number}.txt").write_text(f"letter {number}")
    return tmp_path / "share"


def open_folders(share: Path) -> int:
    return sum(os.path.realpath(link).startswith(str(share)) for link in FOLDERS.iterdir())


def read(share: Path, number: int) -> bytes:
    return read_file(str(share), f"claimed/a/{number}.txt", max_bytes=100).content


def test_a_folder_is_opened_once_for_all_its_files_and_closed(share: Path) -> None:
    with folders_held_open():
        assert [read(share, number) for number in range(3)] == [b"letter 0", b"letter 1", b"letter 2"]
        assert open_folders(share) == 1
        with folders_held_open():
            read(share, 0)
        assert open_folders(share) == 1, "the outer block keeps it"
    assert open_folders(share) == 0


def test_without_the_block_nothing_stays_open(share: Path) -> None:
    read(share, 0)
    assert open_folders(share) == 0


def test_another_thread_holds_nothing(share: Path) -> None:
    seen: list[int] = []

    def elsewhere() -> None:
        read(share, 0)
        seen.append(open_folders(share))

    with folders_held_open():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert seen == [0]


def test_a_change_is_seen_through_a_held_folder(share: Path) -> None:
    with folders_held_open():
        taken = read_file(str(share), "claimed/a/0.txt", max_bytes=100)
        assert unchanged(str(share), "claimed/a/0.txt", taken.signature)
        (share / "claimed" / "a" / "0.txt").write_text("another letter")
        assert not unchanged(str(share), "claimed/a/0.txt", taken.signature)
        (share / "claimed" / "a" / "0.txt").unlink()
        with pytest.raises(Gone):
            read(share, 0)


def test_a_folder_swapped_for_a_link_leads_nowhere_else(share: Path, tmp_path: Path) -> None:
    """Held: still the folder that was walked to. Not held yet: refused."""
    bait = tmp_path / "bait"
    bait.mkdir()
    (bait / "1.txt").write_text("of somebody else")
    with folders_held_open():
        read(share, 0)
        (share / "claimed" / "a").rename(share / "claimed" / "b")
        (share / "claimed" / "a").symlink_to(bait)
        assert read(share, 1) == b"letter 1"
    with folders_held_open(), pytest.raises(Unreadable):
        read(share, 1)
    assert open_folders(share) == 0
