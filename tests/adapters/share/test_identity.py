"""The share's id: given once, remembered elsewhere, and missed where the share is not mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.adapters.share.folders import prepare
from worker.adapters.share.identity import adopt, identity_problem, share_id


@pytest.fixture
def share(tmp_path: Path) -> Path:
    prepare(tmp_path / "share")
    return tmp_path / "share"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "state"


def test_a_share_is_given_an_id_once(share: Path, state: Path) -> None:
    assert share_id(share) is None
    first = adopt(share, state)
    assert first is not None
    assert len(first) == 32
    assert adopt(share, state) == share_id(share) == first
    assert os.listdir(share / ".imr") == ["share-id"], "written whole, nothing beside it"


def test_a_share_that_was_never_used_here_may_be_any_folder(share: Path, state: Path) -> None:
    assert identity_problem(share, state) is None
    assert identity_problem(share / "not there", state) is None
    assert not state.exists(), "looking makes nothing"


def test_an_empty_mount_point_is_not_the_share(share: Path, state: Path) -> None:
    adopt(share, state)
    assert identity_problem(share, state) is None
    mounted = share.rename(share.parent / "mounted")
    problem = identity_problem(share, state)
    assert problem is not None
    assert problem.what == f"the share {share} is not mounted"
    share.mkdir()
    assert identity_problem(share, state) == problem
    assert os.listdir(share) == []
    share.rmdir()
    mounted.rename(share)
    assert identity_problem(share, state) is None


def test_another_share_in_its_place_is_not_the_share(share: Path, state: Path) -> None:
    adopt(share, state)
    share.rename(share.parent / "mounted")
    prepare(share)
    adopt(share, share / ".imr")
    problem = identity_problem(share, state)
    assert problem is not None
    assert "another share" in problem.what


def test_the_remedy_says_what_to_remove_when_the_change_is_meant(share: Path, state: Path) -> None:
    adopt(share, state)
    (share / ".imr" / "share-id").unlink()
    problem = identity_problem(share, state)
    assert problem is not None
    memory = Path(problem.remedy.split("remove ")[1])
    memory.unlink()
    assert identity_problem(share, state) is None
    assert adopt(share, state) is not None
    assert memory.exists(), "and the new one is remembered there"


def test_state_in_the_share_itself_remembers_nothing(share: Path) -> None:
    adopt(share, share / ".imr")
    assert os.listdir(share / ".imr") == ["share-id"]
    (share / ".imr" / "share-id").unlink()
    assert identity_problem(share, share / ".imr") is None


def test_two_shares_have_their_own_memory_in_one_state_folder(share: Path, state: Path) -> None:
    prepare(share.parent / "other")
    assert adopt(share, state) != adopt(share.parent / "other", state)
    assert identity_problem(share, state) is None
    assert identity_problem(share.parent / "other", state) is None


@pytest.mark.parametrize("content", ["", "no id", "0" * 31, "ä" * 32])
def test_a_damaged_id_is_none_and_is_given_anew(share: Path, state: Path, content: str) -> None:
    (share / ".imr").mkdir()
    (share / ".imr" / "share-id").write_text(content)
    assert share_id(share) is None
    assert adopt(share, state) == share_id(share) is not None


def test_a_share_that_takes_no_id_has_none(share: Path, state: Path) -> None:
    (share / ".imr").write_text("a file in its place")
    assert adopt(share, state) is None
    assert identity_problem(share, state) is None


def test_a_share_that_does_not_answer_is_a_problem(share: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt(share, state)
    real = Path.read_text

    def stale(path: Path, *arguments: str) -> str:
        if path.name == "share-id":
            raise OSError(116, "Stale file handle")
        return real(path, *arguments)

    monkeypatch.setattr(Path, "read_text", stale)
    problem = identity_problem(share, state)
    assert problem is not None
    assert "does not answer (errno=116)" in problem.what
