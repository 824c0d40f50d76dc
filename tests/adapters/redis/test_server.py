"""Which Redis letters can be trusted to: the real servers say, each configured wrongly in one way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EmptyServer
from tests.support.servers import NAMES, Server, ServerMissing, running
from worker.adapters.redis.server import (
    _version,
    broker_of,
    describe_filing_delay,
    embedded_socket,
    redis_url,
    require_server,
    server_problems,
)
from worker.adapters.start_problem import StartRefused
from worker.contract.redis_client import connect
from worker.contract.settings import Settings

TRUSTED = {"appendonly": "yes", "appendfsync": "always"}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.services) for name in NAMES])
def trusted(request: pytest.FixtureRequest, empty_server: EmptyServer) -> Iterator[Server]:
    """A server of each kind that keeps everything."""
    with empty_server(request.param):  # skips or fails where there is none
        pass
    with running(request.param, **TRUSTED) as server:
        yield server


def problems(server: Server, **wrong: str) -> list[tuple[str, bool]]:
    """(problem, whether it is fatal) with these settings for a moment."""
    with contextlib.closing(server.client()) as client:
        before = {name: str(client.config_get(name)[name]) for name in wrong}
        try:
            for name, value in wrong.items():
                client.config_set(name, value)
            return [(problem.what, fatal) for problem, fatal in server_problems(client) if problem.remedy]
        finally:
            for name, value in before.items():
                client.config_set(name, value)


class TestServerProblems:
    def test_a_server_that_syncs_and_evicts_nothing_has_none(self, trusted: Server) -> None:
        assert problems(trusted) == []
        with contextlib.closing(trusted.client()) as client:
            assert require_server(client) == []

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
    def test_one_that_deletes_keys_is_refused(self, trusted: Server, policy: str) -> None:
        ((what, fatal),) = problems(trusted, **{"maxmemory-policy": policy})
        assert fatal
        assert policy in what

    def test_one_that_keeps_nothing_is_refused(self, trusted: Server) -> None:
        ((what, fatal),) = problems(trusted, appendonly="no")
        assert fatal
        assert "keeps nothing on disk" in what

    def test_one_that_only_takes_snapshots_is_refused(self, trusted: Server) -> None:
        ((what, fatal),) = problems(trusted, appendonly="no", save="3600 1")
        assert fatal
        assert "snapshots" in what

    def test_one_that_syncs_every_second_is_waited_for(self, trusted: Server) -> None:
        assert problems(trusted, appendfsync="everysec") == []

    def test_one_that_never_syncs_is_refused(self, trusted: Server) -> None:
        ((what, fatal),) = problems(trusted, appendfsync="no")
        assert fatal
        assert "no letter would ever be filed away" in what

    @pytest.mark.parametrize("fsync", ["always", "everysec"])
    def test_what_letters_wait_for_is_said(self, trusted: Server, fsync: str) -> None:
        with contextlib.closing(trusted.client()) as client:
            client.config_set("appendfsync", fsync)
            told = describe_filing_delay(client)
            client.config_set("appendfsync", "always")
        late = "WAITAOF)" if trusted.name == "valkey" else "no WAITAOF"
        assert ("at once" if fsync == "always" else late) in told

    def test_every_problem_is_told_at_once(self, trusted: Server) -> None:
        assert len(problems(trusted, **{"appendonly": "no", "maxmemory-policy": "allkeys-lru"})) == 2

    def test_a_user_who_may_not_see_the_configuration_is_believed(self, trusted: Server) -> None:
        """Managed servers forbid CONFIG: what INFO says must do."""
        with contextlib.closing(trusted.client()) as client:
            client.execute_command("ACL", "SETUSER", "worker", "on", "nopass", "~*", "+@all", "-config")  # type: ignore[no-untyped-call]
            client.execute_command("AUTH", "worker", "any")  # type: ignore[no-untyped-call]
            assert server_problems(client) == []


@pytest.mark.parametrize(
    ("version", "is_refused"),
    [("5.0.14", True), ("6.0.16", True), ("6.2.0", False), ("6.2.14", False), ("7.4.1", False), ("10.0", False)],
)
def test_servers_without_the_commands_we_need_are_refused(version: str, is_refused: bool) -> None:
    assert bool(_version({"redis_version": version})) is is_refused


@pytest.mark.services
def test_a_start_is_refused_with_remedies(redis_server: Server) -> None:
    """The servers of these tests keep nothing on disk."""
    with contextlib.closing(redis_server.client()) as client, pytest.raises(StartRefused, match="appendonly yes"):
        require_server(client)


def test_nobody_there_is_told_without_the_address() -> None:
    with contextlib.closing(connect("redis://:sEcReT@127.0.0.1:1")) as client:
        with pytest.raises(StartRefused, match="does not answer") as refused:
            require_server(client)
        assert "sEcReT" not in str(refused.value)


class TestWhichRedis:
    def test_the_one_that_is_set(self, tmp_path: Path) -> None:
        settings = Settings(share=tmp_path, redis_url="redis://host")  # type: ignore[arg-type]
        assert redis_url(settings) == "redis://host"

    def test_else_the_embedded_one_if_it_runs(self, tmp_path: Path) -> None:
        settings = Settings(share=tmp_path)
        with pytest.raises(StartRefused, match="imr up"):
            redis_url(settings)
        socket = embedded_socket(settings.state_folder)
        socket.parent.mkdir(parents=True)
        socket.touch()
        assert redis_url(settings) == f"unix://{socket}"

    def test_celery_uses_the_same_unless_told_otherwise(self, tmp_path: Path) -> None:
        assert broker_of(Settings(share=tmp_path), "redis://host") == "redis://host"
        other = Settings(share=tmp_path, broker_url="amqp://other")  # type: ignore[arg-type]
        assert broker_of(other, "redis://host") == "amqp://other"

    def test_a_folder_deep_down_has_its_socket_elsewhere(self, tmp_path: Path) -> None:
        deep = [tmp_path / ("d" * 120) / name for name in ("one", "two")]
        sockets = [embedded_socket(folder) for folder in (*deep, deep[0])]
        assert all(len(str(socket)) < 104 for socket in sockets)
        assert sockets[0] == sockets[2] != sockets[1]


def test_a_missing_server_says_how_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.servers.DEBIAN_BINARY", Path("/nowhere"))
    with pytest.raises(ServerMissing, match="apt-get install redis-server"), running("redis-debian"):
        pass
