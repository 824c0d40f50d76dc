"""The one way to make a Redis client: bounded in time, and nothing is ever sent twice by itself."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
import redis

from tests.support.letters import LONG_MS, claim, lease, publishing
from tests.support.lossy_proxy import LossyProxy, lossy_proxy
from tests.support.servers import Server
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.contract.redis_client import broker_url, connect
from worker.processing.records import Finished, RecordsUnavailable


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as made:
        yield made


@pytest.fixture
def proxy(client: redis.Redis) -> Iterator[LossyProxy]:
    with lossy_proxy(client) as made:
        yield made


@pytest.mark.services
class TestALostReply:
    def test_is_an_error_and_the_command_ran_once(self, client: redis.Redis, proxy: LossyProxy) -> None:
        with contextlib.closing(connect(proxy.url)) as caller:
            caller.ping()
            proxy.lose_replies_to(b"XADD")
            with pytest.raises(redis.ConnectionError):
                caller.xadd("imr:determinations", {"data": "an event"})
        assert proxy.lost == 1
        assert client.xlen("imr:determinations") == 1

    def test_of_a_pipeline_is_an_error_and_the_pipeline_ran_once(self, client: redis.Redis, proxy: LossyProxy) -> None:
        with contextlib.closing(connect(proxy.url)) as caller:
            caller.ping()
            proxy.lose_replies_to(b"XADD")
            with caller.pipeline(transaction=False) as pipe:
                pipe.xadd("imr:determinations", {"data": "an event"})
                with pytest.raises(redis.ConnectionError):
                    pipe.execute()
        assert client.xlen("imr:determinations") == 1

    def test_of_a_publish_is_made_good_by_asking_again(self, client: redis.Redis, proxy: LossyProxy) -> None:
        one = lease("a", claim())
        with contextlib.closing(connect(proxy.url)) as caller:
            records = RedisRecords(caller, Keys("imr"))
            records.begin([one], lease_ms=LONG_MS, max_attempts=3)
            records.finish([publishing(lease("unknown", claim()))])  # from here on the server knows the script
            proxy.lose_replies_to(b"an event")
            for _ in range(3):
                with pytest.raises(RecordsUnavailable):
                    records.finish([publishing(one, event=b"an event")])
            proxy.lose_replies_to(b"")
            (answer,) = records.finish([publishing(one, event=b"an event")])
        assert proxy.lost == 3
        assert isinstance(answer, Finished)
        assert answer.reply == "done"
        assert client.xlen("imr:determinations") == 1


def test_a_server_that_never_answers_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with contextlib.closing(connect(url, timeout_s=0.2)) as caller, pytest.raises(redis.TimeoutError):
            caller.ping()


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://host", "rediss://host"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("amqp://host", "amqp://host"),
    ],
)
def test_celery_spells_a_unix_socket_otherwise(url: str, spelled: str) -> None:
    assert broker_url(url) == spelled
