"""A Redis of the harness's own, that can be killed, restarted, filled and turned away."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import redis

from tests.support.servers import answers, binary_of
from tests.support.waiting import eventually
from worker.contract.redis_client import connect

PERSISTENT: Final = {
    "port": "0",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
    "enable-debug-command": "local",
}


class FaultyServer:
    """One server on a unix socket, keeping its data in a folder between its lives."""

    def __init__(self, folder: Path, *, name: str = "valkey", **config: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder: Final = folder
        self.socket: Final = folder / "redis.sock"
        self.log: Final = folder / "server.log"
        self._binary = binary_of(name)
        own = {} if name == "valkey" else {"enable-debug-command": ""}
        self._config = {**PERSISTENT, **own, **config, "unixsocket": str(self.socket), "dir": str(folder)}
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.RLock()
        """Held while it is started or ended: one thread restarts it, another keeps it running. Of two servers on one
        socket and one file, old connections would lead to one and new ones to the other."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        """A client that repeats nothing."""
        return connect(self.url)

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        with self._changing:
            if not self.is_running():
                self._start()

    def _start(self) -> None:
        self.socket.unlink(missing_ok=True)
        arguments = [part for name, value in self._config.items() if value for part in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        eventually(lambda: not self.is_running() or self._is_up(), "Redis to answer", timeout_s=60)
        assert self.is_running(), self.log.read_text(errors="replace")[-2000:]

    def _is_up(self) -> bool:
        return self.socket.exists() and answers(self.url)

    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        with self._changing:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def restart(self) -> None:
        """Killed, and started on what it left."""
        with self._changing:
            self.kill()
            self.start()

    def forget(self) -> None:
        """Lose the data directory: the next start begins with nothing."""
        with self._changing:
            self.kill()
            for path in (self.folder / "appendonlydir").glob("*"):
                path.unlink()


@contextlib.contextmanager
def faulty_server(folder: Path, *, name: str = "valkey", **config: str) -> Iterator[FaultyServer]:
    """A running server; ended with the block."""
    made = FaultyServer(folder, name=name, **config)
    try:
        made.start()
        yield made
    finally:
        made.kill()
