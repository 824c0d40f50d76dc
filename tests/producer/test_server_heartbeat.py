"""When the producer wants filed letters checked: another server answers, or a server without records; not at once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest
import redis

from producer.maintenance import ServerHeartbeat
from tests.producer.doubles import Share
from tests.support.servers import Server
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.identity import adopt
from worker.contract.names import Keys

KEYS = Keys("imr")


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as client:
        yield client


def heartbeat_of(client: redis.Redis, share: Share, lease_s: float = 0.0) -> ServerHeartbeat:
    return ServerHeartbeat(ServerContinuity(client, KEYS), str(share.root), lease_s)


def archive_a_letter(share: Share) -> None:
    (share.root / "archive" / "2024" / "06" / "09").mkdir(parents=True)
    (share.root / "archive" / "2024" / "06" / "09" / "01j00000000000000000~letter.pdf").touch()


def test_a_new_installation_trusts_its_server_at_once(client: redis.Redis, share: Share) -> None:
    assert not heartbeat_of(client, share).is_check_wanted()
    assert client.hget(KEYS.server, "run_id") == str(client.info("server")["run_id"]).encode()


def test_the_heartbeat_goes_on_while_the_same_server_answers(client: redis.Redis, share: Share) -> None:
    heartbeat = heartbeat_of(client, share)
    heartbeat.is_check_wanted()
    archive_a_letter(share)
    client.hset(KEYS.server, "at_ms", "1")
    assert not heartbeat.is_check_wanted()
    assert int(client.hget(KEYS.server, "at_ms") or 0) > 1


@pytest.mark.parametrize("known", [{}, {"run_id": "another", "at_ms": "17"}], ids=["flushed", "restarted"])
def test_a_check_is_wanted_and_the_heartbeat_stops(
    client: redis.Redis, share: Share, known: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    archive_a_letter(share)
    for name, value in known.items():
        client.hset(KEYS.server, name, value)
    heartbeat = heartbeat_of(client, share)
    assert heartbeat.is_check_wanted()
    assert heartbeat.is_check_wanted()
    pending = ServerContinuity(client, KEYS).pending_check()
    assert pending is not None
    assert pending.beat_ms == (17 if known else None)
    (said,) = [record for record in caplog.records if "answers as Redis" in record.getMessage()]
    assert said.levelno == (logging.INFO if known else logging.WARNING), "a restart is nothing unusual"


def test_not_before_the_leases_of_the_lost_server_have_run_out(client: redis.Redis, share: Share) -> None:
    archive_a_letter(share)
    heartbeat = heartbeat_of(client, share, lease_s=3600)
    assert not heartbeat.is_check_wanted()
    client.hincrby(KEYS.server, "noticed_ms", -3_600_001)
    assert heartbeat.is_check_wanted()


def test_a_bare_mount_point_is_not_taken_for_an_empty_share(client: redis.Redis, share: Share) -> None:
    share_id = adopt(share.root, share.root / ".imr")
    assert share_id is not None
    heartbeat = ServerHeartbeat(ServerContinuity(client, KEYS), str(share.root), 0.0, share_id)
    (share.root / ".imr" / "share-id").rename(share.root / ".imr" / "away")
    assert heartbeat.is_check_wanted()
    pending = ServerContinuity(client, KEYS).pending_check()
    assert pending is not None
    assert pending.share == share_id
    (share.root / ".imr" / "away").rename(share.root / ".imr" / "share-id")
    assert not heartbeat.is_check_wanted(), "mounted again, and empty indeed"


def test_a_share_that_cannot_be_listed_is_not_taken_for_empty(client: redis.Redis, share: Share) -> None:
    (share.root / "archive").rmdir()
    assert heartbeat_of(client, share).is_check_wanted()
