"""Producer and workers as separate processes, as units and containers run them, on one server and one share."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import redis

from tests.support.servers import running
from tests.support.system import IMR, QUICK
from worker.contract.names import FOLDERS, Keys
from worker.contract.redis_client import connect

ROOT: Final = Path(__file__).resolve().parents[2]
CELERY: Final = str(Path(sys.executable).with_name("celery"))
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


class Service:
    """One process in its own session; its output goes to a file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def said(self) -> str:
        """Its output so far."""
        return self._log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Signal it, and not its children."""
        self._process.send_signal(number)

    def ends(self, timeout_s: float) -> int:
        """Its exit code; it must end in time."""
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """kill -9 of it and all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


class Services:
    """One share and one server, and the services started on them."""

    def __init__(self, folder: Path, url: str, stack: contextlib.ExitStack, settings: dict[str, str]) -> None:
        self.share: Final = folder / "share"
        for name in FOLDERS:
            (self.share / name).mkdir(parents=True)
        self.keys: Final = Keys("imr")
        self.environment: Final = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IMR_")},
            **QUICK,
            "IMR_SHARE": str(self.share),
            "IMR_REDIS_URL": url,
            "REMAP_SIGTERM": "SIGQUIT",
            **settings,
        }
        self._folder = folder
        self._stack = stack
        self._started = 0
        self.client: Final[redis.Redis] = connect(url)
        stack.callback(self.client.close)

    def start(self, *command: str) -> Service:
        """Start a command; it is killed at the end at the latest."""
        self._started += 1
        service = Service(list(command), self.environment, self._folder / f"service-{self._started}.log")
        self._stack.callback(service.kill)
        return service

    def producer(self, module: str = "producer") -> Service:
        """Start a producer."""
        return self.start(sys.executable, "-m", module)

    def worker(self, app: str = "worker.app", processes: int = 1) -> Service:
        """Start a worker, by the command that units and containers have."""
        return self.start(CELERY, "-A", app, "worker", "-c", str(processes))

    def drop(self, content: bytes, name: str) -> None:
        """Put a letter into the inbox the way a careful program does: written aside, then renamed."""
        aside = self.share / f"aside-{os.getpid()}"
        aside.write_bytes(content)
        aside.rename(self.share / "inbox" / name)

    def published(self) -> list[str]:
        """Ids of the events of the stream of results, oldest first."""
        rows = cast("list[Any]", self.client.xrange(self.keys.determinations))
        return [str(json.loads(fields[b"data"])["id"]) for _, fields in rows]

    def claimed(self) -> list[str]:
        """Names in `claimed/`."""
        return sorted(path.name for path in (self.share / "claimed").rglob("*") if path.is_file())

    def held(self) -> list[str]:
        """Claims that a worker holds, or held when it was killed."""
        rows = cast("list[tuple[bytes, float]]", self.client.zrange(self.keys.open, 0, -1, withscores=True))
        return [claim.decode() for claim, end_ms in rows if end_ms > 0]

    def status(self) -> dict[str, Any]:
        """The figures of `imr status`."""
        run = subprocess.run([IMR, "status", "--json"], env=self.environment, cwd=ROOT, capture_output=True, timeout=60)
        return cast("dict[str, Any]", json.loads(run.stdout))


@contextlib.contextmanager
def running_services(
    folder: Path, server_name: str = "valkey", appendfsync: str = "always", **settings: str
) -> Iterator[Services]:
    """A share and a durable server, while the block runs. Raises `ServerMissing`."""
    with running(server_name, **{**DURABLE, "appendfsync": appendfsync}) as server, contextlib.ExitStack() as stack:
        yield Services(folder, server.url, stack, settings)
