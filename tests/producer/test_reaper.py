"""Finding claims that nobody works on, and hinting them again."""

from __future__ import annotations

import contextlib
import itertools
import shutil

import pytest
import redis

from producer.dispatch import Hinted, Outbox
from producer.policy import SHALLOW_QUEUE_MESSAGES, RetryBackoff
from producer.reaper import LeaseStates, Reaper, Recovery, RedisLeases, claimed_work
from tests.producer.doubles import HINT_TIMEOUT_S, Clock, Leased, Queue, Share
from tests.support.servers import Server
from worker.contract.claim_ids import new_claim_id
from worker.contract.names import Keys

LONGEST_S = 60.0


class Site:
    """A share with claims, a queue, leases, and a reaper."""

    def __init__(self, share: Share) -> None:
        self.share, self.clock, self.queue, self.leases = share, Clock(), Queue(), Leased()
        self.outbox = Outbox(self.queue, self.clock, batch_letters=100)
        self._reaper = Reaper(
            share=str(share.root),
            outbox=self.outbox,
            queue=self.queue,
            leases=self.leases,
            recovery=Recovery(self.outbox),
            backoff=RetryBackoff(HINT_TIMEOUT_S, LONGEST_S),
            monotonic_s=self.clock,
            wall_clock_ms=self.wall_clock_ms,
        )
        self._made = 0

    def claim(self, folder: str = "") -> str:
        """A claimed file; later ones sort behind."""
        self._made += 1
        claim_id = new_claim_id(self._made)
        (self.share.root / "claimed" / folder).mkdir(parents=True, exist_ok=True)
        (self.share.root / "claimed" / folder / f"{claim_id}~letter.pdf").touch()
        return claim_id

    def wall_clock_ms(self) -> int:
        return 1_700_000_000_000 + int(self.clock.now_s * 1000)

    def claim_of_other(self, age_s: float) -> str:
        """A file that another producer claimed so long ago by its clock."""
        claim_id = new_claim_id(self.wall_clock_ms() - int(age_s * 1000))
        (self.share.root / "claimed" / f"{claim_id}~other.pdf").touch()
        return claim_id

    def reap(self) -> list[str]:
        """The claims that one turn of the reaper hints."""
        before = len(self.queue.hinted)
        self._reaper.reap()
        self.outbox.send()
        while not self.outbox.idle_s():
            self.outbox.send()
        return self.queue.hinted[before:]


@pytest.fixture
def reaping(share: Share) -> Site:
    return Site(share)


def test_claims_of_an_earlier_run_are_hinted_at_once_oldest_first(reaping: Site) -> None:
    claims = [reaping.claim("z"), reaping.claim(), reaping.claim("clinic/2014")]
    assert reaping.reap() == claims


def test_what_is_found_is_shared_out_by_how_much_work_it_is(reaping: Site) -> None:
    for _ in range(80):
        reaping.claim()
    reaping.reap()
    assert [len(hint) for hint in reaping.queue.sent] == [33, 33, 14], "a hint is 100 texts, or 33 PDFs"


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


def hints_at(reaping: Site, claim_id: str, until_s: float) -> list[float]:
    """When a claim is hinted, in seconds from now, if the reaper looks four times a second."""
    start_s, seen = reaping.clock.now_s, []
    while (now_s := reaping.clock.now_s - start_s) <= until_s:
        if claim_id in reaping.reap():
            seen.append(now_s)
        reaping.clock.advance(0.25)
    return seen


def test_what_a_worker_gave_back_is_tried_again_soon_and_then_less_and_less_often(reaping: Site) -> None:
    claim = reaping.claim()
    reaping.leases.given_back = {claim}
    seen = hints_at(reaping, claim, 400)
    waits = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert waits[0] == 1
    assert waits[:6] == sorted(waits[:6]), waits
    assert max(waits) <= LONGEST_S + 0.25, "no letter waits longer once the cause is gone"
    assert min(waits[-3:]) >= 0.75 * LONGEST_S


def test_what_nobody_began_is_repeated_less_and_less_often_too(reaping: Site) -> None:
    claim = reaping.claim()
    seen = hints_at(reaping, claim, 400)
    waits = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert waits[0] == HINT_TIMEOUT_S
    assert HINT_TIMEOUT_S < waits[1] <= 2 * HINT_TIMEOUT_S
    assert max(waits) <= LONGEST_S + 0.25


@pytest.mark.parametrize("cause", ["queue", "leases", "share"])
def test_the_backoff_ends_when_the_cause_is_seen_to_be_gone(reaping: Site, cause: str) -> None:
    claim = reaping.claim()
    hints_at(reaping, claim, 200)
    claimed, away = reaping.share.root / "claimed", reaping.share.root / "away"
    if cause == "share":
        claimed.rename(away)
    reaping.queue.is_down, reaping.leases.is_down = cause == "queue", cause == "leases"
    reaping.clock.advance(LONGEST_S)
    assert reaping.reap() == []
    if cause == "share":
        away.rename(claimed)
    reaping.queue.is_down = reaping.leases.is_down = False
    assert reaping.reap() == [claim]
    assert hints_at(reaping, claim, 30) == [HINT_TIMEOUT_S], "from the beginning"


def test_trouble_of_each_observer_ends_by_itself_and_ends_every_backoff_once(reaping: Site) -> None:
    recovery = Recovery(reaping.outbox)
    claim = reaping.claim()
    recovery.trouble("admission")
    recovery.trouble("reaper")
    recovery.trouble("reaper")
    for observer in ("reaper", "admission"):
        reaping.reap()
        reaping.outbox.hinted[claim] = Hinted(reaping.clock.now_s, 9)
        assert recovery.is_in_trouble(observer)
        assert recovery.works(observer)
        assert reaping.outbox.hinted == {}
        assert not recovery.is_in_trouble(observer)
    reaping.outbox.hinted[claim] = Hinted(reaping.clock.now_s, 9)
    assert not recovery.works("admission"), "it worked before"
    assert list(reaping.outbox.hinted) == [claim]


def test_claims_that_failed_together_are_not_tried_together_forever() -> None:
    backoff = RetryBackoff(HINT_TIMEOUT_S, LONGEST_S)
    waits = {backoff.wait_s(9, new_claim_id(number), given_back=True) for number in range(200)}
    assert len(waits) > 50
    assert 0.75 * LONGEST_S <= min(waits) <= max(waits) <= LONGEST_S


@pytest.mark.parametrize("longest_s", [0.1, 5.0, 10_000.0])
def test_no_wait_is_longer_than_the_longest_or_the_first(longest_s: float) -> None:
    backoff = RetryBackoff(HINT_TIMEOUT_S, longest_s)
    for times in (1, 2, 5, 100, 10_000):
        assert backoff.wait_s(times, new_claim_id(1), given_back=True) <= max(longest_s, 1.0)
        assert backoff.wait_s(times, new_claim_id(1), given_back=False) <= max(longest_s, HINT_TIMEOUT_S)


@pytest.mark.parametrize(("messages", "hinted"), [(0, 1), (SHALLOW_QUEUE_MESSAGES, 1), (SHALLOW_QUEUE_MESSAGES + 1, 0)])
def test_a_deep_queue_is_not_flooded(reaping: Site, messages: int, hinted: int) -> None:
    reaping.claim()
    reaping.queue.messages = messages
    assert len(reaping.reap()) == hinted


def test_what_waits_in_the_outbox_is_not_reaped_too(reaping: Site) -> None:
    claim = reaping.claim()
    reaping.outbox.add({claim: 1})
    assert reaping.reap() == [claim]


def test_what_left_claimed_is_forgotten(reaping: Site) -> None:
    claim = reaping.claim()
    reaping.reap()
    (reaping.share.root / "claimed" / f"{claim}~letter.pdf").unlink()
    reaping.reap()
    assert reaping.outbox.hinted == {}


@pytest.mark.parametrize("age_s", [0.0, 1.0, HINT_TIMEOUT_S - 1])
def test_a_young_claim_of_another_producer_is_left_to_it_and_then_taken_up(reaping: Site, age_s: float) -> None:
    reaping.reap()
    claim = reaping.claim_of_other(age_s)
    assert reaping.reap() == []
    reaping.clock.advance(HINT_TIMEOUT_S - age_s - 0.5)
    assert reaping.reap() == []
    reaping.clock.advance(0.5)
    assert reaping.reap() == [claim]


@pytest.mark.parametrize("age_s", [-3600.0, -1.0])
def test_a_claim_from_the_future_counts_from_when_it_is_seen(reaping: Site, age_s: float) -> None:
    """The clock of another host is ahead."""
    reaping.reap()
    claim = reaping.claim_of_other(age_s)
    assert reaping.reap() == []
    reaping.clock.advance(HINT_TIMEOUT_S)
    assert reaping.reap() == [claim]


def test_an_old_claim_that_appears_is_hinted_at_once(reaping: Site) -> None:
    """One of a producer that died, or one that was put back."""
    reaping.reap()
    claim = reaping.claim_of_other(HINT_TIMEOUT_S)
    assert reaping.reap() == [claim]


def test_a_young_claim_is_hinted_at_once_when_a_producer_starts(reaping: Site) -> None:
    claim = reaping.claim_of_other(1.0)
    assert reaping.reap() == [claim]


def test_a_claim_of_our_own_whose_hint_was_not_taken_is_not_left_to_others(reaping: Site) -> None:
    reaping.reap()
    claim = reaping.claim_of_other(0.0)
    reaping.queue.is_down = True
    reaping.outbox.add({claim: 1})
    reaping.outbox.send()
    reaping.queue.is_down = False
    assert reaping.reap() == [claim]


def test_files_in_claimed_that_no_claim_made_are_left_alone(reaping: Site) -> None:
    (reaping.share.root / "claimed" / "readme.txt").touch()
    (reaping.share.root / "claimed" / "not-an-id~letter.pdf").touch()
    assert claimed_work(str(reaping.share.root)) == {}
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
        "not reaped (QueueUnavailable); claims will be looked at again",
        "not reaped (ConnectionError); claims will be looked at again",
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
        states = leases.states(["held", "run-out", "waiting", "unknown"])
        assert states == LeaseStates(frozenset({"held"}), frozenset({"waiting"}))
        assert leases.states([]) == LeaseStates()
        client.delete(keys.open)
        assert leases.states(["held"]) == LeaseStates()


def test_leases_that_cannot_be_asked_for_are_an_error(redis_server: Server) -> None:
    with contextlib.closing(redis_server.client()) as client:
        client.hset("imr:open", "planted", "of a wrong type")
        with pytest.raises(redis.ResponseError):
            RedisLeases(client, Keys("imr")).states(["a-claim"])
        client.delete("imr:open")
