"""Hostile and odd files dropped into a whole running system: what becomes of each, in bounded time and memory.

One system gets them all at once, with a good letter behind them; the tests then look at what is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import pytest

from tests.hostile.hostile import CANARY, CASES, MAX_LETTER_BYTES, PUBLISHED, Case, device, letter
from tests.support.baits import Baits
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually
from worker.adapters.share.walk import files_below
from worker.contract.claim_ids import SEPARATOR
from worker.contract.names import ERROR_SUFFIX, NOTE_SUFFIX, stored_name

NO_CLAIM: Final = "0" * 20
DEPTH: Final = 1000
MOST_MEMORY_BYTES: Final = 400_000_000
"""Of each process; a worker that has parsed one letter has 150 MB. The hostile files have 10 GB."""
WITHIN_S: Final = 60
"""On a busy machine; alone, a few seconds."""

DEVICE: Final = Case("a device", b"device Quackenbush.txt", device, "not_a_regular_file")
AS_OTHERS: Final = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""The services run as users do, whom permissions stop; root would pass them all."""
MAY_BE_OTHERS: Final = subprocess.run([*AS_OTHERS, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


@dataclass
class Seen:
    """The system after everything, and what was seen meanwhile."""

    system: System
    cases: list[Case]
    baits_taken: list[str] = field(default_factory=list)
    growing_waited: bool = False
    forbidden_waited: tuple[bool, bool] = (False, False)
    took_s: float = 0.0
    peak_bytes: dict[str, int] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)

    def events_of(self, case: Case) -> list[dict[str, Any]]:
        """The events about a file of that name, by where its letter lies."""
        wanted = _kept_name(case)
        return [event for event in (*self.events, *self.dead) if _dropped_name(event) == wanted]


def _kept_name(case: Case) -> str:
    """The name by which a letter is kept: shortened where a claim id and what lies beside it would not fit."""
    before = NO_CLAIM + SEPARATOR
    return stored_name(os.fsdecode(case.name), before).removeprefix(before)


def _dropped_name(event: dict[str, Any]) -> str:
    stored = os.fsdecode(unquote_to_bytes(event["dataref"])).rpartition("/")[2]
    return stored.partition("~")[2] if event["dataref"].startswith("archive/") else stored


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    home = tmp_path_factory.mktemp("hostile")
    share = home / "share"
    settings = {**QUICK, "IMR_MAX_LETTER_BYTES": str(MAX_LETTER_BYTES)}
    with running_system(share, settings, AS_OTHERS if MAY_BE_OTHERS else ()) as system:
        try:
            yield _dropped_and_waited(system)
        finally:
            # Before Python's own removal, which would recurse a thousand times.
            subprocess.run(["rm", "-rf", share / "inbox" / "d"], check=True)


def _dropped_and_waited(system: System) -> Seen:
    seen, started_s = Seen(system, list(CASES)), time.monotonic()
    outside = system.share / "outside"
    outside.mkdir()
    for name in ("bait.txt", "foreign.txt", "swapped.txt"):
        (outside / name).write_bytes(letter(900))
    baits = Baits(outside, *outside.iterdir())
    _drop_all(seen, system.share / "inbox")
    with _growing(system.share / "inbox" / f"growing {CANARY}.txt"), _swapping(system.share / "inbox", outside):
        eventually(lambda: Nothing(_left(system) ^ _EXPECTED_LEFT), "nothing left but what must wait", WITHIN_S)
        seen.growing_waited = (system.share / "inbox" / f"growing {CANARY}.txt").exists()
        seen.forbidden_waited = _forbidden(system)
    if MAY_BE_OTHERS:
        _permit(system)
    eventually(lambda: Nothing(_left(system) - _FOR_EVER), "what waited to be filed away too", WITHIN_S)
    eventually(lambda: _is_published(system, "CM18-8000400"), "the letter that was swapped to be published", WITHIN_S)
    eventually(lambda: not system.files("claimed"), "nothing claimed", WITHIN_S)
    seen.took_s = time.monotonic() - started_s
    seen.baits_taken = baits.taken()
    baits.close()
    seen.peak_bytes = _peaks(os.getpid())
    seen.events = system.events(system.keys.determinations)
    seen.dead = system.events(system.keys.dead_letters)
    seen.status = system.status()
    return seen


_GROWING: Final = f"growing {CANARY}.txt"
_FORBIDDEN_FOLDER: Final = f"forbidden/{CANARY}.txt"
_FORBIDDEN_FILE: Final = f"unreadable {CANARY}.txt"
_FOR_EVER: Final = {f"half.{CANARY}.part", f".hidden {CANARY}.txt"}
"""No letters by their names; the deep tree is not looked into here either."""
_FORBIDDEN: Final = {_FORBIDDEN_FOLDER, f"claimed: {_FORBIDDEN_FILE}"} if MAY_BE_OTHERS else set()
_EXPECTED_LEFT: Final = {*_FOR_EVER, _GROWING, *_FORBIDDEN}


def _is_published(system: System, subject: str) -> bool:
    return any(event["subject"] == subject for event in system.events(system.keys.determinations))


class Nothing(frozenset[str]):
    """True while it is empty: to be waited for, and shown when it is not."""

    def __bool__(self) -> bool:
        return not len(self)


def _left(system: System) -> set[str]:
    """What is in the inbox, and what is claimed; the folder that comes and goes is looked at elsewhere."""
    inbox = {f"{folder}/{name}" if folder else name for folder, name in files_below(str(system.share / "inbox"))}
    claimed = {f"claimed: {name.partition('~')[2]}" for _, name in files_below(str(system.share / "claimed"))}
    return {path for path in inbox | claimed if not path.removeprefix("claimed: ").startswith("swapped")}


def _drop_all(seen: Seen, inbox: Path) -> None:
    _deep_tree(inbox)
    for name in _FOR_EVER:
        (inbox / name).write_bytes(letter(901))
    if MAY_BE_OTHERS:
        _forbid(inbox)
    with contextlib.suppress(PermissionError):
        device(inbox / os.fsdecode(DEVICE.name))
        seen.cases.append(DEVICE)
    for case in CASES:
        case.make(inbox / os.fsdecode(case.name))
    for folder in ("from a", "from b"):
        seen.system.drop(letter(300), f"{folder}/{CANARY}.txt")
    for number in (301, 302):
        seen.system.drop(letter(number), f"replaced {CANARY}.txt")
    threads = [threading.Thread(target=_drop_twin, args=(inbox, number)) for number in (303, 304)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drop_twin(inbox: Path, number: int) -> None:
    """One of two senders who drop letters of one name at the same moment, neither over the other's."""
    aside = inbox.parent / f"twin-{number}"
    aside.write_bytes(letter(number))
    name = inbox / f"twin {CANARY}.txt"
    eventually(lambda: not name.exists(), "the name to be free")
    aside.rename(name)


def _deep_tree(inbox: Path) -> None:
    """A thousand folders inside one another, and a letter in the last."""
    folder = os.open(inbox, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with open(os.open(f"deep {CANARY}.txt", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(letter(902))
    os.close(folder)


@contextlib.contextmanager
def _growing(path: Path) -> Iterator[None]:
    """A file that is written to, many times a second, for as long as the block lasts, and is too large by then."""
    done = threading.Event()

    def grow() -> None:
        with path.open("wb", buffering=0) as file:
            while not done.wait(0.05):
                file.write(b"x" * 1_000)
            file.write(b"x" * (MAX_LETTER_BYTES + 1))

    with _running(grow, done):
        yield


@contextlib.contextmanager
def _swapping(inbox: Path, outside: Path) -> Iterator[None]:
    """A folder of the inbox that is swapped for a link to a folder outside and back, many times a second."""
    done, real, aside = threading.Event(), inbox / "swapped", inbox.parent / "swapped-aside"
    real.mkdir()
    (real / "swapped.txt").write_bytes(letter(400))
    link = inbox.parent / "swapped-link"

    def swap() -> None:
        while not done.wait(0.05):
            link.symlink_to(outside)
            real.rename(aside)
            link.rename(real)
            with contextlib.suppress(FileNotFoundError):  # claimed
                real.unlink()
            aside.rename(real)

    with _running(swap, done):
        yield


@contextlib.contextmanager
def _running(target: Any, done: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _forbid(inbox: Path) -> None:
    """A letter in a folder that others may not change, and one that they may not read."""
    (inbox / "forbidden").mkdir()
    (inbox / _FORBIDDEN_FOLDER).write_bytes(letter(200))
    (inbox / "forbidden").chmod(0o555)
    (inbox / _FORBIDDEN_FILE).write_bytes(letter(201))
    (inbox / _FORBIDDEN_FILE).chmod(0)


def _forbidden(system: System) -> tuple[bool, bool]:
    """Whether what may not be moved waits in the inbox, and what may not be read in `claimed/`."""
    left = _left(system)
    return _FORBIDDEN_FOLDER in left, f"claimed: {_FORBIDDEN_FILE}" in left


def _permit(system: System) -> None:
    (system.share / "inbox" / "forbidden").chmod(0o755)
    (unreadable,) = (system.share / "claimed").glob(f"*~{_FORBIDDEN_FILE}")
    unreadable.chmod(0o644)


def _peaks(pid: int) -> dict[str, int]:
    """Peak memory of every process below that one, by id and program."""
    found: dict[str, int] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{child}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            found[f"{child} {fields['Name'].strip()}"] = int(fields.get("VmHWM", "0 kB").split()[0]) * 1024
            found |= _peaks(int(child))
    return found


@pytest.mark.parametrize("case", [*CASES, DEVICE], ids=lambda case: case.what)
def test_each_file_becomes_what_it_must(seen: Seen, case: Case) -> None:
    if case not in seen.cases:
        pytest.skip("devices may not be made here")
    (event,) = seen.events_of(case)
    assert event["data"].get("code", PUBLISHED) == case.outcome


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome != PUBLISHED], ids=lambda case: case.what)
def test_what_is_refused_lies_in_review_with_what_a_person_needs(seen: Seen, case: Case) -> None:
    path = seen.system.share / "review" / _kept_name(case)
    assert os.path.lexists(path)
    assert json.loads(path.with_name(path.name + ERROR_SUFFIX).read_bytes())["code"] == case.outcome
    assert f"(code {case.outcome}," in path.with_name(path.name + NOTE_SUFFIX).read_text()


def test_no_byte_from_outside_was_read(seen: Seen) -> None:
    """Links, hard links and a folder that was a link for moments: nobody opened what is behind them."""
    assert seen.baits_taken == []
    subjects = Counter(event["subject"] for event in seen.events)
    assert subjects["CM18-8000900"] == 0
    assert sorted(os.listdir(seen.system.share / "outside")) == ["bait.txt", "foreign.txt", "swapped.txt"]


def test_a_bait_that_is_taken_is_noticed(tmp_path: Path) -> None:
    """So that an empty list of baits means something."""
    for name in ("read", "linked", "left"):
        (tmp_path / name).write_text("bait")
    os.link(tmp_path / "linked", tmp_path / "other name")
    baits = Baits(tmp_path / "read", tmp_path / "linked", tmp_path / "left")
    (tmp_path / "read").read_text()
    (tmp_path / "other name").open("rb").close()
    os.lstat(tmp_path / "left")
    assert baits.taken() == ["linked", "read"]
    assert baits.taken() == []
    baits.close()


def test_a_letter_in_a_folder_that_is_swapped_is_published_once(seen: Seen) -> None:
    assert [event["subject"] for event in seen.events].count("CM18-8000400") == 1


def test_copies_namesakes_and_twins(seen: Seen) -> None:
    """Of the same bytes by two senders one; of two contents under one name both, unless one was written over."""
    subjects = Counter(event["subject"] for event in seen.events)
    assert subjects["CM18-8000300"] == 1
    assert seen.status["duplicate"] >= 1
    assert subjects["CM18-8000302"] == 1, "what was renamed over another"
    assert subjects["CM18-8000301"] <= 1
    assert max(subjects.values()) == 1


def test_what_is_being_written_waits_and_is_judged_when_it_is_whole(seen: Seen) -> None:
    assert seen.growing_waited
    (event,) = [event for event in seen.dead if _dropped_name(event) == _GROWING]
    assert event["data"]["code"] == "too_large"


@pytest.mark.skipif(not MAY_BE_OTHERS, reason="root may everything, and cannot give that up here")
def test_what_may_not_be_touched_waits_and_is_taken_once_it_may(seen: Seen) -> None:
    assert seen.forbidden_waited == (True, True)
    assert {"CM18-8000200", "CM18-8000201"} <= {event["subject"] for event in seen.events}


def test_a_tree_too_deep_is_left_alone_and_counted(seen: Seen) -> None:
    assert "CM18-8000902" not in {event["subject"] for event in seen.events}
    assert [report["too_deep"] for report in seen.status["reports"]] == [1]


def test_what_is_no_letter_by_its_name_is_left_alone(seen: Seen) -> None:
    assert seen.status["ignored"] == len(_FOR_EVER)


def test_time_and_memory_are_bounded(seen: Seen) -> None:
    assert seen.took_s < WITHIN_S
    assert len(seen.peak_bytes) >= 5, "server, producer, worker and its processes"
    assert {name: peak for name, peak in seen.peak_bytes.items() if peak > MOST_MEMORY_BYTES} == {}


def test_the_figures_add_up(seen: Seen) -> None:
    status = seen.status
    assert status["unexplained"] == 0
    assert (status["published"], status["dead"]) == (len(seen.events), len(seen.dead))
    assert status["in_flight"] == 0


def test_logs_are_single_printable_lines_without_names(seen: Seen) -> None:
    logs = list((seen.system.share / ".imr" / "logs").iterdir())
    assert len(logs) >= 2
    for log in logs:
        lines = log.read_bytes().decode().split("\n")
        assert [line for line in lines if not line.isprintable()] == []
        assert [line for line in lines if CANARY.lower() in line.lower() or "forged" in line] == []


def test_what_people_see_is_escaped(seen: Seen) -> None:
    """A name can neither steer the terminal nor forge a line, in lists, answers and files."""
    listed = seen.system.imr("dead-letters", "list")
    assert len(listed.splitlines()) == 1 + len(seen.dead)
    for path in ("\x1b[2J\x1b]0;Quackenbush\x07.txt", "Quackenbush\nERROR imr forged line.txt"):
        shown = seen.system.imr("explain", path)
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown.splitlines()[0] or "\\nERROR imr forged" in shown.splitlines()[0]


def test_nothing_was_executed(seen: Seen) -> None:
    share = seen.system.share
    folders = [share.parent, share, share / "inbox", share / "claimed", share / "review", seen.system.state]
    assert [folder for folder in folders if (folder / "executed").exists()] == []
