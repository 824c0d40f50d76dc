"""Everything on one machine: server, producer and workers as child processes, started and stopped in order.

Each child has a session of its own, so Ctrl-C reaches this process alone. It stops the producer first (nothing new is
claimed), then the workers (what runs is finished, what waits is put back), then the server (everything is on disk).
A child that dies is started again; whatever it held is found by the reaper. If this process is killed, its children end
by themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any, Final

import redis
from rich.status import Status

from worker.adapters.child_process import die_with_parent
from worker.adapters.redis.embedded import ServerSupervisor, embedded_server
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import require_server
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.folders import prepare
from worker.adapters.share.identity import identity_problem
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.adapters.start_problem import StartRefused
from worker.contract.entries import entries_of
from worker.contract.event import DEAD_LETTERED
from worker.contract.names import INBOX, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings
from worker.entrypoints.cli.console import err, out
from worker.entrypoints.cli.event_line import line
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.entrypoints.cli.failure import AlreadyRunning
from worker.operations.status import Balance, take_balance
from worker.processing.determination import load_rules
from worker.processing.records import RecordsUnavailable

_STOP_PRODUCER_S: Final = 15.0
_STOP_WORKER_S: Final = 45.0
"""Longer than the worker's soft shutdown plus the time limit for one PDF."""
_RESTART_AFTER_S: Final = 2.0
"""A child that cannot start at all is not started in a tight loop."""
_BLOCK_MS: Final = 300
_ACCOUNT_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `imr up` was asked for."""

    workers: int
    sample: bool
    drain: bool


class _Child:
    """One service as a child process, its narration in a file of the state folder."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, stop_s: float) -> None:
        self.name = log.stem
        self._command = command
        self._environment = environment
        self._log = log
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = float("-inf")

    def keep_running(self) -> None:
        """Start it if it does not run, unless it was started a moment ago."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None and time.monotonic() - self._started_s < _RESTART_AFTER_S:
            return
        if self._process is not None:
            err.print(f"the {self.name} ended ({self._process.returncode}); starting it again, see {self._log}")
        self._started_s = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # Killed, not asked: their server ends with them, and a worker that is asked waits for its broker.
                die_with_parent(self._command, signal.SIGKILL),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to finish what it holds; end it if it does not within its time."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            err.print(f"the {self.name} did not stop in {self._stop_s:.0f} s and is ended; its letters stay claimed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Supervisor:
    """Runs `imr up`."""

    def __init__(self, settings: Settings, options: UpOptions) -> None:
        self._settings = settings
        self._options = options
        self._keys = Keys(settings.prefix)
        self._kept: ServerSupervisor | None = None
        self._stopping = False

    def run(self) -> ExitCode:
        """Run until told to stop, or (with --drain) until nothing waits; whether the figures add up.

        Told by Ctrl-C, SIGTERM, or SIGHUP: its terminal was closed, unless it was started with nohup.
        Raises `StartRefused`, `SettingsError`, `AlreadyRunning`.
        """
        load_rules(self._settings.rules_file)
        problem = identity_problem(self._settings.share, self._settings.state_folder)
        if problem is not None:
            raise StartRefused([problem])
        prepare(self._settings.share)
        self._settings.state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        with _only_one(self._settings.state_folder), self._server() as url:
            client = connect(url)
            for problem in require_server(client):
                err.print(f"warning: {problem}", markup=False, style="yellow")
            return self._serve(url, client)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    @contextlib.contextmanager
    def _server(self) -> Iterator[str]:
        if self._settings.redis_url is not None:
            yield self._settings.redis_url.get_secret_value()
            return
        with embedded_server(self._settings.state_folder) as server:
            self._kept = ServerSupervisor(server, lambda what: err.print(what, markup=False), time.monotonic)
            yield server.url

    def _serve(self, url: str, client: redis.Redis) -> ExitCode:
        # Where the streams end now: what comes later is shown.
        position = {stream: _last_id(client, stream) for stream in (self._keys.determinations, self._keys.dead_letters)}
        children = self._children(url)
        try:
            for child in children:
                child.keep_running()
            self._announce()
            if self._options.sample:
                drop_samples(self._settings.share)
            self._watch(client, children, position)
        finally:
            err.print("stopping: producer, workers, server; nothing is lost")
            for child in children:
                child.stop()
        return self._close(client)

    def _children(self, url: str) -> list[_Child]:
        logs = self._settings.state_folder / "logs"
        logs.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "IMR_REDIS_URL": url,
            "IMR_SHARE": os.path.abspath(self._settings.share),
            "REMAP_SIGTERM": "SIGQUIT",  # Celery's soft shutdown: what runs is finished, what waits is put back
        }
        worker = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-n", "imr@%h"]
        return [
            _Child([sys.executable, "-m", "producer"], environment, logs / "producer.log", _STOP_PRODUCER_S),
            _Child([*worker, "-c", str(self._options.workers)], environment, logs / "worker.log", _STOP_WORKER_S),
        ]

    def _announce(self) -> None:
        inbox, logs = self._settings.share / INBOX, self._settings.state_folder / "logs"
        err.print(f"drop letters into [bold]{inbox}[/]; results appear here. Ctrl-C stops.")
        err.print(f"look further in another terminal: {_imr()} status, {_imr()} tail --json; logs in {logs}")

    def _watch(self, client: redis.Redis, children: list[_Child], position: dict[str, str]) -> None:
        """Show what comes out, keep the children running, until stopped or drained."""
        account_due_s = 0.0
        with Status("starting", console=err) as status:
            while not self._stopping:
                if self._kept is not None:
                    self._kept.keep_running()
                for child in children:
                    child.keep_running()
                try:
                    news = _show_news(client, position)
                    if time.monotonic() >= account_due_s and not news:
                        account_due_s = time.monotonic() + _ACCOUNT_EVERY_S
                        account = self._account(client)
                        status.update(_told(account))
                        if self._options.drain and self._is_drained(account, client):
                            return
                except (redis.RedisError, RecordsUnavailable, OSError) as error:
                    who = "the share" if isinstance(error, OSError) else "Redis"
                    status.update(f"{who} does not answer ({type(error).__name__}); waiting")
                    time.sleep(_ACCOUNT_EVERY_S)

    def _is_drained(self, account: Balance, client: redis.Redis) -> bool:
        """Whether nothing waits; letters that a lost Redis has forgotten wait too, until they were looked for."""
        doubt = ServerContinuity(client, self._keys).pending_check()
        is_lost = doubt is not None and doubt.beat_ms is None
        return bool(account.producers) and not account.in_flight and not is_lost

    def _account(self, client: redis.Redis) -> Balance:
        return take_balance(Spool(self._settings.share), RedisRecords(client, self._keys), client, self._keys)

    def _close(self, client: redis.Redis) -> ExitCode:
        account = self._account(client)
        err.print(_told(account))
        return ExitCode.OK if account.closes else ExitCode.FAILED


def drop_samples(share: Path) -> None:
    """Put the sample letters into the inbox the way a careful program does: written aside, then renamed."""
    for sample in (resources.files("worker.entrypoints") / "samples").iterdir():
        aside = share / INBOX / f"{TEMPORARY_PREFIX}{sample.name}"
        aside.write_bytes(sample.read_bytes())
        aside.rename(share / INBOX / sample.name)


def _show_news(client: redis.Redis, position: dict[str, str]) -> bool:
    """Print the entries after `position` and move it on; whether there were any."""
    wanted: Any = position
    found = list(entries_of(client.xread(wanted, count=100, block=_BLOCK_MS)))
    for entry in found:
        event = entry.event()
        out.print(line(event))
        if event.get("type") == DEAD_LETTERED:
            err.print(f"           {_imr()} dead-letters show {str(event.get('id'))[:12]}", style="dim")
        position[entry.stream] = entry.id
    return bool(found)


def _imr() -> str:
    """How this user calls the command from here."""
    return "imr" if shutil.which("imr") else os.path.relpath(sys.argv[0])


def _last_id(client: redis.Redis, stream: str) -> str:
    newest: Any = client.xrevrange(stream, count=1)
    return newest[0][0].decode() if newest else "0-0"


def _told(account: Balance) -> str:
    figures = [f"{account.published} published", f"{account.dead} in review", f"{account.in_flight} in flight"]
    if account.duplicate:
        figures.append(f"{account.duplicate} duplicates")
    if account.unexplained:
        figures.append(f"[bold red]{account.unexplained} unexplained[/]")
    return ", ".join([*figures, *account.holds])


@contextlib.contextmanager
def _only_one(state_folder: Path) -> Iterator[None]:
    """Hold the share for this process. Raises `AlreadyRunning`."""
    with (state_folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise AlreadyRunning(f"`imr up` runs on this share already (process {holder}); stop it first") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
