"""What each kind of server says of its disk, and what is made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import EmptyServer
from tests.support.key_list import stray_keys
from tests.support.letters import LONG_MS, claim, lease, publishing
from tests.support.lossy_proxy import lossy_proxy
from tests.support.servers import NAMES, Server, binary_of, running
from tests.support.waiting import eventually
from worker.adapters.redis import durability
from worker.adapters.redis.durability import GRACE_S, RedisDurability
from worker.adapters.redis.embedded import EmbeddedServer
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.processing.records import RecordsUnavailable

KEYS = Keys("imr")
CLAIM = claim()
OUTCOME = {CLAIM: "a-digest:1"}


@pytest.fixture(scope="module", params=[pytest.param(name, id=name, marks=pytest.mark.services) for name in NAMES])
def durable(request: pytest.FixtureRequest, empty_server: EmptyServer) -> Iterator[Server]:
    """A server of each kind with an append-only file."""
    with empty_server(request.param):  # skips or fails where there is none
        pass
    with running(request.param, appendonly="yes") as server:
        yield server


@pytest.fixture
def client(durable: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(durable.client()) as made:
        made.flushall()
        made.hset(KEYS.finished, CLAIM, OUTCOME[CLAIM])
        yield made
        made.config_set("maxmemory", 0)
        made.config_set("appendonly", "yes")
        assert stray_keys(made) == []


class Asked:
    """The durability of a server, and how long it would have waited by the clock; it waits for what that is for."""

    def __init__(self, client: redis.Redis) -> None:
        self.slept_s = 0.0
        self._client = client
        self.disk = RedisDurability(client, KEYS, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        eventually(self._is_idle, "the server to have synced")

    def _is_idle(self) -> bool:
        info = self._client.info("persistence")
        busy = ("aof_pending_bio_fsync", "aof_rewrite_in_progress", "rdb_bgsave_in_progress", "aof_rewrite_scheduled")
        return not any(info.get(one) for one in busy)


class TestAlways:
    def test_is_safe_at_once(self, client: redis.Redis) -> None:
        client.config_set("appendfsync", "always")
        disk = Asked(client).disk
        assert disk.now(OUTCOME) == {CLAIM}
        assert disk.now({CLAIM: "other:1", "another": "x"}) == set()

    @pytest.mark.parametrize(
        "setting", [("appendfsync", "everysec"), ("appendonly", "no"), ("no-appendfsync-on-rewrite", "yes")]
    )
    def test_is_told_from_all_that_is_less(self, client: redis.Redis, setting: tuple[str, str]) -> None:
        client.config_set("appendfsync", "always")
        client.config_set(*setting)
        assert Asked(client).disk.now(OUTCOME) is None
        client.config_set("no-appendfsync-on-rewrite", "no")

    def test_is_asked_for_again_with_each_batch(self, client: redis.Redis) -> None:
        client.config_set("appendfsync", "always")
        disk = Asked(client).disk
        assert disk.now(OUTCOME) is not None
        client.config_set("appendfsync", "everysec")
        assert disk.now(OUTCOME) is None
        client.config_set("appendfsync", "always")
        assert disk.now(OUTCOME) is None, "until the next wait has found out"
        assert disk.later(OUTCOME) == {CLAIM}
        assert disk.now(OUTCOME) == {CLAIM}


class TestEverySecond:
    @pytest.fixture(autouse=True)
    def every_second(self, client: redis.Redis) -> None:
        client.config_set("appendfsync", "everysec")

    def test_is_waited_for(self, durable: Server, client: redis.Redis) -> None:
        asked = Asked(client)
        assert asked.disk.later({**OUTCOME, "another": "x:1"}) == {CLAIM}
        assert asked.slept_s == (0 if durable.name == "valkey" else GRACE_S)

    def test_what_does_not_stand_is_not_said_to(self, client: redis.Redis) -> None:
        client.delete(KEYS.finished)
        assert Asked(client).disk.later(OUTCOME) == set()

    def test_where_configuration_is_forbidden_too(self, client: redis.Redis) -> None:
        client.execute_command("ACL", "SETUSER", "default", "-config")  # type: ignore[no-untyped-call]
        try:
            disk = Asked(client).disk
            assert disk.now(OUTCOME) is None
            assert disk.later(OUTCOME) == {CLAIM}
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+config")  # type: ignore[no-untyped-call]

    def test_where_waitaof_is_forbidden_there_is_a_grace(self, durable: Server, client: redis.Redis) -> None:
        if durable.name == "valkey":
            client.execute_command("ACL", "SETUSER", "default", "-waitaof")  # type: ignore[no-untyped-call]
        try:
            asked = Asked(client)
            assert asked.disk.later(OUTCOME) == {CLAIM}
            assert asked.slept_s == GRACE_S
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]

    def test_a_server_out_of_memory_is_waited_for_all_the_same(self, client: redis.Redis) -> None:
        disk = Asked(client).disk
        disk.later(OUTCOME)
        client.config_set("maxmemory", 1)
        assert disk.later(OUTCOME) == {CLAIM}
        disk.filed([CLAIM])
        assert disk.finished() == []

    def test_without_the_key_such_a_server_cannot_be_waited_for(self, client: redis.Redis) -> None:
        client.config_set("maxmemory", 1)
        with pytest.raises(RecordsUnavailable, match=r"\((OOM|OutOfMemoryError)\)"):
            Asked(client).disk.later(OUTCOME)

    def test_a_key_of_another_type_files_nothing(self, client: redis.Redis) -> None:
        client.delete(KEYS.finished)
        client.lpush(KEYS.finished, "planted")
        with pytest.raises(RecordsUnavailable):
            Asked(client).disk.later(OUTCOME)
        client.delete(KEYS.finished)

    def test_a_reply_that_is_lost_is_no_answer(self, client: redis.Redis) -> None:
        with lossy_proxy(client) as proxy, contextlib.closing(connect(proxy.url)) as caller:
            disk = Asked(caller).disk
            proxy.lose_replies_to(b"imr:barrier")
            with pytest.raises(RecordsUnavailable):
                disk.later(OUTCOME)
            proxy.lose_replies_to(b"")
            assert disk.later(OUTCOME) == {CLAIM}

    def test_the_key_it_writes_goes_by_itself(self, client: redis.Redis) -> None:
        Asked(client).disk.later(OUTCOME)
        assert 0 < int(client.ttl(KEYS.barrier)) <= durability.BARRIER_TTL_S


class TestNever:
    def test_a_server_that_leaves_it_to_the_system_is_never_ready(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(durability, "WAIT_MS", 50)
        client.config_set("appendfsync", "no")
        assert Asked(client).disk.later(OUTCOME) is None

    def test_a_server_without_an_append_only_file_is_never_ready(self, durable: Server, client: redis.Redis) -> None:
        client.config_set("appendonly", "no")
        expected = pytest.raises(RecordsUnavailable) if durable.name == "valkey" else contextlib.nullcontext()
        with expected:
            assert Asked(client).disk.later(OUTCOME) is None


@pytest.mark.services
class TestGrace:
    """Servers without WAITAOF: the time alone proves nothing about another process, or a sync that is under way."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[EmbeddedServer]:
        made = EmbeddedServer(tmp_path / "state", binary_of("redis-6.2"))
        made.start()
        yield made
        made.kill()

    def test_a_server_that_was_killed_meanwhile_is_another_one(self, server: EmbeddedServer) -> None:
        def killed_and_started(seconds: float) -> None:
            server.kill()
            server.start()

        with contextlib.closing(connect(server.url)) as client:
            client.config_set("appendfsync", "everysec")
            one = lease("a", CLAIM)
            records = RedisRecords(client, KEYS)
            records.begin([one], lease_ms=LONG_MS, max_attempts=3)
            records.finish([publishing(one)])
            disk = RedisDurability(client, KEYS, sleep=killed_and_started)
            with contextlib.suppress(RecordsUnavailable):
                assert disk.later({CLAIM: f"{one.digest}:1"}) is None

    @pytest.mark.parametrize(
        ("info", "config", "synced"),
        [
            ({}, {}, True),
            ({"aof_pending_bio_fsync": 1}, {}, False),
            ({"aof_enabled": 0}, {}, False),
            ({"aof_last_write_status": "err"}, {}, False),
            ({"aof_rewrite_in_progress": 1}, {}, False),
            ({"rdb_bgsave_in_progress": 1}, {"no-appendfsync-on-rewrite": "yes"}, False),
            ({"aof_rewrite_in_progress": 1}, {"no-appendfsync-on-rewrite": "no"}, True),
        ],
    )
    def test_what_the_server_says_of_its_disk_counts(
        self, info: dict[str, object], config: dict[str, str], synced: bool
    ) -> None:
        usual = {"aof_enabled": 1, "aof_pending_bio_fsync": 0, "aof_last_write_status": "ok"}
        assert durability._has_synced({**usual, **info}, config) is synced


def test_nobody_listens() -> None:
    with contextlib.closing(connect("unix:///nowhere/redis.sock")) as client:
        disk = Asked(client).disk
        with pytest.raises(RecordsUnavailable):
            disk.now(OUTCOME)
        with pytest.raises(RecordsUnavailable):
            disk.later(OUTCOME)
        with pytest.raises(RecordsUnavailable):
            disk.filed([CLAIM])
        with pytest.raises(RecordsUnavailable):
            disk.finished()
