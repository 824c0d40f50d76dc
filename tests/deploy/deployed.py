"""The deployment as data, and real servers and commands started the way it starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import redis
import yaml

from worker.contract.redis_client import connect

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
BIN: Final = Path(sys.executable).parent
PATIENCE_S: Final = 30.0
PASSWORD: Final = "0123456789abcdef"
"""Of servers that live for one test."""

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], tell: Callable[[], str]) -> Found:
    """The first result of `look` that is not None; fails with what `tell` returns."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (result := look()) is None:
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {PATIENCE_S:g} s: {tell()}")
        time.sleep(0.05)
    return result


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of one YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def compose_file() -> dict[str, Any]:
    """compose.yaml, its anchors merged."""
    (loaded,) = documents(ROOT / "compose.yaml")
    return loaded


def services() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml."""
    entries: dict[str, dict[str, Any]] = compose_file()["services"]
    return entries


def in_container(words: list[str]) -> list[str]:
    """A command of compose.yaml as the container gets it."""
    return [word.replace("$$", "$") for word in words]


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_as_deployed(binary: Path, config: str) -> Iterator[str]:
    """URL of a real server, started by the command of compose.yaml; paths and addresses are those of the test."""
    shell, flag, script = in_container(services()["redis"]["command"])
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="imr-") as folder, (Path(folder) / "log").open("w+") as log:
        own = Path(folder) / "redis.conf"
        own.write_text(f"{config}\nbind 127.0.0.1\nport {port}\ndir {folder}\n")
        assert script.startswith("exec redis-server /etc/redis/redis.conf -")
        script = script.replace("redis-server", str(binary), 1).replace("/etc/redis/redis.conf", str(own), 1)
        environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": PASSWORD}
        process = subprocess.Popen([shell, flag, script], env=environment, stdout=log, stderr=log)
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        try:
            wait_for(lambda: _answers(process, url), lambda: Path(log.name).read_text())
            yield url
        finally:
            process.terminate()
            status = process.wait(PATIENCE_S)
        assert status == 0, Path(log.name).read_text()


def _answers(process: subprocess.Popen[bytes], url: str) -> bool | None:
    client = connect(url, timeout_s=2.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return None if process.poll() is None else pytest.fail(f"the server ended with {process.returncode}")
    finally:
        client.close()
