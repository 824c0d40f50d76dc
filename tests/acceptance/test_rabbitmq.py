"""RabbitMQ as Celery's broker, results on Redis: the same promises, whatever is killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, cast

import pytest
from kombu.connection import Connection

from tests.support.many_letters import numbered_letters
from tests.support.rabbitmq import RabbitMQ, running_rabbitmq
from tests.support.servers import IN_CI, Server, ServerMissing, running
from tests.support.system import IMR, QUICK, System, running_system
from tests.support.waiting import eventually
from worker.adapters.celery.client import HintSender, QueueUnavailable, make_app
from worker.contract.claim_ids import new_claim_id, split_claimed_name
from worker.contract.names import FOLDERS, INBOX, LETTERS_QUEUE

LETTERS: Final = numbered_letters(90)
BATCH: Final = 3
MAX_CLAIMED: Final = 40
CHORES: Final = 4
"""The producer asks for its chores over the same queue; so many at the most while this test lasts."""
DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    try:
        with running_rabbitmq() as running:
            yield running
    except ServerMissing as error:
        if IN_CI:
            raise
        pytest.skip(str(error))


def published(system: System) -> list[str]:
    """Digests in the stream of results, each as often as it stands there."""
    return [event["id"].partition(":")[0] for event in system.events(system.keys.determinations)]


def has_published(system: System, least: int) -> bool:
    return int(system.client().xlen(system.keys.determinations)) >= least


def test_each_letter_once_though_worker_and_broker_are_killed(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """Worker and RabbitMQ are killed -9 in the middle, every hint is sent twice, and letters come while it is away."""
    settings = {
        **QUICK,
        "IMR_BROKER_URL": rabbitmq.url,
        "IMR_BATCH_LETTERS": str(BATCH),
        "IMR_MAX_CLAIMED_LETTERS": str(MAX_CLAIMED),
    }
    names = list(LETTERS)
    with running_system(tmp_path / "share", settings) as system:
        drop(system, names[:60])
        eventually(partial(has_published, system, 5), "the first events", timeout_s=60)
        system.kill_worker()
        hint_again(rabbitmq, system)
        eventually(partial(has_published, system, 20), "more events from another worker", timeout_s=60)

        rabbitmq.kill()
        drop(system, names[60:])
        rabbitmq.start()
        eventually(system.is_idle, "inbox and claimed/ empty", timeout_s=90)

        wanted = sorted(hashlib.sha256(content).hexdigest() for content in LETTERS.values())
        found = published(system)
        assert sorted(found) == wanted, Counter(found).most_common(3)
        status = system.status()
        figures = {name: status[name] for name in ("seen", "published", "duplicate", "dead", "unexplained")}
        assert figures == {"seen": 90, "published": 90, "duplicate": 0, "dead": 0, "unexplained": 0}
        assert system.client().keys(f"{system.keys.broker}*") == [], "the queue is on RabbitMQ alone"


def drop(system: System, names: list[str]) -> None:
    for name in names:
        system.drop(LETTERS[name], name)


def hint_again(rabbitmq: RabbitMQ, system: System) -> None:
    """Hint whatever is claimed once more, twice."""
    splits = (split_claimed_name(Path(path).name) for path in system.files("claimed"))
    hints = HintSender(make_app(rabbitmq.url, "imr"))
    for claim_id in [split[0] for split in splits if split is not None] * 2:
        hints.send([claim_id])
    hints.close()


@pytest.fixture
def share(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / "share" / folder).mkdir(parents=True)
    return tmp_path / "share"


def test_hints_wait_in_it_and_lost_ones_are_sent_again(rabbitmq: RabbitMQ, share: Path) -> None:
    """Without a worker: so many letters are claimed and no more, none is hinted twice into a deep queue, and when
    the queue has lost them all they are hinted again.
    """
    for name, content in list(LETTERS.items())[: MAX_CLAIMED + 10]:
        (share / INBOX / name).write_bytes(content)
    hints = HintSender(make_app(rabbitmq.url, "imr"))
    with running("valkey", **DURABLE) as server, producer(share, server.url, rabbitmq.url):
        eventually(lambda: hints.depth() >= MAX_CLAIMED, "as many hints as letters may be claimed", timeout_s=30)
        reported = partial(last_report_ms, server)
        since_ms = eventually(reported, "a report")
        eventually(lambda: reported() > since_ms + 1000, "the reaper to have passed many times", timeout_s=30)
        assert hints.depth() <= MAX_CLAIMED + CHORES, "nothing is hinted again into a deep queue"
        assert len(list((share / INBOX).iterdir())) == 10, "the rest waits in the inbox"

        purge(rabbitmq)
        eventually(lambda: hints.depth() >= MAX_CLAIMED, "every lost hint to be sent again", timeout_s=30)
    hints.close()


@contextlib.contextmanager
def producer(share: Path, redis_url: str, broker_url: str) -> Iterator[None]:
    """`imr watch` while the block runs, one letter in each hint."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IMR_")},
        **QUICK,
        "IMR_SHARE": str(share),
        "IMR_REDIS_URL": redis_url,
        "IMR_BROKER_URL": broker_url,
        "IMR_BATCH_LETTERS": "1",
        "IMR_MAX_CLAIMED_LETTERS": str(MAX_CLAIMED),
    }
    process = subprocess.Popen([IMR, "watch"], env=environment, cwd=share, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def last_report_ms(server: Server) -> int:
    """When the producer reported last; 0 before it did."""
    with contextlib.closing(server.client()) as client:
        reports = cast("dict[bytes, bytes]", client.hgetall("imr:producers"))
    return max((json.loads(report)["at_ms"] for report in reports.values()), default=0)


def purge(rabbitmq: RabbitMQ) -> None:
    with Connection(rabbitmq.url) as connection:  # type: ignore[no-untyped-call]
        connection.default_channel.queue_purge(LETTERS_QUEUE)


def test_one_that_is_away_costs_a_sender_little(rabbitmq: RabbitMQ) -> None:
    """The last test here: it leaves the broker dead. That one which came back is used again is the first test's."""
    hints = HintSender(make_app(rabbitmq.url, "imr"), timeout_s=1.0)
    hints.depth()
    rabbitmq.kill()
    for failing in (hints.depth, partial(hints.send, [new_claim_id(1)])):
        begun_s = time.monotonic()
        with pytest.raises(QueueUnavailable):
            failing()
        assert time.monotonic() - begun_s < 5
    hints.close()
