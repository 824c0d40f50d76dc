"""The account closes, and what other hands take away is not explained away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.letters import LONG_MS, burying, claim, lease, publishing
from tests.support.servers import Server
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.spool import Spool
from worker.contract.names import FOLDERS, Keys
from worker.operations.status import Balance, take_balance

KEYS = Keys("imr")
NOTHING = Balance(0, 0, 0, 0, 0, 0, 0, 0, (), 0)


class Desk:
    """A share and its records, moved by hand."""

    def __init__(self, share: Path, server: Server) -> None:
        self.share = share
        self.client = server.client()
        self.records = RedisRecords(self.client, KEYS)

    def account(self) -> Balance:
        return take_balance(Spool(self.share), self.records, self.client, KEYS)

    def put(self, path: str) -> None:
        (self.share / path).parent.mkdir(parents=True, exist_ok=True)
        (self.share / path).touch()


@pytest.fixture
def desk(tmp_path: Path, redis_server: Server) -> Desk:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    return Desk(tmp_path, redis_server)


def test_an_empty_share_closes(desk: Desk) -> None:
    assert desk.account() == NOTHING
    assert desk.account().closes


def test_letters_in_the_inbox_are_in_flight_and_junk_is_ignored(desk: Desk) -> None:
    for path in ("inbox/a.pdf", "inbox/sub/b.pdf", "inbox/.hidden", "inbox/upload.tmp/c.pdf", "inbox/d.part"):
        desk.put(path)
    assert desk.account() == replace(NOTHING, seen=5, in_flight=2, ignored=3)


def test_each_letter_is_counted_once_on_its_way(desk: Desk) -> None:
    one = lease("letter", claim(1))
    desk.put(f"claimed/{one.claim_id}~a.pdf")
    assert desk.account() == replace(NOTHING, seen=1, in_flight=1)
    desk.records.begin([one], lease_ms=LONG_MS, max_attempts=3)
    assert desk.account() == replace(NOTHING, seen=1, in_flight=1)
    desk.records.finish([publishing(one)])
    (desk.share / f"claimed/{one.claim_id}~a.pdf").unlink()
    assert desk.account() == replace(NOTHING, seen=1, published=1)


def test_what_is_finished_and_not_filed_yet_is_counted_by_its_outcome_alone(desk: Desk) -> None:
    one, dead, copy = lease("letter", claim(1)), lease("bad", claim(2)), lease("letter", claim(3))
    for each in (one, dead, copy):
        desk.put(f"claimed/{each.claim_id}~a.pdf")
    desk.records.begin([one, dead], lease_ms=LONG_MS, max_attempts=3)
    desk.records.finish([publishing(one), burying(dead)])
    desk.records.begin([copy], lease_ms=LONG_MS, max_attempts=3)
    assert desk.account() == replace(NOTHING, seen=3, published=1, dead=1, duplicate=1)


def test_dead_and_duplicate_letters_are_told_apart(desk: Desk) -> None:
    one, copy = lease("letter", claim(1)), lease("letter", claim(2))
    desk.records.begin([one], lease_ms=LONG_MS, max_attempts=3)
    desk.records.finish([burying(one)])
    desk.records.begin([copy], lease_ms=LONG_MS, max_attempts=3)
    assert desk.account() == replace(NOTHING, seen=2, dead=1, duplicate=1)


def test_a_claimed_file_that_other_hands_took_away_is_unexplained(desk: Desk) -> None:
    one = lease("letter", claim(1))
    desk.put(f"claimed/{one.claim_id}~a.pdf")
    desk.records.begin([one], lease_ms=LONG_MS, max_attempts=3)
    (desk.share / f"claimed/{one.claim_id}~a.pdf").unlink()
    account = desk.account()
    assert (account.lost_claims, account.unexplained, account.closes) == (1, 1, False)
