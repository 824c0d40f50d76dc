"""Detecting an unmounted share: an empty mount point must not be taken for an empty inbox."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from producer.discovery.mount_guard import NOT_MOUNTED, MountGuard, MountTable
from tests.producer.doubles import DISCOVERY, SCAN_S, SETTLE_S, Share, Site
from tests.producer.stepping import quietly, started, step_until
from worker.adapters.share.identity import adopt
from worker.adapters.share.mounts import Mount


@pytest.fixture
def table() -> MountTable:
    table = MountTable("/nowhere")
    table.mounts = (Mount(1, 0, "/", "ext4"),)
    return table


@pytest.fixture
def guard(share: Share, table: MountTable) -> MountGuard:
    guard = MountGuard(str(share.root), adopt(share.root, share.root / ".imr"), table)
    assert not guard.check()
    return guard


def test_a_share_that_is_there_is_no_trouble(guard: MountGuard) -> None:
    assert not any(guard.check() for _ in range(5))
    assert guard.trouble is None


def test_an_empty_folder_in_its_place_is_trouble_until_it_is_back(
    share: Share, guard: MountGuard, caplog: pytest.LogCaptureFixture
) -> None:
    away = share.root.rename(share.root.parent / "away")
    for below in (None, share.root, share.inbox):
        if below is not None:
            below.mkdir()
        assert not guard.check()
        assert guard.trouble == NOT_MOUNTED
    share.inbox.rmdir()
    share.root.rmdir()
    away.rename(share.root)
    assert guard.check(), "it is back"
    assert guard.trouble is None
    assert not guard.check()
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{NOT_MOUNTED}: nothing is claimed until it is back", "the share is back"], "once each"


def test_another_share_in_its_place_is_trouble(share: Share, guard: MountGuard) -> None:
    share.root.rename(share.root.parent / "away")
    adopt(Share(share.root).root, share.root / ".imr")
    assert not guard.check()
    assert guard.trouble == "another share is mounted in its place"


def test_the_same_share_mounted_again_is_no_trouble(share: Share, guard: MountGuard, table: MountTable) -> None:
    table.mounts = (Mount(2, 0, "/", "ext4"),)
    assert not guard.check()
    assert guard.trouble is None


def test_a_marker_that_somebody_removed_is_no_trouble_while_the_folder_is_the_same(
    share: Share, guard: MountGuard
) -> None:
    (share.root / ".imr" / "share-id").unlink()
    assert not guard.check()
    assert guard.trouble is None


def test_a_share_without_an_id_is_trouble_when_it_is_gone(share: Share, table: MountTable) -> None:
    guard = MountGuard(str(share.root), None, table)
    assert not guard.check()
    away = share.root.rename(share.root.parent / "away")
    assert not guard.check()
    assert guard.trouble == NOT_MOUNTED
    away.rename(share.root)
    assert guard.check()


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (errno.ESTALE, NOT_MOUNTED),
        (errno.ENOTCONN, NOT_MOUNTED),
        (errno.EIO, f"the share does not answer (errno={errno.EIO})"),
        (errno.EACCES, f"the share does not answer (errno={errno.EACCES})"),
    ],
)
def test_a_share_that_does_not_answer_is_trouble(
    guard: MountGuard, monkeypatch: pytest.MonkeyPatch, code: int, trouble: str
) -> None:
    """A stale handle of NFS, a lost connection of FUSE, a broken disk."""

    def refuse(_: str) -> os.stat_result:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        assert not guard.check()
        assert guard.trouble == trouble
    assert guard.check()


# --- The producer -----------------------------------------------------------------------------------------------------


def guarded(site: Site) -> Site:
    site.discovery = replace(DISCOVERY, share_id=adopt(site.share.root, site.share.root / ".imr"))
    return site


def test_nothing_is_claimed_and_nothing_made_in_an_empty_mount_point(site: Site) -> None:
    producer = started(guarded(site))
    site.share.write("letter.pdf")
    away = site.share.root.rename(site.share.root.parent / "away")
    site.share.root.mkdir()
    quietly(site, producer, 30)
    report = site.dials.reports[-1]
    assert (report.trouble, report.hold) == (NOT_MOUNTED, NOT_MOUNTED)
    assert os.listdir(site.share.root) == []
    site.share.root.rmdir()
    away.rename(site.share.root)
    quietly(site, producer, SCAN_S + SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]
    assert site.dials.reports[-1].trouble is None
    site.share.drop("noticed.pdf")
    step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")


def test_letters_dropped_beside_the_share_while_it_was_away_are_not_touched(site: Site) -> None:
    """People and programs write into the folder below, not knowing that nothing is mounted there."""
    producer = started(guarded(site))
    away = site.share.root.rename(site.share.root.parent / "away")
    below = Share(site.share.root)
    below.write("beside.pdf")
    quietly(site, producer, 30)
    assert below.waiting_paths() == ["beside.pdf"]
    assert below.claimed_paths() == []
    assert away.is_dir()


# --- A real mount -----------------------------------------------------------------------------------------------------


def trouble(site: Site) -> str | None:
    return site.dials.reports[-1].trouble


def mount(*arguments: str) -> bool:
    return subprocess.run(arguments, capture_output=True, check=False).returncode == 0


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, mounted; skips where that is not permitted."""
    point = tmp_path / "mounted"
    point.mkdir()
    if not mount("mount", "-t", "tmpfs", "-o", "size=1m", "imr-test", str(point)):
        pytest.skip("mounting is not permitted here")
    yield point
    while mount("umount", str(point)):
        pass


def test_a_share_that_is_really_unmounted_and_mounted_again_goes_on_by_itself(mounted: Path) -> None:
    """Moved aside and back, so that it is the same share; what comes in between is another, empty, one."""
    aside = mounted.parent / "aside"
    aside.mkdir()
    site = guarded(Site(Share(mounted)))
    site.discovery = replace(site.discovery, watch="auto")
    producer = started(site)
    try:
        assert site.dials.reports[-1].why == "tmpfs is local"
        assert mount("mount", "--bind", str(mounted), str(aside))
        producer.step()
        assert mount("umount", "--lazy", str(mounted))
        Share(aside).write("written elsewhere.pdf")
        quietly(site, producer, 10)
        assert trouble(site) == NOT_MOUNTED
        assert os.listdir(mounted) == []
        assert mount("mount", "--bind", str(aside), str(mounted))
        quietly(site, producer, SCAN_S + SETTLE_S)
        assert site.share.claimed_paths() == ["written elsewhere.pdf"]
        assert trouble(site) is None
        site.share.drop("noticed.pdf")
        step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")
    finally:
        site.close()
        mount("umount", "--lazy", str(mounted))
        mount("umount", "--lazy", str(aside))
