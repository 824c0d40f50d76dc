"""A disk that is really full: a small tmpfs as the share, filled to the last byte while letters are on their way."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bench import Bench
from tests.faults.checker import check
from tests.faults.conftest import MakeBench
from tests.faults.letters import Letters
from tests.support.waiting import eventually
from worker.adapters.share.spool import TEMPORARY_PREFIX
from worker.contract.names import INBOX

pytestmark = pytest.mark.services

SIZE_BYTES = 4_000_000


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of a few megabytes; skips where this user may not mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


@pytest.fixture
def bench(make_bench: MakeBench) -> Iterator[Bench]:
    with make_bench(share_on=small_disk) as made:
        yield made


def test_a_disk_that_is_really_full_loses_nothing(bench: Bench) -> None:
    """Letters wait in claimed/ while there is no room for what lies beside them, and go on by themselves then."""
    bench.start("producer")
    bench.wait_for_producer()
    bench.drop(Letters(9).batch(8))
    eventually(lambda: not any((bench.share / INBOX).rglob("*.txt")), "every letter to be claimed")
    filler = bench.share / ".filler"
    fill(filler)
    bench.start("worker")
    eventually(
        lambda: "not filed yet" in bench.logs().get("worker.log", ""), "a letter that cannot be filed", timeout_s=30
    )
    assert not list(bench.share.rglob(f"{TEMPORARY_PREFIX}*")), "half a file of ours is left"
    filler.unlink()
    bench.settle()
    findings = check(bench)
    assert not findings, str(findings)
