"""A worker is stopped in every way there is, in the middle of a letter: it ends in time, the letter is done once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.many_letters import numbered_letter
from tests.support.services import Service, Services, running_services
from tests.support.waiting import eventually

APP: Final = "tests.support.held_app"
GRACE_S: Final = 2.0
"""In place of the ten seconds that a worker has in service."""
TOLD: Final = "Hitting Ctrl+C again"
"""What Celery says when it begins to stop."""
IN_TIME_S: Final = GRACE_S + 10.0
"""The grace, and ten seconds for a busy machine to end some processes; a hang is longer."""


class Bench:
    """Letters one after another, each held in the middle of its reading until it is let go."""

    def __init__(self, services: Services, hold: Path) -> None:
        self.services = services
        self._hold = hold
        self.dropped = 0

    def in_the_middle(self, worker: Service) -> None:
        """Drop a letter, and wait until the worker is at it."""
        self._done()
        self._hold.touch()
        self.services.drop(numbered_letter(self.dropped), f"{self.dropped}.txt")
        self.dropped += 1
        eventually(self.services.held, f"a letter in the hands of a worker that said {worker.said()}", timeout_s=60)

    def let_go(self) -> None:
        """Let the letter be read."""
        self._hold.unlink(missing_ok=True)

    def _done(self) -> None:
        eventually(lambda: self.count() == self.dropped, f"{self.dropped} letters published", timeout_s=60)

    def count(self) -> int:
        """Letters published."""
        return len(self.services.published())


def ends_in_time(worker: Service, signals: Callable[[], None]) -> None:
    begun_s = time.monotonic()
    signals()
    worker.ends(IN_TIME_S)
    took_s = time.monotonic() - begun_s
    assert took_s < IN_TIME_S, f"it took {took_s:.1f} s"


@pytest.mark.timeout(300)
def test_a_worker_that_is_stopped_loses_nothing(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    settings = {"IMR_TEST_HOLD": str(hold), "IMR_TEST_GRACE_S": str(GRACE_S)}
    with running_services(tmp_path, **settings) as services:
        bench = Bench(services, hold)
        services.producer()
        for stop in (term_that_is_in_time, term_that_is_not_in_time, term_twice, kill_after_term):
            worker = services.worker(APP)
            bench.in_the_middle(worker)
            stop(bench, worker)
            bench.let_go()
        worker = services.worker(APP)
        hup(bench, worker)

        ids = services.published()
        assert len(ids) == len(set(ids)) == bench.dropped
        eventually(lambda: not services.claimed(), "every letter filed away")
        status = services.status()
        assert (status["published"], status["unexplained"]) == (bench.dropped, 0), status


def term_that_is_in_time(bench: Bench, worker: Service) -> None:
    """The letter ends within the grace: it is published before the worker ends."""
    before = bench.count()
    worker.send(signal.SIGTERM)
    eventually(lambda: TOLD in worker.said(), "the worker to be told")
    bench.let_go()
    worker.ends(IN_TIME_S)
    assert bench.count() == before + 1, worker.said()


def term_that_is_not_in_time(bench: Bench, worker: Service) -> None:
    """The letter does not end within the grace: it stays claimed, for the next worker."""
    ends_in_time(worker, partial(worker.send, signal.SIGTERM))
    assert len(bench.services.claimed()) == 1


def term_twice(bench: Bench, worker: Service) -> None:
    """Somebody who is impatient."""

    def twice() -> None:
        worker.send(signal.SIGTERM)
        eventually(lambda: TOLD in worker.said(), "the worker to be told")
        worker.send(signal.SIGTERM)

    ends_in_time(worker, twice)
    assert len(bench.services.claimed()) == 1


def kill_after_term(bench: Bench, worker: Service) -> None:
    """What systemd and Kubernetes do when the time is up."""
    worker.send(signal.SIGTERM)
    worker.kill()
    assert len(bench.services.claimed()) == 1


def hup(bench: Bench, worker: Service) -> None:
    """Celery's restart: what runs is finished, and a new program goes on under the same process id."""
    bench.in_the_middle(worker)
    worker.send(signal.SIGHUP)
    eventually(lambda: "estarting celery worker" in worker.said(), f"the restart; it said {worker.said()}")
    bench.let_go()
    bench.in_the_middle(worker)
    bench.let_go()
    eventually(lambda: bench.count() == bench.dropped, "the letter after the restart", timeout_s=60)
    assert os.path.exists(f"/proc/{worker.pid}")
    ends_in_time(worker, partial(worker.send, signal.SIGTERM))
