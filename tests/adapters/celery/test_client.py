"""Sending hints over a real broker: what a message holds, which keys it leaves, and what a broken broker costs."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.servers import Server, binary_of, running
from tests.support.waiting import eventually
from worker.adapters.celery.client import HintSender, QueueUnavailable, make_app
from worker.adapters.redis.embedded import EmbeddedServer
from worker.contract.claim_ids import new_claim_id
from worker.contract.hint import read_hint

TIMEOUT_S = 0.5
BOUND_S = 5 * TIMEOUT_S
IDS = [new_claim_id(number) for number in range(250)]


def hints_to(url: str, prefix: str = "imr") -> HintSender:
    return HintSender(make_app(url, prefix), timeout_s=TIMEOUT_S)


@pytest.fixture
def hints(redis_server: Server) -> Iterator[HintSender]:
    hints = hints_to(redis_server.url)
    yield hints
    hints.close()


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as client:
        yield client


def messages(client: redis.Redis, queue: str = "imr:celery:letters") -> list[dict[str, Any]]:
    """Everything on the queue, oldest first."""
    return [orjson.loads(item) for item in reversed(cast("list[bytes]", client.lrange(queue, 0, -1)))]


def body_of(message: dict[str, Any]) -> Any:
    return orjson.loads(base64.b64decode(message["body"]))


def test_a_chore_is_a_task_without_arguments(hints: HintSender, client: redis.Redis) -> None:
    hints.start_task("imr.reconcile")
    (message,) = messages(client)
    assert message["headers"]["task"] == "imr.reconcile"
    assert body_of(message)[:2] == [[], {}]


def test_all_claims_of_one_call_go_in_one_message(hints: HintSender, client: redis.Redis) -> None:
    hints.send(IDS)
    hints.send(IDS[:1])
    first, second = messages(client)
    assert body_of(first)[1] == {"version": 1, "claim_ids": IDS}
    assert body_of(second)[1] == {"version": 1, "claim_ids": IDS[:1]}
    assert read_hint(**body_of(first)[1]) == IDS


def test_the_body_holds_claim_ids_and_nothing_else_as_json(hints: HintSender, client: redis.Redis) -> None:
    hints.send(IDS[:2])
    (message,) = messages(client)
    assert message["content-type"] == "application/json"
    arguments, keywords, options = body_of(message)
    assert arguments == []
    assert sorted(keywords) == ["claim_ids", "version"]
    assert not any(options.values())


@pytest.mark.parametrize("count", [1, 3, 250])
def test_what_flower_and_logs_show_is_a_count_and_the_first_ids(
    hints: HintSender, client: redis.Redis, count: int
) -> None:
    hints.send(IDS[:count])
    (message,) = messages(client)
    assert message["headers"]["task"] == "imr.letters"
    assert message["headers"]["argsrepr"] == "()"
    told = re.fullmatch(r"\((\d+) letters?: ([^.]*?)(, \.\.\.)?\)", message["headers"]["kwargsrepr"])
    assert told is not None, message["headers"]["kwargsrepr"]
    assert (int(told[1]), told[2].split(", "), bool(told[3])) == (count, IDS[: min(count, 3)], count > 3)


@pytest.mark.parametrize("prefix", ["imr", "clinic:north"])
def test_every_key_of_the_broker_is_below_the_prefix(redis_server: Server, client: redis.Redis, prefix: str) -> None:
    with contextlib.closing(hints_to(redis_server.url, prefix)) as hints:
        hints.send(IDS)
        assert hints.depth() == 1
    keys = [key.decode() for key in cast("list[bytes]", client.keys("*"))]
    assert f"{prefix}:celery:letters" in keys
    assert [key for key in keys if not key.startswith(f"{prefix}:celery:")] == []
    client.flushall()


def test_the_depth_is_what_waits(hints: HintSender, client: redis.Redis) -> None:
    assert hints.depth() == 0
    for _ in range(3):
        hints.send(IDS[:1])
    assert hints.depth() == 3
    client.rpop("imr:celery:letters")
    assert hints.depth() == 2


def test_one_connection_serves_every_call(hints: HintSender, client: redis.Redis) -> None:
    def connections() -> int:
        return len(cast("list[Any]", client.client_list()))

    hints.send(IDS[:1])
    hints.depth()
    open_after_first = connections()
    for _ in range(20):
        hints.send(IDS[:1])
        hints.depth()
    assert connections() == open_after_first


def test_closing_gives_the_connections_back(redis_server: Server, client: redis.Redis) -> None:
    def connections() -> int:
        return len(cast("list[Any]", client.client_list()))

    open_before = connections()
    hints = hints_to(redis_server.url)
    hints.send(IDS[:1])
    assert connections() > open_before
    hints.close()
    eventually(lambda: connections() == open_before, f"connections to be {open_before} as before")


# --- A broker that fails ---------------------------------------------------------------------------------------------

Call = Callable[[HintSender], object]
CALLS = [
    pytest.param(lambda hints: hints.send(IDS), id="send"),
    pytest.param(lambda hints: hints.depth(), id="depth"),
]


def fails_in_time(call: Call, hints: HintSender) -> None:
    begun_s = time.monotonic()
    with pytest.raises(QueueUnavailable) as failure:
        call(hints)
    took_s = time.monotonic() - begun_s
    assert took_s < BOUND_S, f"{took_s:.1f} s"
    assert "redis" not in str(failure.value), "no address, no password"
    assert hints._connection is None, "what state the connection is in is unknown: the next call makes another"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_down(call: Call, scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with contextlib.closing(hints_to(f"{scheme}://u:secret@127.0.0.1:{unused.getsockname()[1]}/0")) as hints:
            for _ in range(2):
                fails_in_time(call, hints)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_takes_connections_and_never_answers(call: Call, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"{scheme}://u:secret@127.0.0.1:{hole.getsockname()[1]}/0"
        with contextlib.closing(hints_to(url)) as hints:
            fails_in_time(call, hints)


@pytest.mark.parametrize("call", CALLS)
def test_a_broker_that_falls_silent_under_a_connection_in_use(call: Call) -> None:
    with running("valkey") as server, contextlib.closing(hints_to(server.url)) as hints:
        hints.send(IDS)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            fails_in_time(call, hints)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        hints.send(IDS)
        assert hints.depth() >= 2


@pytest.mark.parametrize("call", CALLS)
def test_a_broker_that_died(call: Call) -> None:
    with running("valkey") as server, contextlib.closing(hints_to(server.url)) as hints:
        hints.send(IDS)
        server.stop()
        for _ in range(2):
            fails_in_time(call, hints)


def test_a_connection_that_was_cut_is_made_anew(hints: HintSender, client: redis.Redis) -> None:
    for _ in range(3):
        eventually(lambda: sends(hints), "a hint to go out")
        client.client_kill_filter(skipme=True)
    eventually(lambda: sends(hints), "a hint to go out")


def sends(hints: HintSender) -> bool:
    try:
        hints.send(IDS)
    except QueueUnavailable:
        return False
    return True


def test_a_broker_that_refuses(hints: HintSender, client: redis.Redis) -> None:
    hints.send(IDS)
    client.config_set("maxmemory", "1")
    try:
        fails_in_time(lambda hints: hints.send(IDS), hints)
    finally:
        client.config_set("maxmemory", "0")
    hints.send(IDS)
    assert hints.depth() == 2


def test_a_queue_of_a_wrong_type_is_unavailable(hints: HintSender, client: redis.Redis) -> None:
    client.set("imr:celery:letters", "planted")
    fails_in_time(lambda hints: hints.send(IDS), hints)
    client.delete("imr:celery:letters")


def test_a_hint_that_cannot_be_acknowledged_costs_a_worker_no_place(
    redis_server: Server, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis does not answer the acknowledgement in time, twice; the third hint is taken all the same."""
    app = make_app(redis_server.url, "imr")
    hints = HintSender(app, timeout_s=TIMEOUT_S)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.basic_qos(0, 1, False)
        for settle in ("ack", "reject", "ack"):
            hints.send(IDS[:1])
            message = eventually(lambda: channel.basic_get("letters"), "a hint")
            assert not channel.qos.can_consume()
            with monkeypatch.context() as patched:
                patched.setattr(channel.qos, "_remove_from_indices", too_late)
                with pytest.raises(redis.TimeoutError):
                    getattr(message, settle)()
            assert channel.qos.can_consume(), f"no place left after {settle}"
    hints.close()
    client.flushall()


def too_late(*_: object) -> None:
    raise redis.TimeoutError


def test_a_worker_that_is_started_before_its_broker_waits_for_it_beyond_a_hundred_tries(tmp_path: Path) -> None:
    """As its consumer connects, with the configuration that it has; only the pauses between the tries are left out."""
    server = EmbeddedServer(tmp_path / "state", binary_of("valkey"))
    app, failures = make_app(server.url, "imr"), list[object]()

    def failed(error: object, pause_s: float) -> None:
        failures.append(error)
        if len(failures) == 120:
            server.start()

    try:
        with app.connection_for_read() as connection:
            most = app.conf.broker_connection_max_retries
            connection.ensure_connection(failed, most, interval_start=0, interval_step=0, interval_max=0)
            assert connection.connected
            assert len(failures) == 120
    finally:
        server.kill()
