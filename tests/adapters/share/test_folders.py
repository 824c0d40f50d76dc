"""The share at start: four folders on one file system in which a claim works, or a reason and a remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.adapters.share.folders import prepare, share_problems
from worker.adapters.start_problem import StartRefused
from worker.contract.names import FOLDERS


def test_the_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    share = tmp_path / "a" / "share"
    prepare(share)
    assert sorted(os.listdir(share)) == sorted(FOLDERS)
    assert [os.listdir(share / folder) for folder in FOLDERS] == [[], [], [], []]


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "inbox" / "letter.txt").touch()
    prepare(tmp_path)
    assert os.listdir(tmp_path / "inbox") == ["letter.txt"]


def refused(share: Path) -> str:
    with pytest.raises(StartRefused) as error:
        prepare(share)
    assert all(problem.remedy for problem in error.value.problems)
    return str(error.value)


def test_a_file_in_the_place_of_the_share(tmp_path: Path) -> None:
    (tmp_path / "share").touch()
    assert "cannot be created" in refused(tmp_path / "share")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).touch()
    assert "cannot be created" in refused(tmp_path)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (problem,) = share_problems(tmp_path)
    assert "claimed, archive, review missing" in str(problem)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_folders_on_two_file_systems(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    other = Path(f"/dev/shm/imr-test-{os.getpid()}")
    if tmp_path.stat().st_dev == Path("/dev/shm").stat().st_dev:
        pytest.skip("temporary folders are on that file system too")
    other.mkdir()
    request.addfinalizer(other.rmdir)
    (tmp_path / "claimed").symlink_to(other)
    assert "different file systems" in refused(tmp_path)


def test_folders_in_which_nothing_can_be_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    prepare(tmp_path)
    monkeypatch.setattr(os, "rename", refuse)
    assert "cannot be renamed from inbox/ to claimed/" in refused(tmp_path)
    assert os.listdir(tmp_path / "inbox") == []


def test_what_a_killed_start_left_behind_is_removed_and_what_another_is_just_doing_is_not(tmp_path: Path) -> None:
    prepare(tmp_path)
    hour_ago_s = (tmp_path / "inbox").stat().st_mtime - 3600
    for folder in ("inbox", "claimed"):
        (tmp_path / folder / ".imr-check-just-now").touch()
        (tmp_path / folder / ".imr-check-left").touch()
        os.utime(tmp_path / folder / ".imr-check-left", (hour_ago_s, hour_ago_s))
    prepare(tmp_path)
    assert [os.listdir(tmp_path / folder) for folder in ("inbox", "claimed")] == [[".imr-check-just-now"]] * 2


def test_a_share_that_cannot_be_looked_at_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails in the middle of the first look ends in a sentence, not in a traceback."""

    def broken(path: object) -> None:
        raise OSError(5, "Input/output error")

    prepare(tmp_path)
    monkeypatch.setattr(os, "unlink", broken)
    assert "cannot be created or read" in refused(tmp_path)
