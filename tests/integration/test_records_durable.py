"""What Redis itself survives: killed while workers write, its tail torn at any byte, many workers at once."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.letters import LONG_MS, burying, claim, deciding, digest, lease, publishing
from tests.support.servers import Server, binary_of
from tests.support.waiting import eventually
from worker.adapters.redis.embedded import EmbeddedServer
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.contract.redis_client import connect
from worker.processing.records import Begun, Finished, RecordsUnavailable

pytestmark = pytest.mark.services

KEYS = Keys("imr")


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "state", binary_of("valkey"))
    yield server
    server.kill()


def kill_once(server: EmbeddedServer, answered: list[int], enough: int) -> None:
    eventually(lambda: len(answered) >= enough, "letters to be published before the kill", timeout_s=60)
    server.kill()


def assert_closed(records: RedisRecords) -> None:
    counts = records.counts()
    done = counts.published + counts.dead + counts.discarded + counts.duplicate
    assert counts.seen == done + len(counts.open_claims), counts


def test_what_was_answered_survives_a_kill_of_redis(embedded: EmbeddedServer) -> None:
    answered: list[int] = []
    for round_ in range(3):
        embedded.start()
        killer = threading.Thread(target=kill_once, args=(embedded, answered, len(answered) + 50))
        with contextlib.closing(connect(embedded.url)) as client, contextlib.suppress(RecordsUnavailable):
            records = RedisRecords(client, KEYS)
            killer.start()
            for number in range(round_ * 100_000, (round_ + 1) * 100_000):
                one = lease(str(number), claim(number))
                records.begin([one], lease_ms=LONG_MS, max_attempts=3)
                records.finish([publishing(one, event=orjson.dumps({"id": number}))])
                answered.append(number)
        killer.join()
    embedded.start()
    with contextlib.closing(connect(embedded.url)) as client:
        entries = Counter(
            orjson.loads(fields[b"data"])["id"] for _, fields in cast("Any", client.xrange(KEYS.determinations))
        )
        assert set(answered) <= set(entries)
        assert set(entries.values()) == {1}
        assert_closed(RedisRecords(client, KEYS))


def test_a_torn_tail_holds_whole_steps_or_none(embedded: EmbeddedServer) -> None:
    """The append-only file cut at many bytes of BEGIN, FINISH and RESOLVE: never half of one."""
    embedded.start()
    (file,) = (embedded.folder / "appendonlydir").glob("*.incr.aof")
    with contextlib.closing(connect(embedded.url)) as client:
        records = RedisRecords(client, KEYS)
        begin_size = file.stat().st_size
        published, dead = lease("a", claim(1)), lease("b", claim(2))
        records.begin([published, dead], lease_ms=LONG_MS, max_attempts=3)
        records.finish([publishing(published), burying(dead)])
        records.resolve(deciding("redrive", "b"))
    embedded.stop()
    whole = file.read_bytes()
    cuts = range(begin_size, len(whole) + 1, max(1, (len(whole) - begin_size) // 24))
    for cut in cuts:
        file.write_bytes(whole[:cut])
        embedded.start()
        with contextlib.closing(connect(embedded.url)) as client:
            check_whole(RedisRecords(client, KEYS), client)
        embedded.kill()


def check_whole(records: RedisRecords, client: redis.Redis) -> None:
    assert_closed(records)
    counts = records.counts()
    assert client.xlen(KEYS.determinations) == counts.published
    redriven = (one := records.record(digest("b"))) is not None and one.revision == 2
    assert client.xlen(KEYS.dead_letters) == (2 if redriven else counts.dead)


def test_many_workers_at_once_publish_each_letter_once(redis_server: Server) -> None:
    letters = [str(number) for number in range(200)]
    claims = {letter: [claim(2 * int(letter)), claim(2 * int(letter) + 1)] for letter in letters}
    replies: list[str] = []

    def work(offset: int) -> None:
        with contextlib.closing(redis_server.client()) as client:
            records = RedisRecords(client, KEYS)
            for start in range(0, len(letters), 20):
                batch = [lease(letter, claims[letter][offset % 2]) for letter in letters[start : start + 20]]
                begun = records.begin(batch, lease_ms=LONG_MS, max_attempts=3)
                going = [one for one, answer in zip(batch, begun, strict=True) if is_go(answer)]
                finished = records.finish([publishing(one) for one in going])
                replies.extend(one.reply for one in finished if isinstance(one, Finished))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with contextlib.closing(redis_server.client()) as client:
        assert replies == ["finished"] * 200
        assert client.xlen(KEYS.determinations) == 200
        assert_closed(RedisRecords(client, KEYS))


def is_go(answer: object) -> bool:
    return isinstance(answer, Begun) and answer.reply == "go"
