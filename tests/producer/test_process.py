"""`python -m producer` as operators run it: a process of its own, a server that comes and goes, kill -9."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import orjson
import pytest

from producer.__main__ import EXIT_FAILED, main
from tests.producer.doubles import Share
from tests.support.servers import Server, running
from tests.support.system import IMR
from tests.support.waiting import eventually
from worker.adapters.redis.embedded import EmbeddedServer, find_server_binary

ROOT = Path(__file__).parents[2]
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
EXIT_REFUSED = 3


class Process:
    """A producer process; what it says goes to a file."""

    def __init__(self, share: Share, url: str, **settings: str) -> None:
        self._said = share.root.parent / f"producer-{time.monotonic_ns()}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
        environment |= {"IMR_SHARE": str(share.root), "IMR_REDIS_URL": url, "IMR_SETTLE_SECONDS": "0.3", **settings}
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "producer"], cwd=ROOT, env=environment, stdout=said, stderr=said
            )

    def said(self) -> str:
        return self._said.read_text()

    def says(self, words: str) -> None:
        """Wait until it says that."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: words in self.said() or self.has_ended(), "", 20)
        assert words in self.said(), f"waited for {words!r}; exit code {self._process.poll()}, it said: {self.said()}"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(20)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def process(share: Share, url: str, **settings: str) -> Iterator[Process]:
    started = Process(share, url, **settings)
    try:
        yield started
    finally:
        started.kill()


def hinted(server: Server) -> list[str]:
    """Claim ids on the queue, oldest message first; periodic tasks have none."""
    with contextlib.closing(server.client()) as client:
        items = cast("list[bytes]", client.lrange("imr:celery:letters", 0, -1))
    bodies = [orjson.loads(base64.b64decode(orjson.loads(item)["body"])) for item in reversed(items)]
    return [claim_id for body in bodies for claim_id in body[1].get("claim_ids", [])]


@pytest.fixture
def durable_server() -> Iterator[Server]:
    """A server as production has it."""
    with running("valkey", **DURABLE) as server:
        yield server


def test_from_the_inbox_to_the_queue_until_it_is_stopped(share: Share, durable_server: Server) -> None:
    with process(share, durable_server.url) as producer:
        producer.says("the inbox is watched")
        share.drop("Canary renamed in.pdf")
        share.write("Canary folder/written in place.pdf")
        eventually(lambda: len(hinted(durable_server)) == 2, "two hints")
        assert set(hinted(durable_server)) == set(share.claimed())
        begun_s = time.monotonic()
        producer.send(signal.SIGTERM)
        assert producer.ends() == 0
        assert time.monotonic() - begun_s < 5, "at once, and the interpreter's own end, on a busy machine too"
        assert "stopped; what was not claimed waits in the inbox" in producer.said()
        assert "Canary" not in producer.said()
    with contextlib.closing(durable_server.client()) as client:
        assert client.exists("imr:producers") == 0, "its report goes with it"


def test_killed_again_and_again_it_loses_nothing(share: Share, durable_server: Server) -> None:
    names = [f"{number:03}.pdf" for number in range(90)]
    for part in range(3):
        with process(share, durable_server.url) as producer:
            producer.says("the inbox is watched")
            for name in names[part * 30 : part * 30 + 30]:
                share.drop(name)
            eventually(share.claimed, "a claim")
            producer.send(signal.SIGKILL)
            producer.ends()
        assert sorted(share.waiting_paths() + share.claimed_paths()) == names[: part * 30 + 30]
    with contextlib.closing(durable_server.client()) as client:
        client.delete("imr:celery:letters")  # every hint so far is lost
    with process(share, durable_server.url) as producer:
        eventually(lambda: len(set(hinted(durable_server))) == 90, "every claim to be hinted")
    assert share.waiting_paths() == []
    assert share.claimed_paths() == names
    assert set(hinted(durable_server)) == set(share.claimed())


def test_it_waits_for_a_redis_that_comes_later(share: Share, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "s", find_server_binary())
    share.drop("letter.pdf")
    with process(share, server.url) as producer:
        producer.says("Redis does not answer (ConnectionError)")
        assert share.claimed() == {}
        server.start()
        try:
            eventually(share.claimed, "the letter to be claimed", 20)
            producer.send(signal.SIGTERM)
            assert producer.ends() == 0
        finally:
            server.stop()


def test_while_it_waits_for_redis_it_can_be_stopped(share: Share, tmp_path: Path) -> None:
    with process(share, f"unix://{tmp_path}/nobody.sock") as producer:
        producer.says("Redis does not answer (ConnectionError)")
        begun_s = time.monotonic()
        producer.send(signal.SIGTERM)
        assert producer.ends() == 0
        assert time.monotonic() - begun_s < 5


def test_redis_gone_for_a_while_is_waited_for(share: Share, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "s", find_server_binary())
    server.start()
    try:
        with process(share, server.url, IMR_REAP_SECONDS="0.5") as producer:
            producer.says("the inbox is watched")
            server.kill()
            producer.says("intake held: Redis cannot be reached")
            share.drop("letter.pdf")
            eventually(lambda: producer.said().count("not reported") > 2, "more reports to fail")
            assert share.claimed() == {}
            server.start()
            eventually(share.claimed, "the letter to be claimed", 20)
            assert not producer.has_ended()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("config", "problem", "remedy"),
    [
        ({}, "Redis keeps nothing on disk", "CONFIG SET appendonly yes"),
        ({**DURABLE, "maxmemory-policy": "allkeys-lru"}, "Redis deletes keys when its memory is full", "noeviction"),
        ({**DURABLE, "requirepass": "another"}, "Redis does not answer (AuthenticationError)", "user and password"),
    ],
    ids=["no persistence", "eviction", "wrong password"],
)
def test_a_redis_that_would_lose_letters_is_refused_with_the_remedy(
    share: Share, config: dict[str, str], problem: str, remedy: str
) -> None:
    config = {"maxmemory-policy": "noeviction", "port": "0", **config}
    secret = "s3cret-word"
    with running_with_password(config) as address, process(share, f"{address}?password={secret}") as producer:
        assert producer.ends() == EXIT_REFUSED
        assert problem in producer.said()
        assert remedy in producer.said()
        assert "Traceback" not in producer.said()
        assert secret not in producer.said()


@contextlib.contextmanager
def running_with_password(config: dict[str, str]) -> Iterator[str]:
    """The address of a server with that configuration, which need not let us in."""
    password = config.pop("requirepass", "s3cret-word")
    with running("valkey", **config) as server:
        with contextlib.closing(server.client()) as client:
            client.config_set("requirepass", password)
        yield server.url


@pytest.mark.parametrize(
    "settings",
    [
        {"IMR_REDIS_URL": "localhost:6379/s3cret"},
        {"IMR_REDIS_URL": "redis://:s3cret@host:port/0"},
        {"IMR_SCAN_SECONDS": "s3cret"},
        {"IMR_SHARE": "/dev/null/share"},
    ],
    ids=lambda settings: next(iter(settings.items()))[1],
)
def test_settings_that_cannot_be_used_are_refused_without_showing_secrets(
    share: Share, settings: dict[str, str]
) -> None:
    settings = {"IMR_REDIS_URL": "redis://localhost", **settings}
    with process(share, settings.pop("IMR_REDIS_URL"), **settings) as producer:
        assert producer.ends() == EXIT_REFUSED
        assert producer.said().startswith("imr: the producer cannot start: ")
        assert producer.said().count("\n") == 1, producer.said()
        assert "s3cret" not in producer.said()


def test_an_internal_error_ends_it_without_showing_what_it_was_about(
    share: Share, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message of an error can quote the name of a file: only its kind and its place in the code are logged."""

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error", "/share/inbox/Smith, John.pdf")

    monkeypatch.setenv("IMR_SHARE", str(share.root))
    monkeypatch.setattr("producer.__main__.run", fail)
    assert main() == EXIT_FAILED
    said = capsys.readouterr().err
    assert "Smith" not in said
    assert "kind=OSError at main:" in said
    assert said.count("\n") == 1, said


def imr(share: Share, url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """An `imr` command with the producer's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
    environment |= {"IMR_SHARE": str(share.root), "IMR_REDIS_URL": url, "COLUMNS": "300", **settings}
    return subprocess.run([IMR, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_producer_that_is_started_before_its_share_is_mounted_waits_for_it(
    share: Share, durable_server: Server, tmp_path: Path
) -> None:
    """What it remembers of the share lies elsewhere; nothing is made in the bare mount point."""
    url, settings = durable_server.url, {"IMR_STATE_DIR": str(tmp_path / "state"), "IMR_WATCH": "events"}
    with process(share, url, **settings) as producer:
        producer.says("the inbox is watched")
        eventually(lambda: imr(share, url, "check", "--health", "producer").returncode == 0, "a report", 30)
        assert "new files are noticed by events and scan (IMR_WATCH=events)" in imr(share, url, "status").stdout
    away = share.root.rename(share.root.parent / "away")
    share.root.mkdir()
    with process(share, url, **settings) as producer:
        producer.says("is not mounted")
        checked = imr(share, url, "check", **settings)
        assert (checked.returncode, "is not mounted" in checked.stdout) == (1, True), checked.stdout
        assert "new files are noticed by events and scan (IMR_WATCH=events)" in checked.stdout
        assert os.listdir(share.root) == []
        share.root.rmdir()
        away.rename(share.root)
        producer.says("the inbox is watched")
        share.drop("letter.pdf")
        eventually(share.claimed, "the letter to be claimed", 20)
