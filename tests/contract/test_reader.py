"""The reader: everything once or more, nothing never, whatever is lost, killed, deleted or away. On every server."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

import worker.contract.reader
from tests.support.lossy_proxy import lossy_proxy
from tests.support.servers import Server, answers, binary_of
from tests.support.servers import _start as start
from tests.support.waiting import eventually
from worker.contract.names import Keys
from worker.contract.reader import Entry, Handle, Pace, Reader, RecentIds

KEYS = Keys("imr")
STREAM, OTHER = KEYS.determinations, KEYS.dead_letters
WEEK_MS = 7 * 86_400_000
QUICK = Pace(block_s=0.2, idle_s=0.05, max_deliveries=3)
PATIENT = Pace(block_s=0.2)
DURABLE = {"save": "", "appendonly": "yes", "appendfsync": "always"}


class Killed(KeyboardInterrupt):
    """The process dies here; what survives is what the server has."""


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(server.client()) as made:
        yield made


def publish(client: redis.Redis, *names: str, stream: str = STREAM) -> None:
    for name in names:
        client.xadd(stream, {"content-type": "application/cloudevents+json", "data": orjson.dumps({"id": name})})


def reader(url: str, consumer: str = "one", *streams: str, pace: Pace = PATIENT, **more: Any) -> Reader:
    return Reader(url, streams or [STREAM], group="desk", consumer=consumer, pace=pace, **more)


def drained(one: Reader) -> list[str]:
    """The events that it handles now."""
    handled: list[str] = []
    with one:
        one.drain(lambda entry: handled.append(entry.event_id))
    return handled


def pending(client: redis.Redis) -> int:
    """Entries given and not acknowledged; -1 while there is no group."""
    try:
        return int(client.xpending(STREAM, "desk")["pending"])
    except redis.ResponseError:
        return -1


def dying_at(fatal: str, handled: list[str]) -> Handle:
    def handle(entry: Entry) -> None:
        handled.append(entry.event_id)
        if entry.event_id == fatal:
            raise Killed

    return handle


@contextlib.contextmanager
def running(one: Reader, handle: Handle) -> Iterator[threading.Thread]:
    """The reader in a thread of its own while the block runs."""
    thread = threading.Thread(target=one.run, args=(handle,), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        one.stop()
        thread.join(30)
        assert not thread.is_alive(), "the reader did not stop"


class TestReading:
    def test_a_group_begins_at_the_beginning_and_goes_on_where_it_was(
        self, server: Server, client: redis.Redis
    ) -> None:
        publish(client, "a", "b")
        publish(client, "x", stream=OTHER)
        assert drained(reader(server.url, "one", STREAM, OTHER)) == ["a", "b", "x"]
        publish(client, "c")
        assert drained(reader(server.url, "two", STREAM, OTHER)) == ["c"]
        assert pending(client) == 0

    def test_a_group_added_later_gets_everything(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b")
        drained(reader(server.url))
        later = Reader(server.url, [STREAM], group="later", consumer="one")
        assert drained(later) == ["a", "b"]

    def test_more_than_one_batch_is_drained(self, server: Server, client: redis.Redis) -> None:
        names = [f"event {number:02d}" for number in range(25)]
        publish(client, *names)
        assert drained(reader(server.url)) == names

    def test_two_readers_share_the_work(self, server: Server, client: redis.Redis) -> None:
        handled: list[str] = []
        one, two = reader(server.url, "one"), reader(server.url, "two")
        names = [f"event {number:02d}" for number in range(60)]

        def handle(entry: Entry) -> None:
            handled.append(entry.event_id)

        with one, two, running(one, handle), running(two, handle):
            publish(client, *names)
            eventually(lambda: len(handled) >= 60 and pending(client) == 0, "sixty events handled")
        assert sorted(handled) == names

    def test_an_entry_that_holds_no_event_is_handled_as_well(self, server: Server, client: redis.Redis) -> None:
        client.xadd(STREAM, {"data": b"\xff"}, id="1-1")
        client.xadd(STREAM, {"data": b"[]"}, id="2-1")
        client.xadd(STREAM, {"else": b"where"}, id="3-1")
        assert drained(reader(server.url)) == [f"{STREAM} {number}-1" for number in (1, 2, 3)]

    def test_the_same_event_twice_is_handled_once(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b", "a")
        assert drained(reader(server.url)) == ["a", "b"]
        assert pending(client) == 0

    def test_what_the_caller_has_seen_is_not_handled_again(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b")
        seen = {"a"}
        assert drained(reader(server.url, seen=seen)) == ["b"]
        assert seen == {"a", "b"}


class TestAReaderThatDies:
    def test_between_handling_and_acknowledging_the_entry_comes_again(
        self, server: Server, client: redis.Redis
    ) -> None:
        publish(client, "a", "b", "c")
        handled: list[str] = []
        with pytest.raises(Killed), reader(server.url) as one:
            one.run(dying_at("b", handled))
        assert drained(reader(server.url)) == ["b", "c"], "the same consumer's next life"
        assert (handled, pending(client)) == (["a", "b"], 0)

    def test_with_a_store_that_survives_it_is_handled_once(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b")
        seen: set[str] = set()

        def in_one_transaction(entry: Entry) -> None:
            seen.add(entry.event_id)
            raise Killed

        with pytest.raises(Killed), reader(server.url, seen=seen) as one:
            one.run(in_one_transaction)
        assert drained(reader(server.url, seen=seen)) == ["b"]
        assert pending(client) == 0

    def test_another_takes_what_it_held_for_a_week(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b", "c")
        client.xgroup_create(STREAM, "desk", id="0")
        ((_, taken),) = cast("Any", client.xreadgroup("desk", "gone", {STREAM: ">"}, count=2))
        client.xclaim(STREAM, "desk", "gone", 0, [entry for entry, _ in taken], idle=WEEK_MS)
        assert drained(reader(server.url, "alive")) == ["a", "b", "c"]
        assert pending(client) == 0

    def test_what_another_holds_for_a_moment_is_left_to_it(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b")
        client.xgroup_create(STREAM, "desk", id="0")
        client.xreadgroup("desk", "busy", {STREAM: ">"}, count=1)
        assert drained(reader(server.url, "other")) == ["b"]
        assert pending(client) == 1

    def test_an_entry_that_kills_it_uses_up_its_own_tries_only(self, server: Server, client: redis.Redis) -> None:
        publish(client, "killer", "b", "c")
        handled: list[str] = []
        given_up: list[str] = []
        tries: dict[str, int] = {}

        def handle(entry: Entry) -> None:
            tries[entry.event_id] = entry.deliveries
            dying_at("killer", handled)(entry)

        for _ in range(QUICK.max_deliveries):
            with pytest.raises(Killed), reader(server.url, pace=QUICK) as one:
                one.run(handle)
        give_up = lambda entry: given_up.append(entry.event_id)  # noqa: E731
        with reader(server.url, pace=QUICK, give_up=give_up) as one:
            one.drain(handle)
        assert given_up == ["killer"]
        assert handled == ["killer"] * QUICK.max_deliveries + ["b", "c"]
        assert tries == {"killer": 3, "b": 2, "c": 2}


class TestAHandlerThatFails:
    def test_the_entry_is_tried_again_and_the_others_go_on(self, server: Server, client: redis.Redis) -> None:
        publish(client, "a", "b")
        handled: list[tuple[str, int]] = []

        def handle(entry: Entry) -> None:
            handled.append((entry.event_id, entry.deliveries))
            if entry.event_id == "a" and entry.deliveries < 3:
                raise ValueError("Quackenbush")

        with reader(server.url, pace=QUICK) as one, running(one, handle):
            eventually(lambda: len(handled) == 4 and pending(client) == 0, "a to succeed at its third try")
        assert handled == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]

    def test_after_its_tries_it_is_given_up_and_not_lost(
        self, server: Server, client: redis.Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        publish(client, "a")
        given_up: list[tuple[str, int]] = []

        def give_up(entry: Entry) -> None:
            given_up.append((entry.event_id, entry.deliveries))
            if len(given_up) == 1:
                raise OSError("Quackenbush: the disk is full")

        def handle(_: Entry) -> None:
            raise ValueError("Quackenbush")

        with reader(server.url, pace=QUICK, give_up=give_up) as one, running(one, handle):
            eventually(lambda: pending(client) == 0 and given_up, "the entry to be given up")
        assert given_up == [("a", 4), ("a", 5)], "the first time giving up failed as well"
        assert "Quackenbush" not in caplog.text, "what an error says can be words of a letter"
        assert "ValueError" in caplog.text


class TestGhosts:
    def test_entries_deleted_while_pending_are_told_and_forgotten(
        self, server: Server, client: redis.Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        publish(client, *"abcd")
        with pytest.raises(Killed), reader(server.url) as one:
            one.run(dying_at("a", []))
        first, second, *_ = [entry for entry, _ in cast("list[Any]", client.xrange(STREAM))]
        client.xdel(STREAM, first, second)
        assert drained(reader(server.url)) == ["c", "d"]
        assert pending(client) == 0
        told = [record.getMessage() for record in caplog.records if "was deleted" in record.getMessage()]
        gone = [one.decode() for one in (first, second)]
        assert told == [f"entry {one} of {STREAM} was deleted before it was acknowledged" for one in gone]

    def test_abandoned_ones_too(self, server: Server, client: redis.Redis) -> None:
        publish(client, *"abc")
        client.xgroup_create(STREAM, "desk", id="0")
        ((_, taken),) = cast("Any", client.xreadgroup("desk", "gone", {STREAM: ">"}))
        client.xclaim(STREAM, "desk", "gone", 0, [entry for entry, _ in taken], idle=WEEK_MS)
        client.xdel(STREAM, taken[1][0])
        assert drained(reader(server.url, "alive")) == ["a", "c"]
        assert pending(client) == 0


class TestTrouble:
    @pytest.mark.parametrize("command", [b"XREADGROUP", b"XACK", b"XCLAIM", b"XPENDING", b"XGROUP"])
    @pytest.mark.parametrize("is_silent", [False, True], ids=["cut", "silent"])
    def test_a_lost_reply_loses_nothing(
        self, redis_server: Server, command: bytes, is_silent: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server has done it, and the reader does not know: whether the connection ends or merely falls silent."""
        monkeypatch.setattr(worker.contract.reader, "REPLY_S", 0.3)
        handled: list[str] = []
        with contextlib.closing(redis_server.client()) as client, lossy_proxy(client) as proxy:
            publish(client, "a", "b")
            with pytest.raises(Killed), reader(redis_server.url) as one:
                one.run(dying_at("a", []))
            proxy.is_silent = is_silent
            proxy.lose_replies_to(command)
            with reader(proxy.url) as one, running(one, lambda entry: handled.append(entry.event_id)):
                eventually(lambda: proxy.lost, f"a lost reply to {command.decode()}")
                proxy.lose_replies_to(b"")
                publish(client, "c")
                eventually(lambda: len(handled) == 3 and pending(client) == 0, "three events")
        assert handled == ["a", "b", "c"]

    def test_a_quiet_stream_is_no_silent_server(
        self, redis_server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The time limit of the connection is longer than the wait for news, whatever that is."""
        handled: list[str] = []
        asked = threading.Semaphore(0)

        class Counting(Reader):
            def _take(self, block_s: float | None) -> list[Entry]:
                entries = super()._take(block_s)
                asked.release()
                return entries

        quiet = Pace(block_s=worker.contract.reader.REPLY_S / 20)
        with (
            Counting(redis_server.url, [STREAM], group="desk", consumer="one", pace=quiet) as one,
            running(one, lambda entry: handled.append(entry.event_id)),
        ):
            for _ in range(3):
                assert asked.acquire(timeout=30)
        assert not caplog.records
        limit = one._client.connection_pool.connection_kwargs["socket_timeout"]
        assert limit > quiet.block_s + 5

    @pytest.mark.parametrize("delete", ["FLUSHALL", f"DEL {STREAM}", f"XGROUP DESTROY {STREAM} desk"])
    def test_a_stream_or_group_that_is_deleted_is_read_from_the_beginning_again(
        self, server: Server, client: redis.Redis, delete: str
    ) -> None:
        handled: list[str] = []
        with reader(server.url) as one, running(one, lambda entry: handled.append(entry.event_id)):
            publish(client, "a")
            eventually(lambda: handled == ["a"] and pending(client) == 0, "the first event")
            client.execute_command(*delete.split())  # type: ignore[no-untyped-call]
            publish(client, "b")
            eventually(lambda: handled == ["a", "b"], "the event after the deletion")

    def test_connections_that_are_cut_are_made_again(self, server: Server, client: redis.Redis) -> None:
        handled: list[str] = []
        with reader(server.url) as one, running(one, lambda entry: handled.append(entry.event_id)):
            for number, name in enumerate("abc", start=1):
                publish(client, name)
                eventually(lambda number=number: len(handled) == number, f"event {name}")  # type: ignore[misc]
                client.client_kill_filter(_type="normal", skipme=True)
        assert handled == ["a", "b", "c"]

    def test_a_server_that_is_killed_and_started_again_is_read_on(self) -> None:
        handled: list[str] = []
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imr-test-")))

            def started() -> tuple[Server, redis.Redis]:
                server = start("valkey", binary_of("valkey"), folder, DURABLE)
                stack.callback(server.stop)
                eventually(lambda: answers(server.url), "the server to answer", timeout_s=30)
                return server, stack.enter_context(contextlib.closing(server.client()))

            first, client = started()
            with reader(first.url) as one, running(one, lambda entry: handled.append(entry.event_id)):
                publish(client, "a")
                eventually(lambda: handled == ["a"] and pending(client) == 0, "the first event")
                first.stop()
                _, client = started()
                publish(client, "b")
                eventually(lambda: handled == ["a", "b"], "the second event", timeout_s=20)

    def test_a_full_server_and_a_replica_are_waited_for(self, server: Server, client: redis.Redis) -> None:
        handled: list[str] = []
        publish(client, "a")
        client.config_set("maxmemory", "1")
        try:
            with reader(server.url) as one, running(one, lambda entry: handled.append(entry.event_id)) as thread:
                assert thread.is_alive()
                client.config_set("maxmemory", "0")
                eventually(lambda: handled == ["a"], "the event after the server has room")
                client.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
                client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
                publish(client, "b")
                eventually(lambda: handled == ["a", "b"], "the event after the failover")
        finally:
            client.config_set("maxmemory", "0")

    def test_a_wrong_password_is_told_at_once(self, redis_server: Server) -> None:
        url = redis_server.url.replace("unix://", "unix://somebody:wrong@")
        with reader(url) as one, pytest.raises(redis.AuthenticationError):
            one.run(lambda _: None)

    def test_a_key_of_another_type_is_told_at_once(self, redis_server: Server) -> None:
        with contextlib.closing(redis_server.client()) as client:
            client.set(STREAM, "planted")
            with reader(redis_server.url) as one, pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                one.run(lambda _: None)
            client.delete(STREAM)

    def test_where_nobody_listens_it_waits_until_it_is_told_to_stop(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        with reader("unix:///nowhere/redis.sock") as one, running(one, lambda _: None):
            eventually(lambda: len(caplog.records) > 1, "a second attempt")
        assert "asked again" in caplog.text


class TestStopping:
    def test_the_entry_at_hand_is_finished_and_the_rest_stays_for_the_next_life(
        self, server: Server, client: redis.Redis
    ) -> None:
        publish(client, "a", "b", "c")
        handled: list[str] = []
        with reader(server.url) as one:

            def handle(entry: Entry) -> None:
                one.stop()
                handled.append(entry.event_id)

            one.run(handle)
        assert (handled, pending(client)) == (["a"], 2)
        assert drained(reader(server.url)) == ["b", "c"]


def test_recent_ids_are_bounded() -> None:
    recent = RecentIds(capacity=2)
    for name in ("a", "b", "a", "c"):
        recent.add(name)
    assert [name in recent for name in "abc"] == [True, False, True]
