"""`imr tail` as a reader: it goes on where it stopped, and a pipe that closes loses nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from tests.support.servers import Server
from worker.contract.names import Keys

IMR = str(Path(sys.executable).with_name("imr"))
STREAM = Keys("imr").determinations
MANY = 3000
"""More lines than a pipe holds, so that its writer hears that nobody reads any more."""


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as made:
        yield made


def publish(client: redis.Redis, count: int) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.xadd(STREAM, {"data": orjson.dumps({"id": f"event {number}", "filler": "x" * 100})})
        pipe.execute()


def tail(server: Server, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IMR_REDIS_URL": server.url}
    return subprocess.run(
        ["sh", "-c", f"{IMR} tail --json {command}"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def events(run: subprocess.CompletedProcess[str]) -> list[str]:
    return [orjson.loads(line)["id"] for line in run.stdout.splitlines()]


def test_it_goes_on_where_it_stopped_and_each_group_gets_everything(
    redis_server: Server, client: redis.Redis, tmp_path: Path
) -> None:
    publish(client, 3)
    first = tail(redis_server, "--no-follow", tmp_path)
    assert (events(first), first.stderr) == (["event 0", "event 1", "event 2"], "")
    assert events(tail(redis_server, "--no-follow", tmp_path)) == []
    assert events(tail(redis_server, "--no-follow --group desk", tmp_path)) == events(first)


def test_a_pipe_that_closes_ends_it_and_loses_nothing(
    redis_server: Server, client: redis.Redis, tmp_path: Path
) -> None:
    """What was not written stays pending; what stood in the pipe was given away, as with every program in a pipe."""
    publish(client, MANY)
    cut = tail(redis_server, "| head -n 1", tmp_path)
    assert events(cut) == ["event 0"]
    assert "Traceback" not in cut.stderr, cut.stderr
    rest = events(tail(redis_server, "--no-follow", tmp_path))
    assert rest[-1] == f"event {MANY - 1}"
    acknowledged = MANY - len(rest)
    assert rest == [f"event {number}" for number in range(acknowledged, MANY)], "no gap after what was written"
