"""Killed anywhere, a worker loses nothing and publishes nothing twice.

A worker is killed at each call of each of its ports, before the call's effect and after it. Then other workers run
what is left, as the reaper would have them, and the outcome must be the one of a quiet day.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from pathlib import Path

import orjson
import pytest

from tests.support.failpoints import Failpoints, Killed, When
from tests.support.letters import digest
from tests.support.rig import MOST, Rig
from worker.contract.names import ERROR_SUFFIX, EXTRACTED_SUFFIX, NOTE_SUFFIX

TEXT, PAGED, BROKEN, OTHER_BROKEN = b"a letter", b"%PDF a letter with pages", b"broken", b"broken otherwise"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut leaves is another test's: hundreds of syncs would take most of the time here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def drop(rig: Rig) -> None:
    """A batch with everything in it: text, pages, two dead letters of one name, copies, an empty file."""
    rig.claim("letter.txt", TEXT)
    rig.claim("letter.pdf", PAGED, folder="from the clinic")
    rig.claim("scan.txt", BROKEN)
    rig.claim("scan.txt", OTHER_BROKEN)
    rig.claim("copy.txt", TEXT, folder="a/b")
    rig.claim("copy of the broken.txt", BROKEN)
    rig.claim("empty.txt", b"")


def run_until_killed(rig: Rig, failpoints: Failpoints) -> bool:
    """Whether the worker was killed."""
    with contextlib.suppress(Killed):
        rig.run(failpoints=failpoints)
    return failpoints.is_dead


def recover(rig: Rig) -> None:
    """Other workers, one after the other, until nothing is left."""
    for _ in range(MOST + 1):
        rig.wait_for_leases()
        rig.run()


def calls_of_a_quiet_day(folder: Path, *, always: bool = True) -> list[str]:
    rig, failpoints = Rig(folder, always=always), Failpoints()
    drop(rig)
    rig.run(failpoints=failpoints)
    check(rig)
    return failpoints.calls


def check(rig: Rig) -> None:
    """What must hold in the end, whatever happened."""
    assert Counter(rig.letters().values()) == Counter([TEXT, TEXT, PAGED, BROKEN, BROKEN, OTHER_BROKEN, b""])
    places = Counter((path.partition("/")[0], content) for path, content in rig.letters().items())
    assert places == {
        ("archive", TEXT): 2,
        ("archive", PAGED): 1,
        ("review", BROKEN): 2,
        ("review", OTHER_BROKEN): 1,
        ("review", b""): 1,
    }
    check_events(rig)
    check_companions(rig)
    rig.assert_counts_close()
    counts = rig.records.counts()
    assert (counts.seen, counts.published, counts.dead, counts.duplicate) == (7, 2, 3, 2)
    assert not counts.open_claims


def check_events(rig: Rig) -> None:
    published = Counter(event["id"] for event in rig.published())
    assert published == {f"{digest(text.decode())}:1": 1 for text in (TEXT, PAGED)}
    dead = Counter(event["id"] for event in rig.dead())
    assert len(dead) == 3
    assert set(dead.values()) == {1}
    letters = rig.letters()
    for event in (*rig.published(), *rig.dead()):
        assert event["dataref"].replace("%20", " ") in letters, "an event says where its letter lies"


def check_companions(rig: Rig) -> None:
    files, letters = rig.files(), rig.letters()
    beside = {path: content for path, content in files.items() if path not in letters}
    extracted = [path for path in beside if path.endswith(EXTRACTED_SUFFIX)]
    errors = {path: orjson.loads(content) for path, content in beside.items() if path.endswith(ERROR_SUFFIX)}
    assert len(extracted) == 1
    assert {told["id"] for told in errors.values()} == {event["id"] for event in rig.dead()}
    notes = {path: content.decode() for path, content in beside.items() if path.endswith(NOTE_SUFFIX)}
    for path in (*extracted, *errors):
        assert path.removesuffix(EXTRACTED_SUFFIX).removesuffix(ERROR_SUFFIX) in letters, "none without its letter"
    assert {path.removesuffix(NOTE_SUFFIX) for path in notes} == {path.removesuffix(ERROR_SUFFIX) for path in errors}
    for path, told in errors.items():
        assert told["id"][:12] in notes[path.removesuffix(ERROR_SUFFIX) + NOTE_SUFFIX], "each says which letter it is"
    assert len(beside) == len(extracted) + len(errors) + len(notes), "no temporary file"


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_the_disk_is_waited_for(tmp_path: Path, when: When, power_cut: bool) -> None:
    """With a server that syncs every second; with its machine, it loses whatever was not waited for."""
    calls = calls_of_a_quiet_day(tmp_path / "quiet", always=False)
    assert {"begin", "finish", "later", "move", "filed"} <= set(calls), "every port is watched"
    assert calls.index("finish") < calls.index("later") < calls.index("move")
    for number, name in enumerate(calls):
        rig = Rig(tmp_path / str(number), always=False)
        drop(rig)
        assert run_until_killed(rig, Failpoints(number, when))
        if power_cut:
            rig.disk.cut_power()
        recover(rig)
        try:
            check(rig)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {number}, {name}") from error


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call(tmp_path: Path, when: When) -> None:
    calls = calls_of_a_quiet_day(tmp_path / "quiet")
    assert {"begin", "finish", "locate", "now", "move", "write", "to_text", "call"} <= set(calls)
    for number, name in enumerate(calls):
        rig = Rig(tmp_path / str(number))
        drop(rig)
        assert run_until_killed(rig, Failpoints(number, when))
        recover(rig)
        try:
            check(rig)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {number}, {name}") from error


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_again_while_recovering(tmp_path: Path, when: When) -> None:
    calls = calls_of_a_quiet_day(tmp_path / "quiet")
    for number, again in itertools.product(range(0, len(calls), 3), (1, 4, 9, 15)):
        rig = Rig(tmp_path / f"{number}-{again}")
        drop(rig)
        run_until_killed(rig, Failpoints(number, when))
        rig.wait_for_leases()
        run_until_killed(rig, Failpoints(again, when))
        recover(rig)
        try:
            check(rig)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {number}, then {when} call {again}") from error


@pytest.mark.parametrize("when", ["before", "after"])
def test_another_worker_takes_over_while_the_first_one_still_runs(tmp_path: Path, when: When) -> None:
    """A worker is stopped (SIGSTOP, a paused machine) until its leases run out; another does everything; it wakes."""
    calls = calls_of_a_quiet_day(tmp_path / "quiet")
    for number, name in enumerate(calls):
        rig = Rig(tmp_path / str(number))
        drop(rig)
        rig.run(failpoints=Paused(number, when, rig))
        recover(rig)
        try:
            check(rig)
        except AssertionError as error:
            raise AssertionError(f"paused {when} call {number}, {name}") from error


class Paused(Failpoints):
    """Instead of dying, stand still until another worker has done everything."""

    def __init__(self, fatal: int, when: When, rig: Rig) -> None:
        super().__init__(fatal, when)
        self._rig = rig

    def die(self) -> None:
        recover(self._rig)
