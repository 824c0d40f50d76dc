"""The share, seen from a worker: what is found, where it goes, and that nothing is overwritten, lost or half there."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import threading
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.letters import claim
from worker.adapters.share import rename as rename_module
from worker.adapters.share import spool as spool_module
from worker.adapters.share.spool import TEMPORARY_PREFIX, ClaimedFile, Spool
from worker.contract.names import ERROR_SUFFIX, EXTRACTED_SUFFIX, FOLDERS, MAX_NAME_BYTES, SIDECAR_SUFFIXES, stored_name

PACIFIC = ZoneInfo("America/Los_Angeles")
ID = claim()


@pytest.fixture
def share(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def spool(share: Path) -> Spool:
    return Spool(share)


@pytest.fixture(params=["renameat2", "rename"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system call that refuses to replace, and without it."""
    if request.param == "rename":
        monkeypatch.setattr(rename_module, "_renameat2", None)
    elif rename_module._renameat2 is None:
        pytest.skip("this system has no renameat2")
    return str(request.param)


ODD_NAMES = [
    "letter.txt",
    "two words.txt",
    "-rf",
    "new\nline.txt",
    "\x1b[31mred.txt",
    "<script>alert(1)<.txt",
    "%2e%2e.txt",
    "tilde~tilde.txt",
    os.fsdecode(b"caf\xe9.txt"),
    os.fsdecode(b"\xff\xfe"),
    "cafe\u0301.txt",
    "caf\u00e9.txt",
    "Ünïcödé 案件.pdf",
    "." + "a" * 100,
]


class TestLocate:
    @pytest.mark.parametrize("name", ODD_NAMES)
    @pytest.mark.parametrize("folder", ["", "clinic", "a/b/c"])
    def test_a_claimed_file_is_found_by_its_id_whatever_its_name(self, spool: Spool, folder: str, name: str) -> None:
        made = put(spool, ClaimedFile(ID, folder, name))
        assert spool.locate([ID]) == {ID: made}

    @pytest.mark.parametrize("length", [MAX_NAME_BYTES - 21, MAX_NAME_BYTES, 255])
    def test_a_long_name_is_found_and_its_path_is_where_it_lies(self, spool: Spool, length: int) -> None:
        put(spool, ClaimedFile(ID, "", "a" * (length - 4) + ".pdf"))
        found = spool.locate([ID])[ID]
        assert spool.exists(found.path)
        assert found.name.endswith(".pdf")

    def test_what_is_not_there_is_left_out(self, spool: Spool) -> None:
        assert spool.locate([ID]) == {}

    def test_what_no_claim_made_is_not_found(self, spool: Spool, share: Path) -> None:
        for name in (
            "letter.txt",
            "~letter.txt",
            f"{ID}letter.txt",
            f"{ID[:-1]}~x",
            f"{ID.upper()}~x",
            "z" * 20 + "~x",
        ):
            (share / "claimed" / name).write_bytes(b"")
        assert list(spool.claimed()) == []

    def test_one_listing_serves_all_that_was_there(self, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [put(spool, ClaimedFile(claim(number), "sub", "x")) for number in range(10)]
        spool.locate([files[0].claim_id])
        monkeypatch.setattr(os, "scandir", None)
        assert set(spool.locate([file.claim_id for file in files]).values()) == set(files)

    def test_a_new_file_is_found_by_a_new_listing(self, spool: Spool) -> None:
        put(spool, ClaimedFile(ID, "", "x"))
        spool.locate([ID])
        later = put(spool, ClaimedFile(claim(2), "", "y"))
        assert spool.locate([later.claim_id]) == {later.claim_id: later}

    def test_links_are_not_followed(self, spool: Spool, share: Path) -> None:
        outside = share / "outside"
        outside.mkdir()
        (outside / f"{ID}~bait").write_bytes(b"")
        (share / "claimed" / "link").symlink_to(outside)
        (share / "claimed" / "loop").symlink_to(".")
        assert list(spool.claimed()) == []

    def test_a_share_that_is_away_is_an_error_and_no_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Spool(tmp_path / "away").locate([ID])

    def test_a_sub_folder_that_cannot_be_listed_is_an_error_and_no_letter_is_gone(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(spool, ClaimedFile(ID, "clinic", "x"))
        real = os.scandir

        def scandir(folder: int) -> object:
            if os.readlink(f"/proc/self/fd/{folder}").endswith("/clinic"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return real(folder)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(PermissionError):
            spool.locate([ID])


def put(spool: Spool, file: ClaimedFile, content: bytes = b"content") -> ClaimedFile:
    path = Path(spool.root) / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return file


class TestPaths:
    FILE = ClaimedFile(ID, "clinic/june", "letter.txt")

    def test_are_a_function_of_claim_name_and_outcome(self) -> None:
        file, stored = self.FILE, f"{ID}~letter.txt"
        assert file.path == f"claimed/clinic/june/{stored}"
        assert file.archive_path(PACIFIC) == f"archive/2024/06/09/clinic/june/{stored}"
        assert file.review_path("plain") == "review/clinic/june/letter.txt"
        assert file.review_path("claim") == f"review/clinic/june/{stored}"
        assert file.discarded_path() == f"review/discarded/clinic/june/{stored}"
        assert file.duplicate_path(UTC, of_dead_letter=False) == f"archive/2024/06/10/duplicates/clinic/june/{stored}"
        assert file.duplicate_path(UTC, of_dead_letter=True) == f"review/duplicates/clinic/june/{stored}"

    @pytest.mark.parametrize("folder", ["", "clinic", "duplicates", "discarded", "2024/06/09"])
    def test_of_different_outcomes_and_claims_never_meet(self, folder: str) -> None:
        ids, names = (claim(1), claim(2)), ("a.txt", "b.txt")
        files = [ClaimedFile(claim_id, folder, name) for claim_id in ids for name in names]
        paths = [path for file in files for path in outcomes(file)]
        assert len(paths) == len(set(paths))

    @given(name=st.sampled_from(ODD_NAMES), folder=st.sampled_from(["", "a", "a/b"]))
    def test_of_one_file_never_meet_whatever_its_name(self, name: str, folder: str) -> None:
        paths = [*outcomes(ClaimedFile(ID, folder, name)), ClaimedFile(ID, folder, name).review_path("plain")]
        assert len(paths) == len(set(paths))


def outcomes(file: ClaimedFile) -> list[str]:
    """Every path that holds the claim id."""
    return [
        file.path,
        file.archive_path(PACIFIC),
        file.review_path("claim"),
        file.discarded_path(),
        file.duplicate_path(PACIFIC, of_dead_letter=False),
        file.duplicate_path(PACIFIC, of_dead_letter=True),
    ]


class TestStoredName:
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_a_short_name_is_kept(self, name: str) -> None:
        assert stored_name(name) == name
        assert stored_name(name, "prefix~") == f"prefix~{name}"

    @given(stem=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
    def test_a_long_name_keeps_its_extension_and_whole_characters(self, stem: str) -> None:
        prefix, name = f"{ID}~", stem + "x.pdf"
        stored = stored_name(name, prefix)
        assert len(os.fsencode(stored)) <= MAX_NAME_BYTES
        assert stored.startswith(prefix)
        assert stored.endswith(".pdf")
        assert name.startswith(stored.removeprefix(prefix).removesuffix(".pdf"))

    @given(name=st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name))
    def test_names_that_are_not_unicode_fit_too(self, name: bytes) -> None:
        stored = stored_name(os.fsdecode(name), f"{ID}~")
        assert len(os.fsencode(stored)) <= MAX_NAME_BYTES

    @given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=400))
    def test_storing_a_stored_name_changes_nothing(self, name: str) -> None:
        once = stored_name(name, f"{ID}~")
        assert stored_name(once.removeprefix(f"{ID}~"), f"{ID}~") == once

    def test_what_is_too_long_for_an_extension_is_none(self) -> None:
        assert stored_name("a." + "b" * 300) == "a." + "b" * (MAX_NAME_BYTES - 2)

    def test_companions_fit_into_the_longest_name(self, tmp_path: Path) -> None:
        stored = stored_name("ä" * 300 + ".pdf", f"{ID}~")
        for suffix in (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX):
            (tmp_path / (stored + suffix)).touch()


class TestMove:
    def test_makes_the_folders_of_the_target(self, spool: Spool, share: Path, renaming: str) -> None:
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        assert spool.move(file.path, file.archive_path(UTC))
        assert (share / file.archive_path(UTC)).read_bytes() == b"content"
        assert not spool.exists(file.path)

    def test_never_replaces_a_file(self, spool: Spool, share: Path, renaming: str) -> None:
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        (share / "review" / "letter.txt").write_bytes(b"another")
        with pytest.raises(FileExistsError):
            spool.move(file.path, "review/letter.txt")
        assert (share / "review" / "letter.txt").read_bytes() == b"another"
        assert (share / file.path).read_bytes() == b"content"

    def test_never_replaces_a_dangling_link(self, spool: Spool, share: Path, renaming: str) -> None:
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        (share / "review" / "letter.txt").symlink_to("nowhere")
        with pytest.raises(FileExistsError):
            spool.move(file.path, "review/letter.txt")

    def test_a_second_time_finds_it_done(self, spool: Spool, renaming: str) -> None:
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        assert [spool.move(file.path, "review/letter.txt") for _ in range(3)] == [True, True, True]

    def test_of_what_is_nowhere_says_so(self, spool: Spool, renaming: str) -> None:
        assert not spool.move(f"claimed/{ID}~x", "review/x")

    def test_takes_a_link_as_what_it_is(self, spool: Spool, share: Path, renaming: str) -> None:
        link = share / "claimed" / f"{ID}~x"
        link.symlink_to("/etc/hostname")
        assert spool.move(f"claimed/{ID}~x", "review/x")
        assert (share / "review" / "x").is_symlink()

    def test_of_one_file_by_many_at_once_moves_it_once(self, spool: Spool, share: Path) -> None:
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        answers: list[bool] = []
        threads = [
            threading.Thread(target=lambda: answers.append(spool.move(file.path, "review/letter.txt")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [True] * 8
        assert os.listdir(share / "review") == ["letter.txt"]

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EXDEV])
    def test_what_the_file_system_refuses_stays_where_it_was(
        self, spool: Spool, share: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        file = put(spool, ClaimedFile(ID, "sub", "letter.txt"))
        monkeypatch.setattr(spool_module, "rename_no_replace", failing(code))
        with pytest.raises(OSError, match=os.strerror(code)):
            spool.move(file.path, "review/letter.txt")
        assert (share / file.path).read_bytes() == b"content"
        assert os.listdir(share / "review") == []

    @pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_a_file_system_without_that_call_is_asked_otherwise(
        self, spool: Spool, share: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        monkeypatch.setattr(rename_module, "_renameat2", lambda *args: -1)
        monkeypatch.setattr(ctypes, "get_errno", lambda: code)
        file = put(spool, ClaimedFile(ID, "", "letter.txt"))
        assert spool.move(file.path, "review/letter.txt")
        assert spool.exists("review/letter.txt")


def failing(code: int) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


class TestPruning:
    def test_folders_of_claimed_that_a_move_left_empty_go(self, spool: Spool, share: Path) -> None:
        file = put(spool, ClaimedFile(ID, "a/b/c", "letter.txt"))
        spool.move(file.path, "review/letter.txt")
        assert os.listdir(share / "claimed") == []
        assert (share / "claimed").is_dir()

    def test_a_folder_with_another_file_stays(self, spool: Spool, share: Path) -> None:
        file, other = (put(spool, ClaimedFile(claim(number), "a/b", "letter.txt")) for number in (1, 2))
        spool.move(file.path, "review/letter.txt")
        assert spool.exists(other.path)
        spool.move(other.path, "review/other.txt")
        assert os.listdir(share / "claimed") == []

    def test_no_other_folder_is_ever_removed(self, spool: Spool, share: Path) -> None:
        (share / "review" / "sub").mkdir()
        (share / "review" / "sub" / "x").touch()
        spool.move("review/sub/x", f"claimed/{ID}~x")
        assert (share / "review" / "sub").is_dir()


class TestWrite:
    def test_is_whole(self, spool: Spool, share: Path) -> None:
        spool.write("review/sub/letter.txt.error.json", b"{}")
        assert (share / "review/sub/letter.txt.error.json").read_bytes() == b"{}"
        assert os.listdir(share / "review" / "sub") == ["letter.txt.error.json"]

    def test_a_second_time_replaces_its_own(self, spool: Spool, share: Path) -> None:
        for content in (b"first", b"second"):
            spool.write("review/x.error.json", content)
        assert (share / "review" / "x.error.json").read_bytes() == b"second"

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    def test_that_fails_leaves_nothing_behind(
        self, spool: Spool, share: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
    ) -> None:
        monkeypatch.setattr(os, call, failing(code))
        with pytest.raises(OSError, match=os.strerror(code)):
            spool.write("review/x.error.json", b"{}")
        assert os.listdir(share / "review") == []

    def test_that_fails_leaves_what_was_there(self, spool: Spool, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        spool.write("review/x.error.json", b"first")
        monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            spool.write("review/x.error.json", b"second")
        assert (share / "review" / "x.error.json").read_bytes() == b"first"
        assert len(os.listdir(share / "review")) == 1

    def test_is_on_the_disk_before_it_has_its_name(
        self, spool: Spool, share: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[list[str]] = []
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.listdir(share / "review")))
        spool.write("review/x.error.json", b"{}")
        (names,) = synced
        assert [name.startswith(TEMPORARY_PREFIX) for name in names] == [True]


class TestOwnFiles:
    def test_what_a_crash_left_is_found(self, spool: Spool, share: Path) -> None:
        for folder in ("review/sub", "archive/2024/06/09"):
            (share / folder).mkdir(parents=True)
            (share / folder / f"{TEMPORARY_PREFIX}0123").touch()
            (share / folder / "letter.txt").touch()
        assert sorted(spool.temporary_files()) == [
            f"archive/2024/06/09/{TEMPORARY_PREFIX}0123",
            f"review/sub/{TEMPORARY_PREFIX}0123",
        ]

    def test_error_files_are_found_in_every_folder_of_review(self, spool: Spool) -> None:
        paths = [f"review/{folder}x{ERROR_SUFFIX}" for folder in ("", "a/", "discarded/", "discarded/a/")]
        for path in paths:
            spool.write(path, b"{}")
        assert sorted(spool.error_files()) == sorted(paths)

    def test_removing_what_is_gone_is_done(self, spool: Spool) -> None:
        spool.write("review/x", b"")
        for _ in itertools.repeat(None, 2):
            spool.remove("review/x")
        assert not spool.exists("review/x")

    def test_reading_is_bounded_and_follows_no_link(self, spool: Spool, share: Path) -> None:
        spool.write("review/x", b"0123456789")
        assert spool.read("review/x", 4) == b"0123"
        (share / "review" / "link").symlink_to("x")
        with pytest.raises(OSError, match="symbolic links"):
            spool.read("review/link")

    @pytest.mark.parametrize(("content", "empty"), [(b"", True), (b"x", False)])
    def test_emptiness(self, spool: Spool, content: bytes, empty: bool) -> None:
        spool.write("review/x", content)
        assert spool.is_empty("review/x") is empty
