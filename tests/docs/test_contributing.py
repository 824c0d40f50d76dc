"""The worked example of CONTRIBUTING.md, followed step by step in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.support.servers import IN_CI

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLE = TEXT.partition("<!-- example -->")[2].partition("<!-- end example -->")[0]
STEPS = dict(re.findall(r"^\*\*(\d)\. (.*?)(?=^\*\*\d\. |\Z)", EXAMPLE, re.MULTILINE | re.DOTALL))
_BLOCK = re.compile(r"```\w+\n(.*?)```", re.DOTALL)
_NAMED = re.compile(r"`((?:worker|tests)/[\w./-]+\.(?:py|txt|json))`")


def blocks(step: str) -> list[str]:
    return _BLOCK.findall(STEPS[step])


def files(step: str) -> list[str]:
    """The files that the step names."""
    return _NAMED.findall(STEPS[step])


def run(copy: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page there, with the code of the copy in place of the installed one."""
    binaries = copy / "bin"
    binaries.mkdir(exist_ok=True)
    imr = binaries / "imr"
    imr.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from worker.entrypoints.cli import main; main()' \"$@\"\n")
    imr.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(copy), "PATH": f"{binaries}:{os.environ['PATH']}"}
    command = command.replace(".venv/bin/python", sys.executable)
    return subprocess.run(["sh", "-c", command], cwd=copy, env=environment, capture_output=True, text=True, timeout=110)


def insert(file: Path, after: str, line: str) -> None:
    text = file.read_text()
    assert text.count(after) == 1, f"{after} in {file.name}"
    file.write_text(text.replace(after, after + line))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository with steps 1 to 4 done."""
    for folder in ("worker", "producer", "tests/letter", "tests/letters"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for file in ("pyproject.toml", "tests/letters_pdf.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / files("1")[0]).write_text(blocks("1")[0])
    name, layout = blocks("2")
    insert(tmp_path / "worker/letter/model.py", "Layout = Literal[\n", name)
    layouts = tmp_path / "worker/letter/layouts/__init__.py"
    insert(layouts, "LAYOUTS: tuple[KnownLayout, ...] = (\n", layout)
    insert(layouts, "from worker.letter.layouts import (\n", "    portal_2027,\n")
    write_letters(tmp_path)
    return tmp_path


def write_letters(copy: Path) -> None:
    valid, pattern = files("3")
    _, rest = (copy / pattern).read_text().split("HOW THE IMR FINAL DETERMINATION WAS MADE", 1)
    letter = f"{blocks('3')[0]}HOW THE IMR FINAL DETERMINATION WAS MADE{rest}"
    invalid, about = files("4")
    for path in (valid, invalid):
        (copy / path).parent.mkdir()
    (copy / valid).write_text(letter)
    (copy / invalid).write_text(letter.replace(": Upheld", "", 1))
    (copy / about).write_text(blocks("4")[0])


@pytest.mark.timeout(300)  # two commands and a run of pytest, each of which starts Python
def test_the_worked_example_of_a_layout_is_true(copy: Path) -> None:
    if shutil.which("jq") is None and not IN_CI:
        pytest.skip("jq is not installed")
    command, printed = blocks("5")
    shown = run(copy, command)
    assert shown.returncode == 1, shown.stderr
    assert [line.rstrip() for line in shown.stdout.splitlines()] == printed.splitlines()
    (command,) = blocks("6")
    written = run(copy, command)
    assert written.returncode == 0, written.stderr
    (command,) = blocks("7")
    tested = run(copy, f"{command.strip()} -p no:cacheprovider")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    passed = re.search(r"(\d+) passed", tested.stdout)
    assert passed, tested.stdout
    assert int(passed[1]) > 30, "the corpus did not find the letters"
