"""`imr up` is stopped in every way there is: in time, losing nothing, and leaving no process behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.many_letters import numbered_letters
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually

LETTERS = numbered_letters(120)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with running_system(tmp_path / "share", {**QUICK, "IMR_BATCH_LETTERS": "2"}) as running:
        yield running


def family(system: System) -> list[int]:
    """Process ids of everything that `imr up` started, and their children."""
    found, waiting = [], [system.pid]
    while waiting:
        pid = waiting.pop()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        waiting += [int(child) for child in children]
        found += [int(child) for child in children]
    return found


def alive(pids: list[int]) -> list[int]:
    """Those that still run; one that has ended and that nobody has asked about does not."""
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def told_twice(system: System) -> None:
    """Its terminal is closed, and somebody stops it as well."""
    os.kill(system.pid, signal.SIGHUP)
    code, printed = system.stop(signal.SIGTERM)
    assert code == 0, printed


def killed(system: System) -> None:
    system.stop(signal.SIGKILL)


ENDINGS = {"HUP and TERM": told_twice, "KILL": killed}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_it_stops_in_time_and_nothing_is_lost(system: System, ending: Callable[[System], None]) -> None:
    """In the middle of its letters; then it is started again and does the rest, each once."""
    for name, content in LETTERS.items():
        system.drop(content, name)
    eventually(partial(published, system), "the first event", timeout_s=60)
    pids = family(system)
    assert len(pids) >= 4, "server, producer, worker and its children"

    ending(system)
    eventually(lambda: not alive(pids), f"the end of all of {pids}", timeout_s=30)

    system.start()
    eventually(system.is_idle, "inbox and claimed/ empty", timeout_s=60)
    ids = [event["id"] for event in system.events(system.keys.determinations)]
    assert len(ids) == len(set(ids)) == len(LETTERS)
    assert system.status()["unexplained"] == 0


def published(system: System) -> int:
    return int(system.client().xlen(system.keys.determinations))
