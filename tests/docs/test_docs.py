"""Documentation that is compared with the code: generated parts are current, and commands that it shows work."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.generate import PAGES, ROOT, rendered
from tests.support.samples import SAMPLES
from tests.support.servers import IN_CI
from tests.support.system import System, running_system
from tests.support.waiting import eventually
from worker.entrypoints.supervisor import drop_samples

README = (ROOT / "README.md").read_text()
READING = (ROOT / "docs" / "reading.md").read_text()
_BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
BLOCKS = _BLOCK.findall(README)
READERS = dict(_BLOCK.findall(READING))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    """`make docs` writes them."""
    assert page.read_text() == rendered(page.read_text())


@pytest.fixture(scope="module")
def readme_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in a folder that looks as the README assumes, with its samples dropped."""
    home = tmp_path_factory.mktemp("readme")
    (home / "letters").mkdir()
    shutil.copy(SAMPLES / "wrist-nerve-studies.pdf", home / "letters")
    with running_system(home / "share") as system:
        drop_samples(system.share)
        eventually(lambda: len(system.events(system.keys.determinations)) == 5, "the samples published", timeout_s=60)
        yield system


def test_shell_commands_of_the_readme_work(readme_system: System) -> None:
    commands = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]
    assert len(commands) >= 4
    for command in commands:
        if not command.startswith("make "):
            _run(command.replace("tail --json", "tail --json --no-follow"), readme_system)


def _run(command: str, system: System) -> str:
    words = shlex.split(command, comments=True)
    if words[0] == "cp":
        words = ["sh", "-c", command]
    beside_python = Path(sys.executable).with_name(Path(words[0]).name)
    if beside_python.exists():
        words[0] = str(beside_python)
    home = system.share.parent
    run = subprocess.run(words, cwd=home, env=system.environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, f"{command}: {run.stdout}{run.stderr}"
    return run.stdout


def test_the_python_reader_of_the_readme_prints_every_letter(readme_system: System) -> None:
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=readme_system.share.parent, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 5
    assert readme_system.client().xpending("imr:determinations", "claims-desk")["pending"] == 0


@pytest.mark.parametrize(
    ("command", "kept", "group"),
    [
        (["sh", "-c", READERS["sh"], "reader", "shell-1"], "seen.txt", "shell"),
        ([sys.executable, "-c", READERS["python"]], "desk.db", "deadlines"),
    ],
    ids=["shell", "python"],
)
def test_a_reader_of_the_docs_handles_every_letter_once_though_it_is_killed(
    readme_system: System, command: list[str], kept: str, group: str
) -> None:
    """kill -9 as soon as it has handled anything, then a new start, then SIGTERM."""
    if command[0] == "sh" and shutil.which("jq") is None and not IN_CI:
        pytest.skip("jq is not installed")
    file = readme_system.share.parent / kept
    with _reader(command, file.parent):
        eventually(lambda: _handled(file), f"anything in {kept}", timeout_s=60)
    eventually(lambda: not _is_waited(readme_system), "the killed reader's connection to close")
    with _reader(command, file.parent) as process:
        eventually(lambda: len(_handled(file)) >= 5, f"five events in {kept}", timeout_s=60)
        # The killed one may have handled all: this one is ready to be stopped once it waits for more.
        eventually(lambda: _is_waited(readme_system), "the reader to wait for more", timeout_s=30)
        eventually(lambda: _pending(readme_system, group) == 0, "every entry acknowledged", timeout_s=30)
        process.terminate()
        assert process.wait(30) == 0
    assert sorted(_handled(file)) == sorted(event["id"] for event in readme_system.events("imr:determinations"))


@contextlib.contextmanager
def _reader(command: list[str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "reader.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=home, env={**os.environ, "IDLE_MS": "200"}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _handled(kept: Path) -> list[str]:
    """The ids that a reader has written down."""
    if kept.suffix == ".txt":
        return kept.read_text().split() if kept.exists() else []
    with contextlib.closing(sqlite3.connect(kept)) as database, contextlib.suppress(sqlite3.OperationalError):
        rows = database.execute("SELECT event_id, (SELECT count(*) FROM deadlines) FROM handled").fetchall()
        assert all(effects == len(rows) for _, effects in rows), rows
        return [event_id for event_id, _ in rows]
    return []


def _is_waited(system: System) -> bool:
    """Whether a reader of a group waits for news on its connection."""
    clients = system.client().client_list()
    return any("b" in client["flags"] and client["cmd"] == "xreadgroup" for client in clients)


def _pending(system: System, group: str) -> int:
    return int(system.client().xpending("imr:determinations", group)["pending"])
