"""Walking through a tree: everything that is there, links not followed, in bounded time and memory."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from tests.producer.doubles import Share
from worker.adapters.share import walk as module
from worker.adapters.share.file_sample import sample_of, sample_of_entry
from worker.adapters.share.walk import (
    OnUnreadable,
    Walk,
    files_below,
    is_folder,
    open_below,
    readable_files_below,
)
from worker.contract.filenames import MAX_DEPTH, may_be_letter


def files(share: Share, folder: str = "") -> list[str]:
    return sorted(met.path for met in Walk(str(share.inbox), folder).steps() if not met.is_folder)


def letters(share: Share) -> list[str]:
    return [path for path in files(share) if may_be_letter(path)]


def ignored(share: Share) -> list[str]:
    return [path for path in files(share) if not may_be_letter(path)]


def test_every_file_is_met_with_how_it_looks_and_each_folder_before_what_lies_in_it(share: Share) -> None:
    share.write("clinic/2014/letter.pdf", "12345")
    met = list(Walk(str(share.inbox)).steps())
    assert [(step.path, step.is_folder) for step in met] == [
        ("clinic", True),
        ("clinic/2014", True),
        ("clinic/2014/letter.pdf", False),
    ]


def test_an_entry_looks_as_the_file_does(share: Share) -> None:
    share.write("clinic/letter.pdf", "12345")
    samples = [sample_of_entry(met.entry) for met in Walk(str(share.inbox)).steps()]
    assert samples == [None, sample_of(str(share.inbox / "clinic" / "letter.pdf"))]
    assert samples[1] is not None
    assert (samples[1].size_bytes, samples[1].links) == (5, 1)


def test_only_a_part_is_looked_into_when_a_folder_is_named(share: Share) -> None:
    share.write("letter.pdf")
    share.write("clinic/2014/letter.pdf")
    assert files(share, "clinic") == files(share, "clinic/2014") == ["clinic/2014/letter.pdf"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.pdf", "~$letter.docx", "letter.pdf~", "letter.tmp", "LETTER.TMP", "letter.Part", "letter.pdf.partial",
        "x.filepart", "x.crdownload", "x.download", "x.swp", "Thumbs.db", "desktop.ini", ".\nnewline", ".x.tmp",
    ],
)  # fmt: skip
def test_an_ignored_name_is_counted_and_never_a_letter(share: Share, name: str) -> None:
    share.write(name)
    assert (letters(share), ignored(share)) == ([], [name])


@pytest.mark.parametrize("folder", [".Trash-1000/files", ".snapshot", "upload.tmp", "a/.stversions/b", "batch.part"])
def test_what_lies_in_hidden_and_temporary_folders_is_ignored(share: Share, folder: str) -> None:
    share.write(f"{folder}/letter.pdf")
    assert (letters(share), ignored(share)) == ([], [f"{folder}/letter.pdf"])


@pytest.mark.parametrize("name", ["letter.pdf", "tmp", "part", "letter.tmp.pdf", "a~b.pdf", "-rf", "thumbs.db.pdf"])
def test_what_only_resembles_an_ignored_name_is_a_letter(share: Share, name: str) -> None:
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
        list(readable_files_below(str(share.inbox)))
    with pytest.raises(FileNotFoundError):
        list(files_below(str(share.inbox)))


def test_each_file_comes_with_its_folder_and_its_name(share: Share) -> None:
    share.write("letter.pdf")
    share.write("clinic/2014/letter.pdf")
    wanted = [("", "letter.pdf"), ("clinic/2014", "letter.pdf")]
    assert sorted(files_below(str(share.inbox))) == sorted(readable_files_below(str(share.inbox))) == wanted


@pytest.fixture
def broken_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders named `broken` fail in mid-listing, those named `unreadable` at once: also for root, who may read all."""
    real = os.scandir

    class Breaking:
        """A listing that breaks off after its first entry."""

        def __init__(self, folder: int) -> None:
            self._entries = real(folder)
            self._is_over = False

        def __iter__(self) -> Breaking:
            return self

        def __next__(self) -> os.DirEntry[str]:
            if self._is_over:
                raise OSError(5, "Input/output error")
            self._is_over = True
            return next(self._entries)

        def close(self) -> None:
            self._entries.close()

    def scandir(folder: int) -> Any:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{folder}"))
        if name == "unreadable":
            raise PermissionError(13, "Permission denied")
        return Breaking(folder) if name == "broken" else real(folder)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_sub_folder_that_cannot_be_listed_is_counted_and_left_out(share: Share, broken_listing: None) -> None:
    for folder in ("unreadable", "fine", "broken"):
        share.write(f"{folder}/letter.pdf")
    walk = Walk(str(share.inbox))
    paths = sorted(met.path for met in walk.steps() if not met.is_folder)
    assert paths == ["broken/letter.pdf", "fine/letter.pdf"]
    assert walk.unreadable == 2
    found = sorted(readable_files_below(str(share.inbox)))
    assert found == [("broken", "letter.pdf"), ("fine", "letter.pdf")]


@pytest.mark.parametrize(("folder", "error"), [("unreadable", "Permission denied"), ("a/b/broken", "Input/output")])
def test_a_sub_folder_that_cannot_be_listed_raises_where_nothing_may_be_missed(
    share: Share, broken_listing: None, folder: str, error: str
) -> None:
    """A worker must not take letters in it for gone."""
    share.write(f"{folder}/letter.pdf")
    before = descriptors()
    with pytest.raises(OSError, match=error):
        list(files_below(str(share.inbox)))
    assert descriptors() == before


def test_an_entry_of_unknown_kind_raises_where_nothing_may_be_missed(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be a folder with letters in it."""

    class Unknown:
        name = "clinic"

        def is_dir(self, *, follow_symlinks: bool) -> bool:
            raise PermissionError(13, "Permission denied")

    class Listing:
        def __init__(self, folder: int) -> None:
            self._entries = iter([Unknown()])

        def __iter__(self) -> Any:
            return self._entries

        def close(self) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Listing)
    assert list(readable_files_below(str(share.inbox))) == [("", "clinic")]
    with pytest.raises(PermissionError):
        list(files_below(str(share.inbox)))


def test_an_inbox_that_fails_in_mid_listing_is_not_taken_for_a_shorter_one(share: Share, broken_listing: None) -> None:
    share.write("broken/letter.pdf")
    with pytest.raises(OSError, match="Input/output"):
        list(readable_files_below(str(share.inbox / "broken")))


def test_a_file_that_goes_while_it_is_looked_at_has_no_looks(share: Share) -> None:
    letter = share.write("letter.pdf")
    for met in Walk(str(share.inbox)).steps():
        letter.unlink()
        assert sample_of_entry(met.entry) is None
    assert sample_of(str(letter)) is None


def test_an_entry_of_unknown_kind_is_looked_at_as_a_file() -> None:
    """Some network file systems tell no kinds in listings, and may refuse to tell them when asked."""

    class Unknown:
        def is_dir(self, *, follow_symlinks: bool) -> bool:
            raise PermissionError(13, "Permission denied")

    assert not is_folder(cast("os.DirEntry[str]", Unknown()))


def test_a_folder_has_no_sample(share: Share) -> None:
    """A name that was a file may be a folder a moment later, and a folder is never claimed."""
    assert sample_of(str(share.inbox)) is None


@pytest.mark.parametrize("on_unreadable", ["count", "raise"])
def test_a_folder_that_turns_into_a_link_on_the_way_leads_nowhere(
    share: Share, monkeypatch: pytest.MonkeyPatch, on_unreadable: OnUnreadable
) -> None:
    """Between the look at its kind and its opening: anyone who writes to the share can swap the two at any moment."""
    (share.root / "outside" / "foreign.pdf").write_text("not for us")
    share.write("clinic/letter.pdf")
    real = module.open_folder_in

    def swapped(outer: int, name: str, flags: int) -> int:
        (share.inbox / name).rename(share.root / "outside" / name)
        (share.inbox / name).symlink_to(share.root / "outside")
        return real(outer, name, flags)

    monkeypatch.setattr(module, "open_folder_in", swapped)
    walk = Walk(str(share.inbox), on_unreadable=on_unreadable)
    assert [met.path for met in walk.steps()] == ["clinic"]
    assert walk.unreadable == 1


@pytest.mark.parametrize("on_unreadable", ["count", "raise"])
def test_a_folder_that_is_removed_on_the_way_is_left_out(
    share: Share, monkeypatch: pytest.MonkeyPatch, on_unreadable: OnUnreadable
) -> None:
    (share.inbox / "clinic").mkdir()
    real = module.open_folder_in

    def removed(outer: int, name: str, flags: int) -> int:
        (share.inbox / name).rmdir()
        return real(outer, name, flags)

    monkeypatch.setattr(module, "open_folder_in", removed)
    walk = Walk(str(share.inbox), on_unreadable=on_unreadable)
    assert [met.path for met in walk.steps()] == ["clinic"]
    assert walk.unreadable == 0


@pytest.mark.parametrize("folder", ["link", "link/clinic", "clinic/link"])
def test_no_folder_is_opened_through_a_link(share: Share, folder: str) -> None:
    (share.root / "outside" / "clinic").mkdir()
    (share.inbox / "clinic").mkdir()
    (share.inbox / "link").symlink_to(share.root / "outside")
    (share.inbox / "clinic" / "link").symlink_to(share.root / "outside")
    with pytest.raises(NotADirectoryError):
        open_below(str(share.inbox), folder, os.O_PATH)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_walk_left_early_leaves_no_folder_open(share: Share) -> None:
    share.write("a/b/c/letter.pdf")
    before = descriptors()
    steps = Walk(str(share.inbox)).steps()
    while next(steps).is_folder:
        assert descriptors() > before
    steps.close()
    assert descriptors() == before
    assert files(share) == ["a/b/c/letter.pdf"]
    assert descriptors() == before


def test_a_thousand_folders_deep_ends_at_the_bound_and_is_counted(share: Share) -> None:
    folder = os.open(share.inbox, os.O_PATH)
    for _ in range(1000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_PATH, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    found = Walk(str(share.inbox))
    assert max(met.path.count("/") for met in found.steps()) == MAX_DEPTH
    assert found.too_deep == 1
    # What pytest removes a temporary folder with is not made for such depths.
    subprocess.run(["rm", "-r", share.inbox / "d"], check=True)
