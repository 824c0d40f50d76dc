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
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any, Final

import redis

from worker.adapters.redis.embedded import ServerSupervisor, embedded_server
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import require_server
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.folders import prepare
from worker.adapters.share.identity import identity_problem
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.adapters.start_problem import StartRefused
from worker.contract.entries import entries_of
from worker.contract.names import INBOX, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.entrypoints.cli.failure import AlreadyRunning
from worker.entrypoints.live_view import LiveView
from worker.entrypoints.supervised_child import SupervisedChild
from worker.operations.status import Balance, take_balance
from worker.processing.determination import load_rules
from worker.processing.records import RecordsUnavailable

_STOP_PRODUCER_S: Final = 15.0
_STOP_WORKER_S: Final = 45.0
"""Longer than the worker's soft shutdown plus the time limit for one PDF."""
_BLOCK_MS: Final = 300
"""How long one look at the streams waits for new entries; children are looked after as often."""
_FIGURES_EVERY_S: Final = 1.0
_FIGURES_SHARE: Final = 0.1
"""Part of the time that counting may take: a full inbox takes long to count, and workers need the processors."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `imr up` was asked for."""

    workers: int
    sample: bool
    drain: bool


class Supervisor:
    """Runs `imr up`."""

    def __init__(self, settings: Settings, options: UpOptions, view: LiveView) -> None:
        self._settings = settings
        self._options = options
        self._view = view
        self._keys = Keys(settings.prefix)
        self._logs = settings.state_folder / "logs"
        self._server_supervisor: ServerSupervisor | None = None
        self._stopping = False
        self._figures_due_s = 0.0

    def run(self) -> ExitCode:
        """Run until it is stopped, or (with --drain) until nothing waits; `OK` if the figures add up.

        It is stopped by Ctrl-C, SIGTERM or SIGHUP (its terminal was closed, unless it was started with nohup).
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
        with _share_lock(self._settings.state_folder), self._server() as url:
            client = connect(url)
            for problem in require_server(client):
                self._view.show_message(f"warning: {problem}", "yellow")
            return self._serve(url, client)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    @contextlib.contextmanager
    def _server(self) -> Iterator[str]:
        """The URL of the server, which is an embedded one unless another is set."""
        if self._settings.redis_url is not None:
            yield self._settings.redis_url.get_secret_value()
            return
        with embedded_server(self._settings.state_folder) as server:
            self._server_supervisor = ServerSupervisor(server, self._view.show_message, time.monotonic)
            yield server.url

    def _serve(self, url: str, client: redis.Redis) -> ExitCode:
        # Where the streams end now: what comes later is shown.
        position = {stream: _last_id(client, stream) for stream in (self._keys.determinations, self._keys.dead_letters)}
        children = self._children(url)
        try:
            for child in children:
                child.keep_running()
            self._view.show_folders(self._settings.share / INBOX, self._logs)
            if self._options.sample:
                drop_samples(self._settings.share)
            with self._view:
                self._watch(client, children, position)
        finally:
            self._view.show_message("stopping: producer, workers, server; nothing is lost")
            for child in children:
                child.stop()
        balance = self._balance(client)
        self._view.show_total(balance)
        return ExitCode.OK if balance.closes else ExitCode.FAILED

    def _children(self, url: str) -> list[SupervisedChild]:
        self._logs.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "IMR_REDIS_URL": url,
            "IMR_SHARE": os.path.abspath(self._settings.share),
            "REMAP_SIGTERM": "SIGQUIT",  # Celery's soft shutdown: what runs is finished, what waits is put back
        }
        worker = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-n", "imr@%h"]
        commands = {
            "producer": ([sys.executable, "-m", "producer"], _STOP_PRODUCER_S),
            "worker": ([*worker, "-c", str(self._options.workers)], _STOP_WORKER_S),
        }
        return [
            SupervisedChild(command, environment, self._logs / f"{name}.log", stop_s, self._view.show_message)
            for name, (command, stop_s) in commands.items()
        ]

    def _watch(self, client: redis.Redis, children: list[SupervisedChild], position: dict[str, str]) -> None:
        """Show results and figures and keep the children running, until stopped or drained."""
        while not self._stopping:
            if self._server_supervisor is not None:
                self._server_supervisor.keep_running()
            for child in children:
                child.keep_running()
            try:
                is_quiet = not self._show_new_entries(client, position)
                balance = self._show_figures(client)
                if self._options.drain and is_quiet and balance is not None and self._is_drained(balance, client):
                    return
            except (redis.RedisError, RecordsUnavailable, OSError) as error:
                what = "the share" if isinstance(error, OSError) else "Redis"
                self._view.show_trouble(f"{what} does not answer ({type(error).__name__}); letters wait for it")
                time.sleep(_FIGURES_EVERY_S)

    def _show_new_entries(self, client: redis.Redis, position: dict[str, str]) -> bool:
        """Show the entries after `position` and move it on; whether there were any."""
        streams: Any = position
        entries = list(entries_of(client.xread(streams, count=100, block=_BLOCK_MS)))
        for entry in entries:
            self._view.show_result(entry.event())
            position[entry.stream] = entry.id
        return bool(entries)

    def _show_figures(self, client: redis.Redis) -> Balance | None:
        """Count and show the figures if that is due; None if it is not."""
        start_s = time.monotonic()
        if start_s < self._figures_due_s:
            return None
        balance = self._balance(client)
        self._view.show_figures(balance)
        took_s = time.monotonic() - start_s
        self._figures_due_s = start_s + max(_FIGURES_EVERY_S, took_s / _FIGURES_SHARE)
        return balance

    def _is_drained(self, balance: Balance, client: redis.Redis) -> bool:
        """Whether nothing waits; letters whose records a lost Redis has forgotten wait too, until they are checked."""
        check = ServerContinuity(client, self._keys).pending_check()
        is_lost = check is not None and check.beat_ms is None
        return bool(balance.producers) and not balance.in_flight and not is_lost

    def _balance(self, client: redis.Redis) -> Balance:
        return take_balance(Spool(self._settings.share), RedisRecords(client, self._keys), client, self._keys)


def drop_samples(share: Path) -> None:
    """Put the sample letters into the inbox the way a careful program does: written aside, then renamed."""
    for sample in (resources.files("worker.entrypoints") / "samples").iterdir():
        aside = share / INBOX / f"{TEMPORARY_PREFIX}{sample.name}"
        aside.write_bytes(sample.read_bytes())
        aside.rename(share / INBOX / sample.name)


def _last_id(client: redis.Redis, stream: str) -> str:
    newest: Any = client.xrevrange(stream, count=1)
    return newest[0][0].decode() if newest else "0-0"


@contextlib.contextmanager
def _share_lock(state_folder: Path) -> Iterator[None]:
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
