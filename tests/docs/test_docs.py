"""Documentation that is held to the code: generated parts are current, and what readers are told to type works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.generate import PAGES, ROOT, rendered
from tests.support.system import System, running_system
from tests.support.waiting import eventually
from worker.cli.supervising import drop_samples

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    """`make docs` writes them."""
    assert page.read_text() == rendered(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


@pytest.fixture(scope="module")
def readme_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in a folder that looks as the README assumes, with its samples dropped."""
    home = tmp_path_factory.mktemp("readme")
    (home / "letters").mkdir()
    shutil.copy(ROOT / "worker" / "samples" / "wrist-nerve-studies.pdf", home / "letters")
    with running_system(home / "share") as system:
        drop_samples(system.share)
        eventually(lambda: len(system.events(system.keys.determinations)) == 5, "the samples published")
        yield system


def test_shell_commands_of_the_readme_work(readme_system: System) -> None:
    commands = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]
    assert len(commands) >= 6
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


def test_every_command_is_in_the_readme() -> None:
    help_text = subprocess.run(
        [str(Path(sys.executable).with_name("imr")), "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^│ ([a-z][a-z-]+) {2,}", help_text, re.MULTILINE)
    assert len(commands) >= 8
    assert [one for one in commands if f"`imr {one}" not in README] == []
