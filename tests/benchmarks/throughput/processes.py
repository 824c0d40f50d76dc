"""Processes of a contestant: started, measured and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput.model import Usage

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_STOP_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Process:
    """A command that runs; it leads a process group of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tree(self) -> list[int]:
        """Its id and those of everything it started."""
        return _tree(self.popen.pid)

    def require_running(self) -> None:
        """Raise RuntimeError with the end of its log if it has ended."""
        if self.popen.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with {self.popen.returncode}: {tail}")

    def stop(self) -> None:
        """End it and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(_STOP_S / 4)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(_STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)


def start(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a command, its output in a file."""
    with log.open("ab") as out:
        popen = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    return Process(name, popen, log)


@contextlib.contextmanager
def stopping(processes: Sequence[Process]) -> Iterator[None]:
    """Stop them all at the end, the last one first."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.stop()


def usage(pid: int) -> Usage:
    """What a process and everything below it has used so far; nothing for one that is gone."""
    return Usage.total(_usage(one) for one in _tree(pid))


def _usage(pid: int) -> Usage:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
        )
    except (FileNotFoundError, ProcessLookupError):
        return Usage(0.0, 0.0, 0, 0)
    user, system, children_user, children_system = (int(ticks) * _TICK_S for ticks in after_name[11:15])
    now, peak = (int(status.get(name, "0 kB").split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    # Children that have ended count with their parent.
    return Usage(user + children_user, system + children_system, now, peak)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found
