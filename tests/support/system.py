"""A whole system as users run it: `imr up` on a temporary share, real processes and a real embedded server."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import redis

from tests.support.waiting import eventually
from worker.adapters.redis.server import embedded_socket
from worker.contract.names import FOLDERS, Keys
from worker.contract.redis_client import connect

IMR: Final = str(Path(sys.executable).with_name("imr"))

QUICK: Final = {
    "IMR_SETTLE_SECONDS": "0.3",
    "IMR_SCAN_SECONDS": "0.5",
    "IMR_MAX_SCAN_SECONDS": "1",
    "IMR_REAP_SECONDS": "0.3",
    "IMR_HINT_TIMEOUT_SECONDS": "1",
    "IMR_INCOMPLETE_SECONDS": "0.5",
    "IMR_LEASE_SECONDS": "4",
    "IMR_READ_TIMEOUT_SECONDS": "1.1",
}
"""Shorter waits: a test sees in seconds what takes a minute in service."""


class System:
    """One `imr up`; started, killed and stopped by its process id."""

    def __init__(self, share: Path, settings: Mapping[str, str] = QUICK, prefix: Sequence[str] = ()) -> None:
        """`prefix` stands before the command, to start it with fewer rights for example."""
        self.share: Final = share
        self._prefix = tuple(prefix)
        self.state: Final = Path(settings.get("IMR_STATE_DIR", share / ".imr"))
        self.environment: Final = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IMR_")},
            **settings,
            "IMR_SHARE": str(share),
        }
        self.keys: Final = Keys("imr")
        self._process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> None:
        """Start it and wait until a producer reports."""
        self._process = subprocess.Popen(
            [*self._prefix, IMR, "up", "--workers", "2", *arguments],
            env=self.environment,
            cwd=self.share.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        eventually(self._producer_reports, "a report of the producer", timeout_s=60)

    def _producer_reports(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._process.communicate()[0]
        with contextlib.suppress(redis.RedisError, OSError):
            return bool(self.client().exists(self.keys.producers))
        return False

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Stop it as Ctrl-C does: exit code and everything it printed."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        printed, _ = process.communicate(timeout=90)
        return process.returncode, printed

    @property
    def pid(self) -> int:
        """Process id of `imr up`."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        """A client of its server."""
        return connect(f"unix://{embedded_socket(self.state)}")

    def imr(self, *arguments: str, code: int = 0) -> str:
        """Standard output of an `imr` command on this share, which must exit with `code`."""
        run = subprocess.run(
            [IMR, *arguments], env=self.environment, cwd=self.share.parent, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == code, f"{arguments}: exit {run.returncode}\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def status(self) -> dict[str, Any]:
        """The figures of `imr status`."""
        return cast("dict[str, Any]", json.loads(self.imr("status", "--json")))

    def events(self, stream: str) -> list[dict[str, Any]]:
        """Every event of a stream, oldest first."""
        rows = cast("list[Any]", self.client().xrange(stream))
        assert all(fields[b"content-type"] == b"application/cloudevents+json" for _, fields in rows)
        return [json.loads(fields[b"data"]) for _, fields in rows]

    def files(self, folder: str) -> list[str]:
        """Paths of the files below a folder of the share, relative to it."""
        top = self.share / folder
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir() or path.is_symlink())

    def drop(self, content: bytes, name: str) -> None:
        """Put a letter into the inbox the way a careful program does: written aside, then renamed."""
        aside = self.share / f"aside-{os.getpid()}"
        aside.write_bytes(content)
        (self.share / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        aside.rename(self.share / "inbox" / name)

    def worker_pids(self) -> list[int]:
        """Process ids of the Celery worker's main process: it leads a process group of its own."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"worker.app" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def kill_worker(self) -> None:
        """kill -9 of the worker and all its processes."""
        for pid in self.worker_pids():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def is_idle(self) -> bool:
        """Whether nothing waits in inbox or claimed/."""
        return not self.files("inbox") and not self.files("claimed")


@contextlib.contextmanager
def running_system(share: Path, settings: Mapping[str, str] = QUICK, prefix: Sequence[str] = ()) -> Iterator[System]:
    """A system that runs while the block does."""
    share.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS:
        (share / folder).mkdir(exist_ok=True)
    system = System(share, settings, prefix)
    try:
        system.start()
        yield system
    finally:
        if system._process is not None:
            system.stop()
        shutil.rmtree(share, ignore_errors=True)
