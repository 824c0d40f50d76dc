"""A client of each kind of server, and a stream of old entries with names that tests can write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.servers import Server
from worker.adapters.redis.stream_trim import Trimmer
from worker.contract.names import Keys

KEYS = Keys("imr")
STREAM = KEYS.determinations
KEEP_DAYS = 90.0
DAY_MS = 86_400_000


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(server.client()) as made:
        yield made


@pytest.fixture
def trimmer(client: redis.Redis) -> Trimmer:
    return Trimmer(client, KEYS, KEEP_DAYS)


def now_ms(client: redis.Redis) -> int:
    """The server's clock."""
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def add(client: redis.Redis, *ids: str, stream: str = STREAM) -> None:
    """Entries with these ids; an id like `7-1` is from 1970, and so old enough for anything."""
    for entry in ids:
        client.xadd(stream, {"data": orjson.dumps({"id": f"event-{entry}"})}, id=entry)


def ids(client: redis.Redis, stream: str = STREAM) -> list[str]:
    """The entries that are there."""
    return [entry.decode() for entry, _ in cast("list[Any]", client.xrange(stream))]


def read(client: redis.Redis, group: str, count: int, *, consumer: str = "c", stream: str = STREAM) -> list[str]:
    """Give `count` new entries to the group; their ids."""
    reply = cast("Any", client.xreadgroup(group, consumer, {stream: ">"}, count=count))
    return [entry.decode() for entry, _ in reply[0][1]] if reply else []


def acknowledge(client: redis.Redis, group: str, *entries: str, stream: str = STREAM) -> None:
    client.xack(stream, group, *entries)


def group_that_has(client: redis.Redis, name: str, count: int, *, stream: str = STREAM) -> None:
    """A group from the beginning that has read and acknowledged `count` entries."""
    client.xgroup_create(stream, name, id="0", mkstream=True)
    if count:
        acknowledge(client, name, *read(client, name, count, stream=stream), stream=stream)
