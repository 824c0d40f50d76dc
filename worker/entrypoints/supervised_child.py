"""One service of `imr up` as a child process: started, started again when it ends, and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from worker.adapters.child_process import die_with_parent

_RESTART_AFTER_S: Final = 2.0
"""A child that cannot start at all is not started in a tight loop."""


class SupervisedChild:
    """A child process with a session of its own, which logs to a file of the state folder."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        stop_s: float,
        report: Callable[[str], object],
    ) -> None:
        """`stop_s` is the time that it has for its end once it was asked; `report` takes sentences for the user."""
        self.name = log.stem
        self._command = command
        self._environment = environment
        self._log = log
        self._stop_s = stop_s
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = float("-inf")

    def keep_running(self) -> None:
        """Start it if it does not run, unless it was started a moment ago."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None and time.monotonic() - self._started_s < _RESTART_AFTER_S:
            return
        if self._process is not None:
            self._report(f"the {self.name} ended ({self._process.returncode}) and is started again; see {self._log}")
        self._started_s = time.monotonic()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                # Killed, not asked: their server ends with them, and a worker that is asked waits for its broker.
                die_with_parent(self._command, signal.SIGKILL),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to finish what it holds; kill it if it does not end within its time."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self._report(
                f"the {self.name} did not stop within {self._stop_s:.0f} s and is killed; its letters stay in claimed/ "
                "and are read again after the next start"
            )
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
