"""Garbage on the queue: the worker goes on, letters are done, and nothing of it is run or logged."""

from __future__ import annotations

import base64
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.many_letters import numbered_letters
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually
from worker.contract.names import LETTERS_QUEUE, LETTERS_TASK

CANARY: Final = "Canary-Doe-Jane"
LARGE_BYTES: Final = 20_000_000
"""One of 100 MB takes a worker some seconds; it is no other path."""


def message(
    body: bytes, *, task: str = LETTERS_TASK, content_type: str = "application/json", encoding: str = "utf-8"
) -> bytes:
    """A message as Celery's transport for Redis keeps it."""
    headers = {"lang": "py", "task": task, "id": "1", "root_id": "1", "argsrepr": CANARY, "kwargsrepr": CANARY}
    properties = {
        "correlation_id": "1",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": LETTERS_QUEUE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(time.monotonic_ns()),
    }
    whole = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(whole).encode()


def task(kwargs: dict[str, Any], name: str = LETTERS_TASK) -> bytes:
    """A message that Celery takes for a task with these arguments."""
    return message(json.dumps([[], kwargs, {}]).encode(), task=name)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self._path), "w")


def garbage(trap: Path) -> dict[str, bytes]:
    """Kind -> item of the queue."""
    return {
        "unknown task": task({"name": CANARY}, "shell.run"),
        "hint of another version": task({"version": CANARY, "claim_ids": [CANARY]}),
        "ids that are none": task({"version": 1, "claim_ids": [f"../{CANARY}"]}),
        "fields that nobody knows": task({"version": 1, "claim_ids": [], CANARY: CANARY}),
        "arguments that do not fit": message(json.dumps([[CANARY] * 9, {}, {}]).encode()),
        "a body that is no task": message(json.dumps(CANARY).encode()),
        "a body that is no JSON": message(CANARY.encode()),
        "pickle": message(pickle.dumps(Trap(trap)), content_type="application/x-python-serialize", encoding="binary"),
        "large": task({"version": 1, "claim_ids": [CANARY * (LARGE_BYTES // len(CANARY))]}),
        "JSON without properties": json.dumps({"body": CANARY}).encode(),
        "no JSON": CANARY.encode(),
    }


@pytest.mark.timeout(300)
def test_the_queue_is_not_trusted(tmp_path: Path) -> None:
    """All of it, among letters; and it is the same worker all the time."""
    trap = tmp_path / "trap"
    letters = numbered_letters(11)
    with running_system(tmp_path / "share", {**QUICK, "IMR_BATCH_LETTERS": "1"}) as system:
        client, workers = system.client(), system.worker_pids()
        queue = f"{system.keys.broker}{LETTERS_QUEUE}"
        for (name, content), item in zip(letters.items(), garbage(trap).values(), strict=True):
            client.lpush(queue, item)
            system.drop(content, name)
        eventually(system.is_idle, "inbox and claimed/ empty", timeout_s=120)
        eventually(lambda: client.llen(queue) == 0, "an empty queue", timeout_s=60)

        ids = [event["id"] for event in system.events(system.keys.determinations)]
        assert len(ids) == len(set(ids)) == len(letters)
        assert system.status()["unexplained"] == 0
        assert system.worker_pids() == workers
        assert not trap.exists(), "pickle is refused"
        assert said_of(system, CANARY) == []


def said_of(system: System, words: str) -> list[str]:
    """Lines of the logs with these words, shortened."""
    lines = [line for log in (system.state / "logs").iterdir() for line in log.read_text(errors="replace").splitlines()]
    return [line[:300] for line in lines if words in line]
