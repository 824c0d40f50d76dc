"""Looking into the inbox: everything that is there, links not followed, in bounded time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from producer.scanning import _is_folder, sample_of, scan, walk
from tests.producer.doubles import Share
from worker.contract.junk import MAX_DEPTH, may_be_letter


def letters(share: Share) -> list[str]:
    return sorted(path for path, sample in scan(str(share.inbox)) if sample is not None)


def junk(share: Share) -> list[str]:
    return sorted(path for path, sample in scan(str(share.inbox)) if sample is None)


def test_every_file_is_found_with_how_it_looks(share: Share) -> None:
    share.write("letter.pdf", "12345")
    share.write("clinic/2014/letter.pdf")
    found = dict(scan(str(share.inbox)))
    assert sorted(found) == ["clinic/2014/letter.pdf", "letter.pdf"]
    sample = found["letter.pdf"]
    assert sample is not None
    assert (sample.size_bytes, sample.links) == (5, 1)
    assert sample == sample_of(str(share.inbox / "letter.pdf"))


def test_only_a_part_is_looked_into_when_a_folder_is_named(share: Share) -> None:
    share.write("letter.pdf")
    share.write("clinic/2014/letter.pdf")
    assert [path for path, _ in scan(str(share.inbox), "clinic")] == ["clinic/2014/letter.pdf"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.pdf", "~$letter.docx", "letter.pdf~", "letter.tmp", "LETTER.TMP", "letter.Part", "letter.pdf.partial",
        "x.filepart", "x.crdownload", "x.download", "x.swp", "Thumbs.db", "desktop.ini", ".\nnewline", ".x.tmp",
    ],
)  # fmt: skip
def test_junk_is_counted_and_never_a_letter(share: Share, name: str) -> None:
    share.write(name)
    assert (letters(share), junk(share)) == ([], [name])


@pytest.mark.parametrize("folder", [".Trash-1000/files", ".snapshot", "upload.tmp", "a/.stversions/b", "batch.part"])
def test_what_lies_in_hidden_and_temporary_folders_is_junk(share: Share, folder: str) -> None:
    share.write(f"{folder}/letter.pdf")
    assert (letters(share), junk(share)) == ([], [f"{folder}/letter.pdf"])


@pytest.mark.parametrize("name", ["letter.pdf", "tmp", "part", "letter.tmp.pdf", "a~b.pdf", "-rf", "thumbs.db.pdf"])
def test_what_only_resembles_junk_is_a_letter(share: Share, name: str) -> None:
    share.write(name)
    assert letters(share) == [name]


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x80.pdf", b"line\nbreak.pdf", b"\x1b[31mred.pdf", b"n" * 251 + b".pdf", b"-leading-dash",
        b"..pdf"[1:] + b"x", "e\u0301.pdf".encode(), "\u00e9.pdf".encode(), b"<script>", b" ", b"a\\b",
    ],
    ids=repr,
)  # fmt: skip
def test_any_name_comes_back_as_it_is(share: Share, raw: bytes) -> None:
    name = raw.removeprefix(b".")
    (Path(os.fsdecode(os.fsencode(share.inbox) + b"/" + name))).write_text("a letter")
    assert [os.fsencode(path) for path in letters(share)] == [name]


def test_loops_of_links_are_not_followed(share: Share) -> None:
    for name in ("a", "b"):
        (share.inbox / name).symlink_to(".")
    (share.inbox / "folder").mkdir()
    (share.inbox / "folder" / "up").symlink_to("..")
    assert letters(share) == ["a", "b", "folder/up"]


def test_a_link_shows_itself_and_nothing_of_what_it_points_to(share: Share) -> None:
    bait = share.root / "outside" / "bait"
    bait.write_text("not for us")
    (share.inbox / "link.pdf").symlink_to(bait)
    (share.inbox / "dangling.pdf").symlink_to("nowhere")
    (share.inbox / "folder").symlink_to(bait.parent)
    assert letters(share) == ["dangling.pdf", "folder", "link.pdf"]
    sample = sample_of(str(share.inbox / "link.pdf"))
    assert sample is not None
    assert sample.inode == (share.inbox / "link.pdf").lstat().st_ino


def test_fifos_and_sockets_are_found_without_being_opened(share: Share) -> None:
    """They are claimed like files, and end in review with a reason."""
    os.mkfifo(share.inbox / "fifo.pdf")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(share.inbox)  # addresses of sockets are short
        listener.bind("socket.pdf")
        os.chdir(here)
        assert letters(share) == ["fifo.pdf", "socket.pdf"]


def test_the_depth_is_bounded(share: Share) -> None:
    deepest = "/".join(["d"] * MAX_DEPTH)
    share.write(f"{deepest}/letter.pdf")
    share.write(f"{deepest}/d/too-deep.pdf")
    assert letters(share) == [f"{deepest}/letter.pdf"]
    assert may_be_letter(f"{deepest}/letter.pdf")
    assert not may_be_letter(f"{deepest}/d/too-deep.pdf")


def test_a_missing_inbox_is_not_an_empty_one(share: Share) -> None:
    share.inbox.rmdir()
    with pytest.raises(FileNotFoundError):
        list(scan(str(share.inbox)))


@pytest.fixture
def broken_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders named `broken` fail in mid-listing, those named `unreadable` at once: also for root, who may read all."""
    real = os.scandir

    class Breaking:
        def __init__(self, path: str) -> None:
            self._entries = real(path)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            yield_one = next(iter(self._entries))

            def entries() -> Iterator[os.DirEntry[str]]:
                yield yield_one
                raise OSError(5, "Input/output error")

            return entries()

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    def scandir(path: str) -> Any:
        path = path.rstrip("/")
        if path.endswith("unreadable"):
            raise PermissionError(13, "Permission denied")
        return Breaking(path) if path.endswith("broken") else real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_sub_folder_that_cannot_be_listed_is_left_out(share: Share, broken_listing: None) -> None:
    for folder in ("unreadable", "fine", "broken"):
        share.write(f"{folder}/letter.pdf")
    assert letters(share) == ["broken/letter.pdf", "fine/letter.pdf"]


def test_an_inbox_that_fails_in_mid_listing_is_not_taken_for_a_shorter_one(share: Share, broken_listing: None) -> None:
    share.write("broken/letter.pdf")
    with pytest.raises(OSError, match="Input/output"):
        list(walk(str(share.inbox / "broken")))


def test_a_file_that_goes_while_it_is_looked_at_is_left_out(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    share.write("letter.pdf")

    def gone(path: str) -> os.stat_result:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "lstat", gone)
    assert list(scan(str(share.inbox))) == []


def test_an_entry_of_unknown_kind_is_looked_at_as_a_file() -> None:
    """Some network file systems tell no kinds in listings, and may refuse to tell them when asked."""

    class Unknown:
        def is_dir(self, *, follow_symlinks: bool) -> bool:
            raise PermissionError(13, "Permission denied")

    assert not _is_folder(cast("os.DirEntry[str]", Unknown()))


def test_a_folder_has_no_sample(share: Share) -> None:
    """A name that was a file may be a folder a moment later, and a folder is never claimed."""
    assert sample_of(str(share.inbox)) is None
