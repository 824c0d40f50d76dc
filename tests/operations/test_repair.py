"""What a crash leaves: temporary files are removed, missing sidecar files written again, the rest is reported."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from tests.support.determinations import NOW
from tests.support.rig import Rig
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.contract.names import ERROR_SUFFIX, SIDECAR_SUFFIXES
from worker.operations.repair import STALE_S, Sweeper
from worker.operations.review import ReviewDesk


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.claim("scan.txt", b"broken", folder="clinic")
    made.run()
    return made


def sweep(rig: Rig, after_s: float = STALE_S + 1) -> list[str]:
    """The lines of a sweep at a later time."""
    now_s = time.time() + after_s
    return list(Sweeper(Spool(rig.share), rig.memory, 1 << 20, lambda: now_s).sweep())


@pytest.mark.parametrize("folder", ["review", "review/clinic", "archive/2024/06/09"])
def test_a_temporary_file_is_removed_once_nobody_can_be_writing_it(rig: Rig, folder: str) -> None:
    left = rig.share / folder / f"{TEMPORARY_PREFIX}0011"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    assert sweep(rig, after_s=60) == []
    assert left.exists()
    assert sweep(rig) == [f"a temporary file in {folder.split('/')[0]}/ that a crash left; removed"]
    assert not left.exists()


def test_a_dead_letter_whose_sidecar_files_are_gone_has_them_again(rig: Rig) -> None:
    before = rig.files()
    for suffix in SIDECAR_SUFFIXES:
        (rig.share / f"review/clinic/scan.txt{suffix}").unlink()
    assert sweep(rig, after_s=60) == []
    assert sweep(rig) == ["a dead letter without its .error.json; written again"]
    assert rig.files() == before
    assert sweep(rig) == []


def test_a_file_that_somebody_put_there_is_reported_and_left(rig: Rig) -> None:
    (rig.share / "review" / "Quackenbush.txt").write_text("by hand")
    (line,) = sweep(rig)
    assert "without .error.json and record" in line
    assert "Quackenbush" not in line
    assert (rig.share / "review" / "Quackenbush.txt").exists()


def test_copies_need_no_error_file(rig: Rig) -> None:
    rig.claim("copy.txt", b"broken")
    rig.run()
    assert any(path.startswith("review/duplicates/") for path in rig.files())
    assert sweep(rig) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_an_error_file_without_its_letter_is_removed(rig: Rig, is_known: bool) -> None:
    report = orjson.loads(rig.files()[f"review/clinic/scan.txt{ERROR_SUFFIX}"])
    (rig.share / "review/clinic/scan.txt").unlink()
    if not is_known:
        rig.memory = rig.records = type(rig.memory)()
    desk = ReviewDesk(
        spool=Spool(rig.share), records=rig.memory, site="site", decided_by="examiner", wall_clock=lambda: NOW
    )
    assert desk.sweep() == [f"{report['id'][:12]}: an error file without its letter; removed"]
    assert rig.files() == {}
