"""Finding claims that nobody works on, and hinting them again."""

from __future__ import annotations

import contextlib
import shutil

import pytest
import redis

from producer.enqueueing import Outbox
from producer.reaping import SHALLOW_MESSAGES, Reaper, RedisLeases, claimed_ids
from tests.producer.doubles import HINT_TIMEOUT_S, Clock, Leased, Queue, Share
from tests.support.servers import Server
from worker.contract.claim_ids import new_claim_id
from worker.contract.names import Keys


class Site:
    """A share with claims, a queue, leases, and a reaper."""

    def __init__(self, share: Share) -> None:
        self.share, self.clock, self.queue, self.leases = share, Clock(), Queue(), Leased()
        self.outbox = Outbox(self.queue, self.clock, batch_letters=100)
        self._reaper = Reaper(
            share=str(share.root),
            outbox=self.outbox,
            hints=self.queue,
            leases=self.leases,
            hint_timeout_s=HINT_TIMEOUT_S,
            monotonic_s=self.clock,
        )
        self._made = 0

    def claim(self, folder: str = "") -> str:
        """A claimed file; later ones sort behind."""
        self._made += 1
        claim_id = new_claim_id(self._made)
        (self.share.root / "claimed" / folder).mkdir(parents=True, exist_ok=True)
        (self.share.root / "claimed" / folder / f"{claim_id}~letter.pdf").touch()
        return claim_id

    def reap(self) -> list[str]:
        """The claims that one turn of the reaper hints."""
        before = len(self.queue.hinted)
        self._reaper.reap()
        while self.outbox.send():
            pass
        return self.queue.hinted[before:]


@pytest.fixture
def reaping(share: Share) -> Site:
    return Site(share)


def test_claims_of_an_earlier_run_are_hinted_at_once_oldest_first(reaping: Site) -> None:
    claims = [reaping.claim("z"), reaping.claim(), reaping.claim("clinic/2014")]
    assert reaping.reap() == claims


def test_a_hint_has_its_time_before_it_is_repeated(reaping: Site) -> None:
    claim = reaping.claim()
    assert reaping.reap() == [claim]
    reaping.clock.advance(HINT_TIMEOUT_S - 0.001)
    assert reaping.reap() == []
    reaping.clock.advance(0.001)
    assert reaping.reap() == [claim]
    assert reaping.reap() == [], "the repeated hint has its time too"


def test_what_a_worker_holds_is_not_hinted(reaping: Site) -> None:
    held, free = reaping.claim(), reaping.claim()
    reaping.leases.claim_ids = {held}
    assert reaping.reap() == [free]
    reaping.leases.claim_ids = set()
    assert reaping.reap() == [held]


@pytest.mark.parametrize(("messages", "hinted"), [(0, 1), (SHALLOW_MESSAGES, 1), (SHALLOW_MESSAGES + 1, 0)])
def test_a_deep_queue_is_not_flooded(reaping: Site, messages: int, hinted: int) -> None:
    reaping.claim()
    reaping.queue.messages = messages
    assert len(reaping.reap()) == hinted


def test_what_waits_in_the_outbox_is_not_reaped_too(reaping: Site) -> None:
    claim = reaping.claim()
    reaping.outbox.add([claim])
    assert reaping.reap() == [claim]


def test_what_left_claimed_is_forgotten(reaping: Site) -> None:
    claim = reaping.claim()
    reaping.reap()
    (reaping.share.root / "claimed" / f"{claim}~letter.pdf").unlink()
    reaping.reap()
    assert reaping.outbox.hinted_at_s == {}


def test_files_in_claimed_that_no_claim_made_are_left_alone(reaping: Site) -> None:
    (reaping.share.root / "claimed" / "readme.txt").touch()
    (reaping.share.root / "claimed" / "not-an-id~letter.pdf").touch()
    assert claimed_ids(str(reaping.share.root)) == []
    assert reaping.reap() == []


def test_whatever_is_down_is_waited_for(reaping: Site, caplog: pytest.LogCaptureFixture) -> None:
    claim = reaping.claim()
    reaping.queue.is_down = True
    assert reaping.reap() == []
    reaping.queue.is_down, reaping.leases.is_down = False, True
    assert reaping.reap() == []
    reaping.leases.is_down = False
    shutil.move(reaping.share.root / "claimed", reaping.share.root / "away")
    assert reaping.reap() == []
    shutil.move(reaping.share.root / "away", reaping.share.root / "claimed")
    assert reaping.reap() == [claim]
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == [
        "not reaped (QueueUnavailable); tried again",
        "not reaped (ConnectionError); tried again",
        "claimed/ cannot be listed (errno=2); letters in it wait until it can",
    ]


# --- Leases, in a real Redis -----------------------------------------------------------------------------------------


def test_a_lease_counts_until_its_end_on_the_clock_of_the_server(redis_server: Server) -> None:
    keys = Keys("imr")
    with contextlib.closing(redis_server.client()) as client:
        seconds, _ = client.time()
        now_ms = 1000 * int(seconds)
        ends = {"held": now_ms + 60_000, "run-out": now_ms - 60_000, "waiting": 0}
        client.zadd(keys.open, ends)
        leases = RedisLeases(client, keys)
        assert leases.leased(["held", "run-out", "waiting", "unknown"]) == {"held"}
        assert leases.leased([]) == set()
        client.delete(keys.open)
        assert leases.leased(["held"]) == set()


def test_leases_that_cannot_be_asked_for_are_an_error(redis_server: Server) -> None:
    with contextlib.closing(redis_server.client()) as client:
        client.hset("imr:open", "planted", "of a wrong type")
        with pytest.raises(redis.ResponseError):
            RedisLeases(client, Keys("imr")).leased(["one"])
        client.delete("imr:open")
