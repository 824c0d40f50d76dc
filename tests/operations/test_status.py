"""The balance adds up, and a file that somebody removed is reported as unexplained."""

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

    def balance(self) -> Balance:
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
    assert desk.balance() == NOTHING
    assert desk.balance().closes


def test_letters_in_the_inbox_are_in_flight_and_ignored_names_are_counted(desk: Desk) -> None:
    for path in ("inbox/a.pdf", "inbox/sub/b.pdf", "inbox/.hidden", "inbox/upload.tmp/c.pdf", "inbox/d.part"):
        desk.put(path)
    assert desk.balance() == replace(NOTHING, seen=5, in_flight=2, ignored=3)


def test_each_letter_is_counted_once_on_its_way(desk: Desk) -> None:
    letter = lease("letter", claim(1))
    desk.put(f"claimed/{letter.claim_id}~a.pdf")
    assert desk.balance() == replace(NOTHING, seen=1, in_flight=1)
    desk.records.begin([letter], lease_ms=LONG_MS, max_attempts=3)
    assert desk.balance() == replace(NOTHING, seen=1, in_flight=1)
    desk.records.finish([publishing(letter)])
    (desk.share / f"claimed/{letter.claim_id}~a.pdf").unlink()
    assert desk.balance() == replace(NOTHING, seen=1, published=1)


def test_what_is_finished_and_not_filed_yet_is_counted_by_its_outcome_alone(desk: Desk) -> None:
    letter, dead, copy = lease("letter", claim(1)), lease("bad", claim(2)), lease("letter", claim(3))
    for each in (letter, dead, copy):
        desk.put(f"claimed/{each.claim_id}~a.pdf")
    desk.records.begin([letter, dead], lease_ms=LONG_MS, max_attempts=3)
    desk.records.finish([publishing(letter), burying(dead)])
    desk.records.begin([copy], lease_ms=LONG_MS, max_attempts=3)
    assert desk.balance() == replace(NOTHING, seen=3, published=1, dead=1, duplicate=1)


def test_dead_and_duplicate_letters_are_told_apart(desk: Desk) -> None:
    letter, copy = lease("letter", claim(1)), lease("letter", claim(2))
    desk.records.begin([letter], lease_ms=LONG_MS, max_attempts=3)
    desk.records.finish([burying(letter)])
    desk.records.begin([copy], lease_ms=LONG_MS, max_attempts=3)
    assert desk.balance() == replace(NOTHING, seen=2, dead=1, duplicate=1)


def test_a_claimed_file_that_somebody_removed_is_unexplained(desk: Desk) -> None:
    letter = lease("letter", claim(1))
    desk.put(f"claimed/{letter.claim_id}~a.pdf")
    desk.records.begin([letter], lease_ms=LONG_MS, max_attempts=3)
    (desk.share / f"claimed/{letter.claim_id}~a.pdf").unlink()
    balance = desk.balance()
    assert (balance.lost_claims, balance.unexplained, balance.closes) == (1, 1, False)
