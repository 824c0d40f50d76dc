"""What the reading process can no longer do, tried in a process that was confined as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])

CONFINED = """
import ctypes, os, socket, subprocess, sys, threading
from worker.extraction.pdf.sandbox import confine
own = os.path.dirname(os.__file__)
libc = ctypes.CDLL(None, use_errno=True)
confine(parent=os.getppid(), memory_bytes=300_000_000, readable=[own])
def refused(action):
    try:
        result = action()
    except (OSError, RuntimeError, MemoryError) as error:
        return True
    return result == -1
"""


def confined(expression: str) -> str:
    command = [sys.executable, "-c", f"{CONFINED}\nprint({expression})"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not run.stderr, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize(
    "action",
    [
        "lambda: open('{folder}/new', 'w')",
        "lambda: open('{folder}/there', 'a')",
        "lambda: os.truncate('{folder}/there', 0)",
        "lambda: os.unlink('{folder}/there')",
        "lambda: os.rename('{folder}/there', '{folder}/elsewhere')",
        "lambda: os.mkdir('{folder}/new')",
        "lambda: open('{folder}/there').read()",
        "lambda: os.listdir('{folder}')",
    ],
)
def test_no_file_is_read_or_written(tmp_path: Path, action: str) -> None:
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    (tmp_path / "there").write_text("kept")
    assert confined(f"refused({action.format(folder=tmp_path)})") == "True"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("there", "kept")]


def has_landlock() -> bool:
    probe = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return int(run.stdout) > 0


@pytest.mark.skipif(os.uname().machine not in {"x86_64", "aarch64"}, reason="system call numbers are not known")
@pytest.mark.parametrize(
    "action",
    [
        "lambda: socket.socket()",
        "lambda: socket.socket(socket.AF_UNIX)",
        "lambda: os.fork()",
        "lambda: subprocess.run(['true'])",
        "lambda: os.execv('/bin/true', ['true'])",
        "lambda: os.posix_spawn('/bin/true', ['true'], {{}})",
        "lambda: threading.Thread(target=print).start()",
        "lambda: os.kill(os.getppid(), 0)",
        "lambda: os.pidfd_open(1) and libc.syscall(424, os.pidfd_open(os.getppid()), 0, None, 0)",
        "lambda: libc.syscall(234 if os.uname().machine == 'x86_64' else 131, os.getppid(), os.getppid(), 0)",
        "lambda: libc.ptrace(16, os.getppid(), None, None)",
    ],
)
def test_nothing_is_started_and_nobody_reached(action: str) -> None:
    assert confined(f"refused({action.format()})") == "True"


def test_memory_and_descriptors_are_bounded() -> None:
    assert confined("refused(lambda: bytearray(300_000_000))") == "True"
    assert confined("refused(lambda: [os.dup(1) for _ in range(20)])") == "True"


def test_what_reading_needs_is_left() -> None:
    assert confined("len(bytearray(10_000_000)), os.path.isdir(own), open(os.__file__).read(6)") == (
        '10000000 True r"""OS'
    )


def test_it_leaves_at_once_if_its_parent_is_gone() -> None:
    script = (
        "from worker.extraction.pdf.sandbox import confine\n"
        "confine(parent=-1, memory_bytes=10**9, readable=[])\n"
        "print('on')"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout == ""
