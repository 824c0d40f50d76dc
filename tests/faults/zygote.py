# ruff: noqa: T201  it answers on standard output
"""A process that has imported everything and forks services off itself: starting one costs a tenth of a second.

Requests and answers are lines of JSON on standard input and output. Everything that a service leaves behind when it
dies becomes this process' child, so what is leaked can be counted.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

CELERY: Final = ("worker", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
"""As the services are started, but for what only costs time here: greeting other workers, counting them."""


def main() -> None:
    """Serve until standard input ends."""
    _preload()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    gc.freeze()
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"pid": _fork(request)} if "role" in request else {"ended": _reap()}
        print(json.dumps(answer), flush=True)


def _preload() -> None:
    import celery.bin.worker
    import celery.worker
    import holidays
    import kombu.transport.redis
    import redis

    import producer.__main__
    import worker.adapters.redis.records
    import worker.entrypoints.cli
    import worker.processing.determination
    import worker.processing.pipeline

    worker.processing.determination.is_working_day(__import__("datetime").date(2026, 1, 2))
    del celery, holidays, kombu, redis, producer, worker


def _reap() -> dict[int, int]:
    """Exit status of every child that has ended since."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(request)
    return pid


def _become(request: dict[str, Any]) -> NoReturn:
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    run(request["role"], request.get("arguments", []))


def run(role: str, arguments: list[str]) -> NoReturn:
    """Be a service, unmodified; with failpoints if `IMR_FAULTS` names a control folder."""
    if control := os.environ.get("IMR_FAULTS"):
        from tests.faults.seams import install

        install(Path(control))
    sys.argv = [role, *arguments]
    if role == "producer":
        from producer.__main__ import main as produce

        sys.exit(produce())
    if role == "worker":
        from worker.app import app

        app.worker_main([*CELERY, *arguments])
        sys.exit(0)
    from worker.entrypoints.cli import main as command

    command()
    sys.exit(0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main()
