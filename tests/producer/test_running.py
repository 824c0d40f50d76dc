"""The producer as a whole: running in a thread, on real time, with a real broker's queue to look into."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import orjson
import pytest
import redis

from producer.discovery.discovery import DiscoverySettings
from producer.reaper import RedisLeases
from producer.reporting import RedisGauges
from producer.service import Producer, Timing
from tests.producer.doubles import LIMITS, Share
from tests.support.servers import Server
from tests.support.waiting import eventually
from worker.adapters.celery.client import HintSender, make_app
from worker.contract.names import Keys

QUIET_S = 0.4
DISCOVERY = DiscoverySettings(watch="events", settle_s=QUIET_S, scan_s=0.5, max_scan_s=0.5)
RARE = replace(DISCOVERY, scan_s=600.0, max_scan_s=600.0)
"""Scans are too rare to find anything: what is claimed was announced by an event."""


TIMING = Timing(reap_s=0.5, hint_timeout_s=30.0, report_s=0.1)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Running:
    """A producer in a thread of its own, and its queue."""

    def __init__(self, share: Share, server: Server, discovery: DiscoverySettings) -> None:
        self.client, keys = server.client(), Keys("imr")
        self._queue = HintSender(make_app(server.url, "imr"))
        gauges = RedisGauges(
            client=self.client, keys=keys, share=str(share.root), name="test", wall_clock_ms=wall_clock_ms
        )
        self.producer = Producer(
            share=str(share.root),
            queue=self._queue,
            leases=RedisLeases(self.client, keys),
            gauges=gauges,
            discovery=discovery,
            timing=TIMING,
            limits=LIMITS,
            batch_letters=100,
            wall_clock_ms=wall_clock_ms,
            monotonic_s=time.monotonic,
        )
        self._thread = threading.Thread(target=self.producer.run, name="producer under test")

    def start(self) -> None:
        self._thread.start()
        eventually(lambda: self.report().get("watching") == "events and scan", "the producer to watch")

    def stop(self) -> float:
        """Stop it; the seconds that took."""
        begun_s = time.monotonic()
        self.producer.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "it did not stop"
        return time.monotonic() - begun_s

    def close(self) -> None:
        self.stop()
        self._queue.close()
        self.client.close()

    def report(self) -> dict[str, object]:
        """Its last report."""
        encoded = cast("bytes | None", self.client.hget("imr:producers", "test"))
        return cast("dict[str, object]", orjson.loads(encoded)) if encoded else {}

    def messages(self) -> list[list[str]]:
        """The claim ids of each message on the queue, oldest first."""
        items = cast("list[bytes]", self.client.lrange("imr:celery:letters", 0, -1))
        bodies = [orjson.loads(base64.b64decode(orjson.loads(item)["body"])) for item in reversed(items)]
        return [body[1]["claim_ids"] for body in bodies]

    def hinted(self) -> list[str]:
        return [claim_id for message in self.messages() for claim_id in message]


@contextlib.contextmanager
def running(share: Share, server: Server, discovery: DiscoverySettings) -> Iterator[Running]:
    service = Running(share, server, discovery)
    try:
        service.start()
        yield service
    finally:
        service.close()


def test_a_file_renamed_in_is_on_the_queue_long_before_the_quiet_time(share: Share, redis_server: Server) -> None:
    slow = replace(RARE, settle_s=60.0)
    with running(share, redis_server, slow) as service:
        share.drop("letter.pdf")
        eventually(service.messages, "a message on the queue")
        assert service.messages() == [list(share.claimed())]


def test_a_file_written_in_place_is_announced_by_its_event_and_waits_for_quiet(
    share: Share, redis_server: Server
) -> None:
    with running(share, redis_server, RARE) as service:
        begun_s = time.monotonic()
        share.write("clinic/2014/letter.pdf")
        eventually(service.messages, "a message on the queue")
        assert time.monotonic() - begun_s >= QUIET_S
        assert share.claimed_paths() == ["clinic/2014/letter.pdf"]


def test_a_slow_writer_is_waited_for(share: Share, redis_server: Server) -> None:
    lines = [f"line {number}\n" for number in range(12)]
    done_at_s: list[float] = []

    def write() -> None:
        with (share.inbox / "letter.txt").open("w") as file:
            for line in lines:
                file.write(line)
                file.flush()
                timer.wait(QUIET_S / 4)
        done_at_s.append(time.monotonic())

    timer = threading.Event()  # never set: only its timeout counts
    with running(share, redis_server, DISCOVERY) as service:
        writer = threading.Thread(target=write)
        writer.start()
        eventually(service.messages, "a message on the queue")
        claimed_at_s = time.monotonic()
        writer.join()
        assert claimed_at_s > done_at_s[0], "claimed while it was being written"
        (claim_id,) = share.claimed()
        assert (share.root / "claimed" / f"{claim_id}~letter.txt").read_text() == "".join(lines)


def test_a_flood_is_claimed_once_and_travels_in_few_messages(share: Share, redis_server: Server) -> None:
    with running(share, redis_server, DISCOVERY) as service:
        names = [f"{number:04}.pdf" for number in range(2000)]
        for name in names:
            share.drop(name)
        eventually(lambda: not share.waiting_paths(), "the inbox to be empty", timeout_s=30)
        eventually(lambda: len(service.hinted()) >= 2000, "2,000 hints")
        messages, claimed = service.messages(), share.claimed()
    assert sorted(claimed.values()) == names
    assert [claimed[claim_id] for message in messages for claim_id in message] == names, "in order of arrival"
    assert max(map(len, messages)) <= 100
    assert len(messages) < 100, f"{len(messages)} messages: the more are waiting, the more go in each"


def test_an_inbox_removed_and_made_again_is_served_without_a_restart(share: Share, redis_server: Server) -> None:
    with running(share, redis_server, DISCOVERY) as service:
        share.inbox.rmdir()
        eventually(lambda: service.report()["watching"] == "scan", "the loss of the watch to be reported")
        share.inbox.mkdir()
        eventually(lambda: service.report()["watching"] == "events and scan", "a new watch to be reported")
        share.drop("letter.pdf")
        eventually(service.messages, "a message on the queue")


def test_it_stops_within_a_second_and_leaves_nothing_running(share: Share, redis_server: Server) -> None:
    threads_before = set(threading.enumerate())
    with running(share, redis_server, RARE) as service:
        took_s = service.stop()
    assert took_s < 1.0
    eventually(lambda: set(threading.enumerate()) <= threads_before, "its threads to end")


def test_a_stop_before_the_start_starts_nothing(share: Share, redis_server: Server) -> None:
    service = Running(share, redis_server, DISCOVERY)
    share.drop("letter.pdf")
    service.producer.stop()
    service.producer.run()
    service._queue.close()
    service.client.close()
    assert share.waiting_paths() == ["letter.pdf"]


def test_its_report_says_what_waits_and_what_holds_it(share: Share, redis_server: Server) -> None:
    with contextlib.closing(redis_server.client()) as admin, running(share, redis_server, DISCOVERY) as service:
        share.write(".hidden")
        with no_memory(admin):
            eventually(lambda: service.report()["hold"], "a hold to be reported")
            share.drop("letter.pdf")
            eventually(lambda: service.report()["waiting"] == 1, "the letter to be reported as waiting")
            assert share.claimed() == {}
        eventually(lambda: service.report()["claimed"] == 1, "the letter to be reported as claimed")
        assert service.report()["hold"] is None
        assert service.report()["ignored"] == 1


@contextlib.contextmanager
def no_memory(client: redis.Redis) -> Iterator[None]:
    """A server that is nearly full: above the producer's limit, below the point where it refuses writes."""
    used = int(cast("dict[str, int]", client.info("memory"))["used_memory"])
    client.config_set("maxmemory", str(int(used * 1.05)))
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


@pytest.mark.parametrize("name", ["Jane Canary.pdf"])
def test_no_name_reaches_the_queue_or_any_other_key(share: Share, redis_server: Server, name: str) -> None:
    with running(share, redis_server, DISCOVERY) as service:
        share.drop(name)
        eventually(service.messages, "a message on the queue")
        for key in cast("list[bytes]", service.client.keys("*")):
            held = service.client.dump(key)
            assert b"Canary" not in key + (cast("bytes", held) or b"")
        assert b"Canary" not in b"".join(cast("list[bytes]", service.client.lrange("imr:celery:letters", 0, -1)))
