"""A real share: letters put by remote writers over SMB, taken from the folder that is served, and from a mount of it.

`local`: the producer works on the folder that smbd serves, and events tell of what smbd does there. `mounted`: it works
on the share as another machine has it, mounted over SMB, where no event tells of what others put; the scan does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.support.many_letters import numbered_letter, numbered_letters
from tests.support.samba import CannotMount, Samba, running_samba
from tests.support.servers import IN_CI, ServerMissing
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually
from worker.contract.names import FOLDERS, INBOX

SETTLE_S: Final = 1.0
CONCURRENT: Final = 4
EACH: Final = 3


class Sender:
    """Somebody with letters of their own, who puts them into the share from elsewhere."""

    def __init__(self, samba: Samba, letters: Path) -> None:
        self._letters = letters
        self.samba = samba

    def source(self, name: str, content: bytes) -> Path:
        """A letter on the sender's own disk."""
        path = self._letters / name
        path.write_bytes(content)
        return path

    def put(self, name: str, content: bytes) -> None:
        """What a file manager does: the file is written in place."""
        self.samba.run(f'cd {INBOX}; put "{self.source(name, content)}" "{name}"')


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Samba, Path]]:
    share = tmp_path / "share"
    for folder in FOLDERS:
        (share / folder).mkdir(parents=True)
    with or_skip(), running_samba(share) as samba:
        yield samba, share


@contextlib.contextmanager
def or_skip() -> Iterator[None]:
    """What this machine does not have is an error in CI, which installs it."""
    try:
        yield
    except ServerMissing as error:
        if IN_CI:
            raise
        pytest.skip(str(error))


@pytest.fixture(params=["local", "mounted"])
def system(request: pytest.FixtureRequest, served: tuple[Samba, Path], tmp_path: Path) -> Iterator[System]:
    """A system on the folder that is served, or on the share mounted over SMB; it finds out itself how to watch.

    Where this machine does not let us mount, the folder that is served is scanned alone.
    """
    samba, share = served
    settings = {**QUICK, "IMR_STATE_DIR": str(tmp_path / "state"), "IMR_SETTLE_SECONDS": str(SETTLE_S)}
    expected = "events and scan"
    with contextlib.ExitStack() as stack:
        if request.param == "mounted":
            stack.enter_context(or_skip())
            expected = "scan"
            try:
                share = stack.enter_context(samba.mounted())
            except CannotMount:
                settings["IMR_WATCH"] = "scan"
        running = stack.enter_context(running_system(share, settings))
        assert [report["watching"] for report in reports(running)] == [expected]
        yield running


def reports(system: System) -> list[dict[str, Any]]:
    """The last report of each producer."""
    rows = cast("dict[bytes, bytes]", system.client().hgetall(system.keys.producers))
    return [json.loads(report) for report in rows.values()]


def test_what_remote_writers_do(system: System, served: tuple[Samba, Path], tmp_path: Path) -> None:
    """Put, put under another name and renamed, slowly, many at once, deleted, cut off in the middle of the file."""
    sender = Sender(served[0], tmp_path)
    wanted: dict[str, bytes] = {}

    wanted |= put_in_place(sender)
    wanted |= put_aside_and_renamed(sender)
    put_and_deleted(sender)
    wanted |= put_by_many_at_once(sender)
    wanted |= put_slowly(sender)
    eventually(lambda: ids(system) == digests(wanted), f"{len(wanted)} letters, each once", timeout_s=60)

    part = put_and_cut_off(sender)
    whole = numbered_letter(500)
    eventually(lambda: not system.files(INBOX), "the part to leave the inbox", timeout_s=30)
    assert hashlib.sha256(part).hexdigest() not in ids(system), "a part is no letter"
    sender.put("cut off.txt", whole)
    wanted["cut off.txt"] = whole
    eventually(lambda: ids(system) == digests(wanted), "the letter that was put again", timeout_s=30)

    eventually(lambda: all("cut off" in name for name in system.files("review")), "nothing but the part in review/")
    assert system.status()["unexplained"] == 0


def ids(system: System) -> list[str]:
    """Digests of what was published, each as often as it was."""
    events = system.events(system.keys.determinations)
    return sorted(event["id"].partition(":")[0] for event in events if event["type"].endswith(".published"))


def digests(letters: dict[str, bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in letters.values())


def put_in_place(sender: Sender) -> dict[str, bytes]:
    letters = {"put in place.txt": numbered_letter(1)}
    for name, content in letters.items():
        sender.put(name, content)
    return letters


def put_aside_and_renamed(sender: Sender) -> dict[str, bytes]:
    content = numbered_letter(2)
    source = sender.source("renamed.txt", content)
    sender.samba.run(f'cd {INBOX}; put "{source}" renamed.txt.tmp; rename renamed.txt.tmp "matter 17.txt"')
    return {"matter 17.txt": content}


def put_and_deleted(sender: Sender) -> None:
    """Deleted by the same connection, sooner than it can settle."""
    source = sender.source("deleted.txt", numbered_letter(3))
    sender.samba.run(f'cd {INBOX}; put "{source}" deleted.txt; del deleted.txt')


def put_by_many_at_once(sender: Sender) -> dict[str, bytes]:
    """Several connections at once, each into a sub-folder of its own."""
    letters = {name: content + b"\n" for name, content in numbered_letters(CONCURRENT * EACH).items()}
    names, work = list(letters), []
    for number in range(CONCURRENT):
        mine = names[number * EACH :][:EACH]
        puts = "; ".join(f'put "{sender.source(name, letters[name])}" {name}' for name in mine)
        work.append(f"mkdir {INBOX}/sender-{number}; cd {INBOX}/sender-{number}; {puts}")
    sender.samba.run(*work)
    return letters


def put_slowly(sender: Sender) -> dict[str, bytes]:
    """Each line a write of its own, in all longer than a file takes to settle."""
    content = numbered_letter(4)
    writer = sender.samba.writer(f"{INBOX}/slow.txt", pause_s=2.5 * SETTLE_S / content.count(b"\n"))
    for line in content.splitlines(keepends=True):
        writer.write(line)
    writer.close()
    return {"slow.txt": content}


def put_and_cut_off(sender: Sender) -> bytes:
    """The writer is killed in the middle of the file."""
    lines = numbered_letter(500).splitlines(keepends=True)
    part = lines[: len(lines) // 2]
    writer = sender.samba.writer(f"{INBOX}/cut off.txt")
    for line in part:
        writer.write(line)
    writer.kill()
    return b"".join(part)
