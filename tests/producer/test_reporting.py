"""What the producer measures before it claims, and the report that it leaves, with a real Redis."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
import redis

from producer.reporting import RedisGauges, takes_writes
from tests.producer.doubles import Share
from tests.support.servers import Server, running
from worker.adapters.redis.producer_reports import ProducerReport, decode
from worker.adapters.share.pause import Pause, end_pause, write_pause
from worker.contract.names import PRODUCER_REPORT_TTL_S, Keys

REPORT = ProducerReport(waiting=3, ignored=2, claimed=1, hold=None, watching="events and scan")


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as client:
        yield client


def gauges_of(client: redis.Redis, share: Share, name: str = "host:1") -> RedisGauges:
    return RedisGauges(client=client, keys=Keys("imr"), share=str(share.root), name=name, wall_clock_ms=lambda: 42)


def test_the_load_is_what_disk_and_server_say(client: redis.Redis, share: Share) -> None:
    client.config_set("maxmemory", "500mb")
    try:
        load = gauges_of(client, share).load(7)
    finally:
        client.config_set("maxmemory", "0")
    assert load.claimed_letters == 7
    assert load.free_disk_bytes is not None
    assert load.free_disk_bytes > 0
    assert load.redis_used_bytes is not None
    assert load.redis_used_bytes > 100_000
    assert load.redis_max_bytes == 500 * 1024**2
    assert load.redis_writable


def test_finished_letters_that_are_not_filed_yet_are_counted_apart(client: redis.Redis, share: Share) -> None:
    gauges = gauges_of(client, share)
    assert gauges.load(7).finished_letters == 0
    client.hset(Keys("imr").finished, "a-claim", "a-digest:1")
    assert (gauges.load(7).claimed_letters, gauges.load(7).finished_letters) == (7, 1)


def test_what_cannot_be_looked_at_is_unknown(share: Share) -> None:
    with running("valkey") as server, contextlib.closing(server.client()) as client:
        gauges = gauges_of(client, share)
        server.stop()
        load = gauges.load(None)
    assert (load.claimed_letters, load.redis_used_bytes, load.redis_max_bytes) == (None, None, None)
    assert not load.redis_writable
    missing = RedisGauges(client=client, keys=Keys("imr"), share="/nowhere", name="x", wall_clock_ms=lambda: 0)
    assert missing.load(0).free_disk_bytes is None


def test_a_pause_is_seen_in_the_share_whether_or_not_redis_answers(client: redis.Redis, share: Share) -> None:
    gauges = gauges_of(client, share)
    assert not gauges.load(0).paused
    write_pause(share.root, Pause("operator", None, "a reason"))
    assert gauges.load(0).paused
    assert gauges_of(redis.Redis(port=1), share).load(0).paused
    end_pause(share.root)
    assert not gauges.load(0).paused


def test_a_pause_that_cannot_be_ruled_out_holds(client: redis.Redis, share: Share) -> None:
    not_a_folder = share.root / "outside" / "file"
    not_a_folder.touch()
    gauges = RedisGauges(client=client, keys=Keys("imr"), share=str(not_a_folder), name="x", wall_clock_ms=lambda: 0)
    assert gauges.load(0).paused


def test_a_file_system_that_does_not_say_its_size_is_not_full(client: redis.Redis) -> None:
    """Like some that are mounted by a program (SMB in user space), /proc answers 0 of 0 bytes."""
    unknown = RedisGauges(client=client, keys=Keys("imr"), share="/proc", name="x", wall_clock_ms=lambda: 0)
    assert unknown.load(0).free_disk_bytes == sys.maxsize


@pytest.mark.parametrize(
    ("info", "is_writable"),
    [
        ({"role": "master", "aof_last_write_status": "ok"}, True),
        ({}, True),
        ({"role": "slave", "aof_last_write_status": "ok"}, False),
        ({"role": "master", "aof_last_write_status": "err"}, False),
    ],
)
def test_a_replica_and_a_server_with_a_full_disk_take_no_writes(info: dict[str, str], is_writable: bool) -> None:
    assert takes_writes(info) is is_writable


def test_a_report_shows_figures_and_goes_with_the_last_producer(client: redis.Redis, share: Share) -> None:
    gauges_of(client, share, "host:1").report(REPORT)
    gauges_of(client, share, "host:2").report(REPORT)
    reports = cast("dict[bytes, bytes]", client.hgetall("imr:producers"))
    assert sorted(reports) == [b"host:1", b"host:2"]
    assert decode(reports[b"host:1"]) == replace(REPORT, at_ms=42, pid=os.getpid())
    assert 0 < client.ttl("imr:producers") <= PRODUCER_REPORT_TTL_S


def test_a_producer_that_leaves_takes_its_own_report_away(client: redis.Redis, share: Share) -> None:
    staying, leaving = gauges_of(client, share, "stays"), gauges_of(client, share, "leaves")
    staying.report(REPORT)
    leaving.report(REPORT)
    leaving.remove_report()
    assert client.hkeys("imr:producers") == [b"stays"]
    staying.remove_report()
    assert client.keys("imr:*") == []
