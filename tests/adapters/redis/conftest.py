"""The records under test: the in-memory twin, and the adapter on each kind of server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.support.memory_records import MemoryRecords
from tests.support.servers import NAMES, Server
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.processing.records import Records

EmptyServer = Callable[[str], contextlib.AbstractContextManager[Server]]

TWIN = pytest.param("twin", id="twin")
SERVERS = [pytest.param(name, id=name, marks=pytest.mark.services) for name in NAMES]


@pytest.fixture(params=[TWIN, *SERVERS])
def records(request: pytest.FixtureRequest, empty_server: EmptyServer) -> Iterator[Records]:
    """Empty records of every make; afterwards their counts must close."""
    with _records(request.param, empty_server) as made:
        yield made
        counts = made.counts()
        done = counts.published + counts.dead + counts.discarded + counts.duplicate
        assert counts.seen == done + len(counts.open_claims), counts


@contextlib.contextmanager
def _records(name: str, empty_server: EmptyServer) -> Iterator[Records]:
    if name == "twin":
        yield MemoryRecords()
    else:
        with empty_server(name) as server, contextlib.closing(server.client()) as client:
            yield RedisRecords(client, Keys("imr"))
