"""Nothing left to open files with: letters wait, nobody is blamed, and all goes on by itself once there is again."""

from __future__ import annotations

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.many_letters import numbered_letters
from tests.support.samples import SAMPLES
from tests.support.services import CELERY, running_services
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually

PDF = (SAMPLES / "wrist-nerve-studies.pdf").read_bytes()


def test_no_descriptors_left(tmp_path: Path) -> None:
    """First the workers can open nothing, then the producer."""
    texts = list(numbered_letters(4).values())
    with running_system(tmp_path / "share", {**QUICK, "IMR_RETRY_MAX_SECONDS": "1"}) as system:
        # What a worker opens once is open: its client, its log, the pipe to the process that reads PDFs.
        for number, content in enumerate([texts[0], texts[1]]):
            system.drop(content, f"first-{number}.txt")
        eventually(lambda: published(system) == 2, "the first letters", timeout_s=60)

        with no_more_files(children_of(system.worker_pids())):
            system.drop(texts[2], "for the workers.txt")
            system.drop(PDF, "for the workers.pdf")
            eventually(lambda: f"errno={errno.EMFILE}" in said(system, "worker"), "a worker without descriptors", 30)
            assert published(system) == 2
            assert system.events(system.keys.dead_letters) == [], "it is not the letters' fault"
        eventually(lambda: published(system) == 4, "the letters of then", timeout_s=60)

        with no_more_files([producer_pid(system)]):
            system.drop(texts[3], "for the producer.txt")
            eventually(lambda: f"errno={errno.EMFILE}" in said(system, "producer"), "a producer without any", 30)
            assert system.files("inbox") == ["for the producer.txt"]
        eventually(lambda: published(system) == 5, "the letter of then", timeout_s=60)
        eventually(system.is_idle, "inbox and claimed/ empty")
        status = system.status()
        assert (status["published"], status["dead"], status["unexplained"]) == (5, 0, 0)


@contextlib.contextmanager
def no_more_files(pids: list[int]) -> Iterator[None]:
    """These processes keep what they have open, and can open nothing else."""
    assert pids
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def children_of(pids: list[int]) -> list[int]:
    return [int(child) for pid in pids for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def producer_pid(system: System) -> int:
    (pid,) = [pid for pid in children_of([system.pid]) if b"-m\0producer" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def published(system: System) -> int:
    return int(system.client().xlen(system.keys.determinations))


def said(system: System, service: str) -> str:
    return (system.state / "logs" / f"{service}.log").read_text(errors="replace")


def test_no_shared_memory(tmp_path: Path) -> None:
    """Celery's worker needs /dev/shm for its semaphores: without, it ends and says why, and the next one goes on."""
    (letter,) = numbered_letters(1).values()
    without = f"mount -t tmpfs -o ro none /dev/shm && exec {CELERY} -A worker.app worker -c 1"
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "ro", "none", "/dev/shm"]).returncode:
        pytest.skip("this machine does not let us mount")
    with running_services(tmp_path) as services:
        services.producer()
        services.drop(letter, "letter.txt")
        worker = services.start("unshare", "--mount", "sh", "-c", without)
        assert worker.ends(60) != 0
        assert "the worker cannot go on kind=OSError" in worker.said()
        assert services.published() == []

        services.worker()
        eventually(lambda: len(services.published()) == 1, "the letter", timeout_s=60)
