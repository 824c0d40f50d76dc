"""What only the adapter can show: scripts, servers that refuse, and what lies in the keys. On every server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import redis

from tests.support.letters import LONG_MS, burying, claim, deciding, digest, lease, publishing
from tests.support.servers import Server
from tests.support.waiting import eventually
from worker.adapters.redis.records import LETTERS_A_SCRIPT, RedisRecords
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.processing.records import Begun, Finish, Finished, Lease, RecordDamaged, RecordsUnavailable

KEYS = Keys("imr")
CANARY = "Wilhelmina Quackenbush"


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(server.client()) as made:
        yield made


@pytest.fixture
def records(client: redis.Redis) -> RedisRecords:
    return RedisRecords(client, KEYS)


def begin(records: RedisRecords, *leases: Lease, lease_ms: int = LONG_MS, alone: bool = False) -> list[str]:
    answers = records.begin(leases, lease_ms=lease_ms, max_attempts=3, alone=alone)
    return [one.reply if isinstance(one, Begun) else "damaged" for one in answers]


def finish(records: RedisRecords, *finishes: Finish) -> list[str]:
    return [one.reply if isinstance(one, Finished) else "damaged" for one in records.finish(finishes)]


def everything(client: redis.Redis) -> dict[bytes, object]:
    """Every key with its whole value."""
    return {key: client.dump(key) for key in cast("list[bytes]", client.keys())}


class TestAServerThatForgetsItsScripts:
    def test_every_script_is_sent_again(self, records: RedisRecords, client: redis.Redis) -> None:
        one, other = lease("a", claim(1)), lease("b", claim(2))
        steps: list[Callable[[], object]] = [
            lambda: begin(records, one, other),
            lambda: records.prolong([one], lease_ms=LONG_MS),
            lambda: finish(records, burying(one)),
            lambda: records.release([other]),
            lambda: records.resolve(deciding("discard", "a")).reply,
        ]
        answers = []
        for step in steps:
            client.script_flush()
            answers.append(step())
        assert answers == [["go", "go"], [True], ["finished"], None, "resolved"]

    def test_a_letter_is_published_once_though_the_script_was_missing(
        self, records: RedisRecords, client: redis.Redis
    ) -> None:
        batch = [lease(name, claim(index)) for index, name in enumerate("abc")]
        client.script_flush()
        begin(records, *batch)
        client.script_flush()
        assert finish(records, *(publishing(one) for one in batch)) == ["finished"] * 3
        assert client.xlen(KEYS.determinations) == 3


def _begin(records: RedisRecords) -> object:
    return begin(records, lease("new", claim(9)))


def _finish_published(records: RedisRecords) -> object:
    return finish(records, publishing(HELD))


def _finish_dead(records: RedisRecords) -> object:
    return finish(records, burying(HELD))


def _prolong(records: RedisRecords) -> object:
    return records.prolong([HELD], lease_ms=LONG_MS)


def _release(records: RedisRecords) -> None:
    records.release([HELD])


def _postpone(records: RedisRecords) -> object:
    return [records.postpone(HELD, patience_ms=LONG_MS)]


def _resolve(records: RedisRecords) -> object:
    return records.resolve(deciding("discard", "dead"))


HELD = lease("held", claim(1))
DEAD = lease("dead", claim(2))
STEPS = {
    _begin: [KEYS.letter(digest("new")), KEYS.open, KEYS.counts, KEYS.open_letters, KEYS.finished],
    _finish_published: [
        KEYS.letter(HELD.digest),
        KEYS.open,
        KEYS.counts,
        KEYS.determinations,
        KEYS.review_names,
        KEYS.open_letters,
        KEYS.finished,
    ],
    _finish_dead: [KEYS.dead_letters],
    _prolong: [KEYS.letter(HELD.digest), KEYS.open, KEYS.open_letters],
    _release: [KEYS.letter(HELD.digest), KEYS.open, KEYS.open_letters],
    _postpone: [KEYS.letter(HELD.digest), KEYS.open, KEYS.open_letters],
    _resolve: [
        KEYS.letter(DEAD.digest),
        KEYS.open,
        KEYS.counts,
        KEYS.dead_letters,
        KEYS.review_names,
        KEYS.open_letters,
        KEYS.finished,
    ],
}
PLANTS = [
    pytest.param(step, key, id=f"{step.__name__[1:]}-{key.partition(':')[2].partition(':')[0]}")
    for step, keys in STEPS.items()
    for key in keys
]


class TestAKeyOfAnotherType:
    """Redis does not roll back: a script looks at all its keys before it writes to any."""

    @pytest.mark.parametrize(("step", "key"), PLANTS)
    def test_nothing_is_written(
        self, records: RedisRecords, client: redis.Redis, step: Callable[[RedisRecords], object], key: str
    ) -> None:
        begin(records, HELD, DEAD)
        finish(records, burying(DEAD))
        client.delete(key)
        client.lpush(key, "planted")
        before = everything(client)
        try:
            answer = step(records)
        except RecordDamaged as error:
            answer = error
        assert everything(client) == before
        assert answer in (["damaged"], [False], None) or isinstance(answer, RecordDamaged)
        client.flushall()

    def test_one_damaged_letter_leaves_the_others(self, records: RedisRecords, client: redis.Redis) -> None:
        batch = [lease(name, claim(index)) for index, name in enumerate("abc")]
        client.set(KEYS.letter(digest("b")), "planted")
        assert begin(records, *batch) == ["go", "damaged", "go"]
        client.flushall()

    def test_the_error_names_the_key_and_what_it_is(self, records: RedisRecords, client: redis.Redis) -> None:
        client.set(KEYS.counts, "planted")
        (answer,) = records.begin([lease("a", claim())], lease_ms=LONG_MS, max_attempts=3)
        assert isinstance(answer, RecordDamaged)
        assert "imr:counts is a string, expected a hash" in str(answer)
        client.flushall()


@contextlib.contextmanager
def out_of_memory(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


class TestAServerThatRefuses:
    def test_out_of_memory_nothing_begins_and_nothing_is_half_done(
        self, records: RedisRecords, client: redis.Redis
    ) -> None:
        with out_of_memory(client):
            before = everything(client)
            with pytest.raises(RecordsUnavailable, match=r"\((OOM|OutOfMemoryError)\)"):
                begin(records, lease("a", claim()))
            assert everything(client) == before

    @pytest.mark.parametrize("make", [publishing, burying])
    def test_out_of_memory_nothing_is_published(
        self, records: RedisRecords, client: redis.Redis, make: Callable[[Lease], Finish]
    ) -> None:
        one = lease("a", claim())
        begin(records, one)
        with out_of_memory(client):
            before = everything(client)
            with pytest.raises(RecordsUnavailable):
                finish(records, make(one))
            assert everything(client) == before
        assert finish(records, make(one)) == ["finished"]

    def test_out_of_memory_a_letter_can_still_be_given_back(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        begin(records, one)
        with out_of_memory(client):
            records.release([one])
        assert begin(records, one) == ["go"]

    def test_out_of_memory_a_copy_can_take_over_or_not_but_never_half(
        self, records: RedisRecords, client: redis.Redis
    ) -> None:
        begin(records, lease("a", claim(1)), lease_ms=0)
        copy = lease("a", claim(2))
        with out_of_memory(client), contextlib.suppress(RecordsUnavailable):
            begin(records, copy, alone=True)
        begin(records, copy, alone=True)
        counts = records.counts()
        assert counts.seen == 1
        assert counts.open_claims == {copy.claim_id}

    @pytest.mark.parametrize("action", ["discard", "redrive"])
    def test_out_of_memory_a_decision_is_whole_or_not_taken(
        self, records: RedisRecords, client: redis.Redis, action: Any
    ) -> None:
        one = lease("a", claim())
        begin(records, one)
        finish(records, burying(one))
        with out_of_memory(client), contextlib.suppress(RecordsUnavailable):
            records.resolve(deciding(action, "a"))
        records.resolve(deciding(action, "a"))
        counts, entries = records.counts(), client.xlen(KEYS.dead_letters)
        assert (counts.seen, entries) == (1, 2)
        assert counts.dead + counts.discarded + len(counts.open_claims) == 1

    def test_a_replica_takes_nothing(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        begin(records, one)
        before = everything(client)
        client.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
        try:
            steps: list[Callable[[], object]] = [
                lambda: begin(records, lease("b", claim())),
                lambda: records.release([one]),
            ]
            for step in steps:
                with pytest.raises(RecordsUnavailable, match=r"\((READONLY|ReadOnlyError)\)"):
                    step()
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
        assert everything(client) == before

    def test_what_was_refused_says_no_more_than_its_kind(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        begin(records, one)
        with out_of_memory(client), pytest.raises(RecordsUnavailable) as refused:
            finish(records, publishing(one, event=CANARY.encode()))
        assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "step",
    [
        lambda records: begin(records, HELD),
        lambda records: finish(records, publishing(HELD)),
        lambda records: records.prolong([HELD], lease_ms=LONG_MS),
        lambda records: records.release([HELD]),
        lambda records: records.resolve(deciding("discard", "a")),
        lambda records: records.record(digest("a")),
        lambda records: records.dead_letter_event("1-1"),
        lambda records: records.counts(),
    ],
    ids=["begin", "finish", "prolong", "release", "resolve", "record", "dead_letter_event", "counts"],
)
def test_where_nobody_listens_the_records_are_unavailable(step: Callable[[RedisRecords], object]) -> None:
    with contextlib.closing(connect("unix:///nowhere/redis.sock")) as client, pytest.raises(RecordsUnavailable):
        step(RedisRecords(client, KEYS))


class TestRoundTrips:
    def test_a_batch_is_one_round_trip_for_each_script(
        self, records: RedisRecords, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = [lease(str(number), claim(number)) for number in range(100)]
        steps: list[Callable[[], object]] = [
            lambda: begin(records, *batch),
            lambda: records.prolong(batch, lease_ms=LONG_MS),
            lambda: finish(records, *(publishing(one) for one in batch[:50])),
            lambda: records.release(batch[50:]),
        ]
        begin(records, lease("the scripts are known to the server", claim(1000)))
        finish(records, publishing(lease("x", claim(1001))))
        records.prolong([lease("x", claim(1001))], lease_ms=LONG_MS)
        records.release([lease("x", claim(1001))])
        assert [_sent(monkeypatch, step) for step in steps] == [1, 1, 1, 1]

    def test_letters_share_runs_of_a_script(self, records: RedisRecords, client: redis.Redis) -> None:
        begin(records, lease("the script is known to the server", claim(1000)))
        client.execute_command("CONFIG", "RESETSTAT")  # type: ignore[no-untyped-call]
        begin(records, *(lease(str(number), claim(number)) for number in range(100)))
        stats = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == 100 / LETTERS_A_SCRIPT


def _sent(monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> int:
    """How often the client wrote to the server."""
    writes = 0
    send = redis.connection.AbstractConnection.send_packed_command

    def counting(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal writes
        writes += 1
        return send(self, command, *args, **kwargs)  # type: ignore[no-untyped-call]

    with monkeypatch.context() as patched:
        patched.setattr(redis.connection.AbstractConnection, "send_packed_command", counting)
        step()
    return writes


class TestLeases:
    def test_a_lease_ends_by_the_clock_of_the_server(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        before = _server_ms(client)
        begin(records, one, lease_ms=LONG_MS)
        ends = int(cast("bytes", client.hget(KEYS.letter(one.digest), "lease")))
        assert before + LONG_MS <= ends <= _server_ms(client) + LONG_MS
        assert client.zscore(KEYS.open, one.claim_id) == ends

    def test_a_lease_runs_out_by_itself(self, records: RedisRecords) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=60)
        eventually(lambda: begin(records, one, alone=True) == ["go"], "the lease to run out")

    def test_a_letter_that_waits_has_no_lease(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        begin(records, one)
        records.release([one])
        assert client.zscore(KEYS.open, one.claim_id) == 0
        assert not client.hexists(KEYS.letter(one.digest), "lease")
        assert not client.hexists(KEYS.letter(one.digest), "token")


def _server_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


class TestPrivacy:
    def test_no_name_and_no_text_stands_outside_the_streams(self, records: RedisRecords, client: redis.Redis) -> None:
        published, dead, waiting = lease("a", claim(1)), lease("b", claim(2)), lease("c", claim(3))
        begin(records, published, dead, waiting)
        event, path = f'{{"patient":"{CANARY}"}}'.encode(), f"review/{CANARY}.pdf"
        finish(records, publishing(published, event=event), burying(dead, path))
        begin(records, lease("a", claim(4)))
        records.release([waiting])
        records.resolve(deciding("discard", "b", path=path))
        records.resolve(deciding("restore", "b", decisions=1, path=path))
        shown = _shown_outside_the_streams(client)
        assert len(shown) == 8
        assert not [key for key, value in shown.items() if CANARY in key or CANARY in value]

    def test_an_entry_has_the_two_fields_of_the_contract(self, records: RedisRecords, client: redis.Redis) -> None:
        one = lease("a", claim())
        begin(records, one)
        finish(records, publishing(one, event=b'{"an":"event"}'))
        ((_, fields),) = cast("Any", client.xrange(KEYS.determinations))
        assert fields == {b"content-type": b"application/cloudevents+json", b"data": b'{"an":"event"}'}


def _shown_outside_the_streams(client: redis.Redis) -> dict[str, str]:
    shown = {}
    for key in cast("list[bytes]", client.keys()):
        kind = client.type(key)
        if kind == b"hash":
            shown[key.decode()] = str(client.hgetall(key))
        elif kind == b"zset":
            shown[key.decode()] = str(client.zrange(key, 0, -1))
        else:
            assert kind == b"stream", (key, kind)
    return shown
