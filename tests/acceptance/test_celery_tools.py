"""What Celery users know works as they know it: Flower, `inspect ping`, their own worker; and none shows a name."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.samples import SAMPLES
from tests.support.system import System, running_system
from tests.support.waiting import eventually

CELERY = [sys.executable, "-m", "celery", "-A", "worker.app"]
LETTER = SAMPLES / "knee-arthroscopy.txt"
CANARY = "Canary-Doe-Jane"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("tools") / "share") as running:
        yield running


@pytest.fixture(scope="module")
def flower(system: System) -> Iterator[str]:
    """Address of a Flower on loopback that has seen a letter pass whose file name is a canary."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**system.environment, "FLOWER_UNAUTHENTICATED_API": "true"}
    command = [*CELERY, "flower", "--address=127.0.0.1", f"--port={port}", "--loglevel=error"]
    with _process(command, environment, system.share.parent):
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: _get(f"{address}/healthcheck") == "OK", "Flower's health check", timeout_s=40)
        eventually(lambda: _json(f"{address}/api/workers?refresh=1"), "a worker in Flower", timeout_s=40)
        system.drop(LETTER.read_bytes(), f"{CANARY}.txt")
        eventually(lambda: _hints(address), "a hint in Flower", timeout_s=40)
        yield address


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _get(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - loopback
            return cast("str", answer.read().decode())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


def _json(address: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(_get(address) or "{}"))


def _hints(flower: str) -> dict[str, Any]:
    """The tasks that are about letters; chores come between."""
    tasks = _json(f"{flower}/api/tasks")
    return {task_id: task for task_id, task in tasks.items() if task.get("name") == "imr.letters"}


def test_flower_shows_ids_and_a_count(flower: str) -> None:
    (task,) = _hints(flower).values()
    assert task["name"] == "imr.letters"
    assert task["kwargs"].startswith("(1 letter: ")
    assert task["args"] == "()"


def test_flower_never_shows_a_name(flower: str) -> None:
    (task_id,) = _hints(flower)
    pages = ["/tasks", f"/task/{task_id}", "/workers", "/broker", "/metrics", "/api/tasks", f"/api/task/info/{task_id}"]
    assert [page for page in pages if CANARY in _get(flower + page)] == []


def test_workers_answer_a_ping(system: System) -> None:
    answer = subprocess.run(
        [*CELERY, "inspect", "ping"], env=system.environment, cwd=system.share.parent, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "pong" in answer.stdout


def test_no_name_is_in_redis_outside_the_streams(system: System, flower: str) -> None:
    client: Any = system.client()
    eventually(lambda: client.xlen(system.keys.determinations) == 1, "the event")
    streams = {system.keys.determinations, system.keys.dead_letters}
    found = {key.decode(): contents(client, key) for key in client.keys("*") if key.decode() not in streams}
    assert f"{system.keys.prefix}:counts" in found
    assert [key for key, content in found.items() if CANARY in key + content] == []


def contents(client: Any, key: bytes) -> str:
    """Everything that a key holds, as text."""
    read: dict[bytes, Callable[[bytes], object]] = {
        b"hash": client.hgetall,
        b"zset": lambda one: client.zrange(one, 0, -1),
        b"list": lambda one: client.lrange(one, 0, -1),
        b"set": client.smembers,
        b"string": client.get,
    }
    return repr(read[client.type(key)](key))
