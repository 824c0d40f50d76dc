"""The harness's side of the zygote: services started, signalled, watched and counted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.waiting import eventually

ROOT: Final = Path(__file__).resolve().parents[2]
GONE_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Service:
    """A process that the nursery started."""

    role: str
    pid: int
    nursery: Nursery
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended takes none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of it and of all that it started in its session, as a machine dies."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self, timeout_s: float = GONE_TIMEOUT_S) -> int:
        """Wait until it has ended; its exit status, negative for a signal."""
        eventually(lambda: not self.is_running(), f"the end of {self.role} {self.pid}", timeout_s)
        return self.nursery.ended[self.pid]

    def stop(self) -> int:
        """SIGTERM, and wait."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def is_running(self) -> bool:
        """Whether it has not ended."""
        if self.pid not in self.nursery.ended:
            self.nursery.reap()
        return self.pid not in self.nursery.ended

    def is_paused(self) -> bool:
        """Whether it is stopped (SIGSTOP)."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def figures(self) -> Figures:
        """What it holds of the machine now."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line
        )
        return Figures(
            rss_kib=int(status["VmRSS"].split()[0]),
            descriptors=len(os.listdir(f"/proc/{self.pid}/fd")),
            threads=int(status["Threads"]),
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process holds of the machine."""

    rss_kib: int
    descriptors: int
    threads: int


class Nursery:
    """The zygote, and every process that it forked."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self.ended: dict[int, int] = {}
        """Exit status of every process that has ended."""
        self.pid = int(self._answer()["pid"])

    def start(
        self, role: str, environment: Mapping[str, str], folder: Path, log: Path, arguments: Sequence[str] = ()
    ) -> Service:
        """A new process."""
        asked = {
            "role": role,
            "arguments": list(arguments),
            "environment": {**_plain_environment(), **environment},
            "folder": str(folder),
            "log": str(log),
        }
        return Service(role, int(self._ask(asked)["pid"]), self, log)

    def reap(self) -> None:
        """Take note of what has ended."""
        for pid, status in self._ask({})["ended"].items():
            self.ended[int(pid)] = status

    def descendants(self) -> list[tuple[int, str]]:
        """(process id, command) of everything that was started here and runs."""
        self.reap()
        processes, waiting = [], [self.pid]
        while waiting:
            for child in children(waiting.pop()):
                waiting.append(child)
                processes.append((child, _command(child)))
        return processes

    def close(self) -> None:
        """End every process."""
        for pid, _ in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._zygote.communicate(timeout=GONE_TIMEOUT_S)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            assert self._zygote.stdin is not None
            self._zygote.stdin.write(json.dumps(request) + "\n")
            self._zygote.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._zygote.stdout is not None
        line = self._zygote.stdout.readline()
        assert line, f"the zygote has ended ({self._zygote.poll()})"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}


def children(pid: int) -> list[int]:
    """Process ids of its children."""
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            pids += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return pids


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "?"


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery while the block runs."""
    made = Nursery()
    try:
        yield made
    finally:
        made.close()
