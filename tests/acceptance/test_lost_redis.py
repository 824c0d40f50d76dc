"""Redis loses everything while the system runs, or between two runs: the letters are published again by themselves."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

import redis

from tests.support.samples import SAMPLES
from tests.support.system import System, running_system
from tests.support.waiting import eventually


def drop_samples(system: System) -> None:
    for sample in SAMPLES.iterdir():
        system.drop(sample.read_bytes(), f"clinic/{sample.name}")


def ids(system: System) -> list[str]:
    streams = (system.keys.determinations, system.keys.dead_letters)
    return sorted(event["id"] for stream in streams for event in system.events(stream))


def test_everything_is_published_again_under_the_same_ids(tmp_path: Path) -> None:
    count = len(list(SAMPLES.iterdir()))
    with running_system(tmp_path / "share") as system:
        drop_samples(system)
        eventually(lambda: len(ids(system)) == count and system.is_idle(), "every letter filed", timeout_s=60)
        before, files = ids(system), system.files("archive") + system.files("review")

        system.client().flushall()
        eventually(lambda: ids(system) == before, "the same events after FLUSHALL", timeout_s=60)
        assert "lost the records of 6 letters" in eventually(lambda: told(system), "the alarm", timeout_s=30)

        eventually(system.is_idle, "every letter filed again", timeout_s=60)
        system.stop()
        shutil.rmtree(tmp_path / "share" / ".imr" / "redis")
        system.start()
        eventually(lambda: ids(system) == before, "the same events from an empty server", timeout_s=60)
        eventually(system.is_idle, "every letter filed once more", timeout_s=60)
        assert system.files("archive") + system.files("review") == files
        assert system.status()["unexplained"] == 0
        system.imr("reconcile", "--all")
        assert told(system) == ""
        assert ids(system) == before


def test_a_server_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    samples = sorted(SAMPLES.iterdir())
    with running_system(tmp_path / "share") as system:
        system.drop(samples[0].read_bytes(), samples[0].name)
        eventually(lambda: len(ids(system)) == 1, "the first letter", timeout_s=60)
        os.kill(int(system.client().info("server")["process_id"]), signal.SIGKILL)
        for sample in samples[1:]:
            system.drop(sample.read_bytes(), sample.name)
        eventually(
            lambda: answers_with(system, len(samples)), "every letter, by the server started again", timeout_s=60
        )
        eventually(system.is_idle, "every letter filed", timeout_s=60)
        assert len(set(ids(system))) == len(samples)
        assert system.status()["unexplained"] == 0
        _, printed = system.stop()
    assert "the embedded server ended; starting it again" in printed
    assert "the embedded server runs again" in printed


def answers_with(system: System, count: int) -> bool:
    with contextlib.suppress(redis.RedisError):
        return len(ids(system)) == count
    return False


def told(system: System) -> str:
    lines = system.imr("status").splitlines()
    return "".join(line for line in lines if "lost the records" in line)
