"""kombu's transport as both ends of the queue use it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.servers import Server
from worker.adapters.celery.client import make_app
from worker.adapters.celery.transport import BrokerChannel

pytestmark = pytest.mark.services


@pytest.fixture
def connection(redis_server: Server) -> Iterator[Any]:
    with make_app(redis_server.url, "imr").connection_for_write() as connection:
        yield connection


def client_of(channel: BrokerChannel) -> Any:
    with channel.conn_or_acquire() as client:
        return client


def test_commands_of_a_channel_share_one_client(connection: Any) -> None:
    channel = connection.default_channel
    assert isinstance(channel, BrokerChannel)
    assert client_of(channel) is client_of(channel)
    assert client_of(channel).ping()


def test_a_client_that_is_given_is_used(connection: Any, redis_server: Server) -> None:
    with contextlib.closing(redis_server.client()) as own, connection.default_channel.conn_or_acquire(own) as client:
        assert client is own


def test_connections_made_anew_have_a_client_of_their_own(connection: Any) -> None:
    """kombu throws the pool of connections away after a failure, and in a process that was forked."""
    channel = connection.default_channel
    before = client_of(channel)
    channel._disconnect_pools()
    after = client_of(channel)
    assert after is not before
    assert after.connection_pool is channel.pool
    assert after.ping()


def test_a_connection_that_the_server_cut_is_made_anew(connection: Any, redis_server: Server) -> None:
    channel = connection.default_channel
    client = client_of(channel)
    assert client.ping()
    with contextlib.closing(redis_server.client()) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    with contextlib.suppress(redis.ConnectionError):
        client_of(channel).ping()
    assert client_of(channel).ping()
