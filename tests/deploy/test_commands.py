"""What the containers run, run here: each service by its own command, asked by its own health check, then stopped."""

from __future__ import annotations

import base64
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.deploy.deployed import BIN, PATIENCE_S, ROOT, free_port, in_container, services, wait_for
from worker.contract.redis_client import connect

LOGIN = "user:0123abcd"
SAMPLE = ROOT / "worker/entrypoints/samples/knee-arthroscopy.txt"


@dataclass(frozen=True)
class Service:
    """A running service of compose.yaml."""

    definition: dict[str, Any]
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path
    port: int

    def health(self, patience_s: int) -> int:
        """Exit status of its health check."""
        kind, *words = in_container(self.definition["healthcheck"]["test"])
        command = [str(BIN / words[0]), *words[1:]] if kind == "CMD" else ["sh", "-c", words[0]]
        ours = {":5555/": f":{self.port}/", "--timeout 10": f"--timeout {patience_s}"}
        for theirs, own in ours.items():
            command = [word.replace(theirs, own) for word in command]
        done = subprocess.run(command, env=self.environment, cwd=self.log.parent, capture_output=True, check=False)
        return done.returncode

    def stop(self) -> tuple[int, float]:
        """Stop it as its container is stopped; its exit status, and how long that took."""
        started_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S), time.monotonic() - started_s

    def is_up(self) -> bool | None:
        """True once it is healthy, None before; fails when it has ended."""
        if self.process.poll() is not None:
            pytest.fail(f"it ended with {self.process.returncode}: {self.log.read_text()}")
        return True if self.health(patience_s=3) == 0 else None


def resolved(text: str) -> str:
    """A value of compose.yaml where nothing is set: with its defaults."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@contextmanager
def started(name: str, redis_url: str, folder: Path) -> Iterator[Service]:
    """A service of compose.yaml; server, share and port are those of the test, everything else is the file's."""
    definition = services()[name]
    (folder / "share").mkdir(exist_ok=True)
    environment = {key: resolved(str(value)) for key, value in definition["environment"].items() if value is not None}
    environment |= {"IMR_REDIS_URL": redis_url, "IMR_SHARE": str(folder / "share"), "HOSTNAME": socket.gethostname()}
    environment |= {"FLOWER_BASIC_AUTH": LOGIN} if name == "flower" else {}
    environment["PATH"] = f"{BIN}:/usr/bin:/bin"
    port = free_port()
    ours = {"--port=5555": f"--port={port}", "--address=0.0.0.0": "--address=127.0.0.1"}
    command = [ours.get(word, resolved(word)) for word in in_container(definition["command"])]
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], env=environment, cwd=folder, stdout=out, stderr=out
        )
        try:
            yield Service(definition, process, environment, log, port)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def grace_s(service: Service) -> int:
    return int(service.definition["stop_grace_period"].removesuffix("s"))


def test_producer_and_worker_carry_a_letter_and_stop_in_time(deployed_redis: str, tmp_path: Path) -> None:
    client = connect(deployed_redis)
    with (
        started("producer", deployed_redis, tmp_path) as producer,
        started("worker", deployed_redis, tmp_path) as worker,
    ):
        wait_for(lambda: has_subscribed(client), worker.log.read_text)
        wait_for(worker.is_up, worker.log.read_text)
        wait_for(producer.is_up, producer.log.read_text)
        drop(SAMPLE, tmp_path / "share" / "inbox")
        wait_for(lambda: has_an_outcome(client), lambda: producer.log.read_text() + worker.log.read_text())
        for service in (worker, producer):
            status, took_s = service.stop()
            assert status == 0, service.log.read_text()
            assert took_s < grace_s(service) / 2
            assert SAMPLE.stem not in service.log.read_text(), "a file's name is nobody's business"
        assert producer.health(patience_s=1) != 0, "what is gone is not healthy"
    client.close()


def has_subscribed(client: redis.Redis) -> bool | None:
    """Whether a worker listens for remote control; a ping before that would time out."""
    return bool(client.exists("imr:celery:_kombu.binding.celery.pidbox")) or None


def has_an_outcome(client: redis.Redis) -> bool | None:
    """Whether the one letter is published, or a dead letter."""
    return client.xlen("imr:determinations") + client.xlen("imr:dead-letters") == 1 or None


def drop(letter: Path, inbox: Path) -> None:
    """Put a letter into the share as a careful program does: written elsewhere, renamed into the inbox."""
    aside = inbox.parent.parent / letter.name
    shutil.copyfile(letter, aside)
    aside.rename(inbox / letter.name)


def test_flower_asks_for_a_login_and_changes_nothing(deployed_redis: str, tmp_path: Path) -> None:
    with started("flower", deployed_redis, tmp_path) as service:
        wait_for(service.is_up, service.log.read_text)
        assert answer(service, "/") == 401
        assert answer(service, "/", login="user:wrong") == 401
        assert answer(service, "/", login=LOGIN) == 200
        assert answer(service, "/api/workers") == 401
        assert answer(service, "/api/worker/shutdown/any", login=LOGIN, method="POST") in (403, 404, 405)
        status, took_s = service.stop()
        assert status == 0
        assert took_s < grace_s(service) / 2
        assert LOGIN.partition(":")[2] not in service.log.read_text()


def answer(service: Service, path: str, *, login: str | None = None, method: str = "GET") -> int:
    """Status of Flower's answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{service.port}{path}", method=method)
    if login is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - an address of this test
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
