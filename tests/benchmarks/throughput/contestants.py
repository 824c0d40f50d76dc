"""Who takes part, and how each is started: the processes a user would start, two that work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput.processes import Process, start, stopping
from tests.support.servers import Server, running
from worker.adapters.share.folders import prepare
from worker.contract.names import INBOX

ROOT: Final = Path(__file__).resolve().parents[3]
APPS: Final = "tests.benchmarks.throughput.apps"
OURS, LIMIT, NAIVE = "imr-intake", "limit", "naive Celery"
WORKERS: Final = 2

Command = tuple[str, list[str]]
"""Name of a process and its command line."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to get letters from a folder into a stream."""

    name: str
    commands: Callable[[str, int], list[Command]]
    """Python interpreter and number of workers to the commands to start."""
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)


def _ours(producers: int = 1) -> Callable[[str, int], list[Command]]:
    def commands(python: str, workers: int) -> list[Command]:
        watching = [
            (f"producer {number}" if number else "producer", [python, "-m", "producer"]) for number in range(producers)
        ]
        celery = [python, "-m", "celery", "-A", "worker.app", "worker", "-n", "imr@%h", "-c", str(workers)]
        return [*watching, ("worker", celery)]

    return commands


def ours(producers: int = 1) -> Contestant:
    """This system: producers, and one Celery worker with its processes."""
    return Contestant(OURS, _ours(producers), environment={"REMAP_SIGTERM": "SIGQUIT"})


def _loops(python: str, workers: int) -> list[Command]:
    return [(f"loop {number}", [python, "-m", f"{APPS}.limit", str(number), str(workers)]) for number in range(workers)]


def _with_watcher(module: str, worker: Callable[[str, str, int], list[str]]) -> Callable[[str, int], list[Command]]:
    def commands(python: str, workers: int) -> list[Command]:
        app = f"{APPS}.{module}"
        return [("watcher", [python, "-m", app]), ("worker", worker(python, app, workers))]

    return commands


LIMIT_LOOPS: Final = Contestant(LIMIT, _loops)
NAIVE_CELERY: Final = Contestant(
    NAIVE,
    _with_watcher(
        "naive_celery",
        lambda python, app, workers: [python, "-m", "celery", "-A", app, "worker", "-c", str(workers), "-l", "WARNING"],
    ),
)


def rivals(python: str) -> list[Contestant]:
    """The others, from an environment of their own."""
    return [
        Contestant(
            "dramatiq",
            _with_watcher(
                "with_dramatiq",
                lambda python, app, workers: [python, "-m", "dramatiq", app, "-p", str(workers), "-t", "1"],
            ),
            python,
        ),
        Contestant(
            "huey",
            _with_watcher(
                "with_huey",
                lambda python, app, workers: [
                    python,
                    "-m",
                    "huey.bin.huey_consumer",
                    f"{app}.huey",
                    "-k",
                    "process",
                    "-w",
                    str(workers),
                    "-q",
                ],
            ),
            python,
        ),
        Contestant(
            "taskiq",
            _with_watcher(
                "with_taskiq",
                lambda python, app, workers: [
                    python,
                    "-m",
                    "taskiq",
                    "worker",
                    f"{app}:broker",
                    "-w",
                    str(workers),
                    "--log-level",
                    "WARNING",
                ],
            ),
            python,
        ),
    ]


def pathway(python: str) -> Contestant:
    """pathway, which brings its own processes."""
    bin_folder = Path(python).parent

    def commands(python: str, workers: int) -> list[Command]:
        spawn = [str(bin_folder / "pathway"), "spawn", "-n", str(workers), "-t", "1"]
        return [("pathway", [*spawn, python, "-m", f"{APPS}.with_pathway"])]

    return Contestant("pathway", commands, python)


@dataclass(frozen=True, slots=True)
class Rig:
    """A contestant that runs, with its folder and its server."""

    contestant: Contestant
    folder: Path
    server: Server
    processes: Sequence[Process]

    @property
    def share(self) -> Path:
        """The share; the others know its inbox alone."""
        return self.folder / "share"

    @property
    def inbox(self) -> Path:
        """Where letters are renamed to."""
        return self.share / INBOX

    @property
    def staging(self) -> Path:
        """Where they are written, on the same file system."""
        return self.folder / "staging"


SERVER: Final = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "rdbcompression": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
}
"""As in `deploy/redis.conf`, but for syncing every second."""


@contextlib.contextmanager
def started(contestant: Contestant, folder: Path, workers: int = WORKERS, **config: str) -> Iterator[Rig]:
    """A contestant on a fresh share and a fresh server while the block runs."""
    prepare(folder / "share")
    with running("valkey", **(SERVER | config)) as server:
        environment = _environment(contestant, folder, server.url)
        processes: list[Process] = []
        with stopping(processes):
            for name, command in contestant.commands(contestant.python, workers):
                log = folder / f"{name.replace(' ', '-')}.log"
                processes.append(start(name, command, environment, log))
            yield Rig(contestant, folder, server, processes)


def _environment(contestant: Contestant, folder: Path, url: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
    return inherited | {
        "PYTHONPATH": str(ROOT),
        "BENCH_REDIS_URL": url,
        "BENCH_INBOX": str(folder / "share" / INBOX),
        "IMR_REDIS_URL": url,
        "IMR_SHARE": str(folder / "share"),
        **contestant.environment,
    }
