"""Redis restarted, killed with a lost tail, flushed, rolled back, lost: every letter has one entry again, and only one.

Real servers, a real share, the real records; the producer's heartbeat and the worker's check are called as in their
processes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.letters import digest
from tests.support.rig import PACIFIC, Rig
from tests.support.servers import binary_of
from worker.adapters.redis.embedded import EmbeddedServer
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.identity import adopt
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.contract.names import ERROR_SUFFIX, Keys
from worker.contract.redis_client import connect
from worker.operations.filed_letters import CheckWindow, window_since
from worker.operations.reconcile import BATCH, CheckProgress, Reconciler, reconcile
from worker.operations.repair import STALE_S, Sweeper
from worker.operations.review import ReviewDesk

pytestmark = pytest.mark.services

KEYS = Keys("imr")
DAYS = 100_000
"""The rig's letters arrived long ago."""
EVERYTHING = window_since(0, PACIFIC)


class Installation:
    """A server, a share, and what producer and workers do with them."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedServer(folder / "state", binary_of("valkey"))
        self.server.start()
        self.client: redis.Redis = connect(self.server.url)
        self.rig = Rig(folder, RedisRecords(self.client, KEYS))
        self.continuity = ServerContinuity(self.client, KEYS)
        self.dropped: Counter[bytes] = Counter()

    def close(self) -> None:
        self.client.close()
        self.server.kill()

    def drop(self, *contents: bytes, name: str = "letter.txt") -> None:
        for content in contents:
            self.rig.claim(name, content, folder="clinic")
            self.dropped[content] += 1

    def work(self) -> None:
        """As the reaper has it done, until nothing waits."""
        for key in cast("list[bytes]", self.client.keys("imr:letter:*")):
            if self.client.hexists(key, "lease"):  # a BEGIN that survived without its FINISH: not waited for
                self.client.hset(key, "lease", "0")
        for _ in range(3):
            self.rig.run()
        assert self.rig.claimed() == []

    def heartbeat(self) -> bool:
        """Whether the heartbeat was written: no check is pending."""
        return self.continuity.heartbeat(lambda: False) is None

    def reconciler(self, *, dry_run: bool = False) -> Reconciler:
        spool = Spool(self.rig.share)
        desk = ReviewDesk(
            spool=spool, records=self.rig.records, site="site", decided_by="check", wall_clock=cast("Any", None)
        )
        return Reconciler(
            spool=spool,
            records=self.rig.records,
            desk=desk,
            sweeper=Sweeper(spool, self.rig.records, 1 << 20, time.time),
            max_letter_bytes=1 << 20,
            dry_run=dry_run,
        )

    def check(self, days: int = DAYS) -> None:
        """One run of the periodic task of a worker."""
        reconcile(self.reconciler(), self.continuity, days=days, zone=PACIFIC, monotonic_s=lambda: 0.0)

    def recover(self) -> None:
        """What producer and workers do by themselves."""
        assert not self.heartbeat(), "another server, or one without a memory, needs a check"
        self.check()
        assert self.heartbeat(), "the check is through"
        self.work()

    def ids(self, stream: str) -> list[str]:
        rows = cast("Any", self.client.xrange(stream))
        return sorted(orjson.loads(fields[b"data"])["id"] for _, fields in rows)

    def assert_whole(self) -> None:
        """Every letter has exactly one entry, its file lies where the entry says, the figures add up."""
        good = {f"{digest(content.decode())}:1" for content in self.dropped if b"broken" not in content}
        bad = {f"{digest(content.decode())}:1" for content in self.dropped if b"broken" in content}
        assert self.ids(KEYS.determinations) == sorted(good)
        assert self.ids(KEYS.dead_letters) == sorted(bad)
        assert Counter(self.rig.letters().values()) == self.dropped
        for path, content in self.rig.letters().items():
            assert path.startswith("review/" if b"broken" in content else "archive/"), path
            if b"broken" in content:
                assert path + ERROR_SUFFIX in self.rig.files()
        self.rig.assert_counts_close()
        assert not self.rig.records.counts().open_claims


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Installation]:
    """Two letters published and one in review before the last heartbeat; the same after it; one of each is claimed."""
    made = Installation(tmp_path)
    made.continuity.heartbeat(lambda: True)
    made.drop(b"first", b"%PDF second", b"broken first")
    made.work()
    assert made.heartbeat()
    yield made
    made.close()


def more_letters(one: Installation) -> None:
    one.drop(b"third", b"%PDF fourth", b"broken second")
    one.work()
    one.drop(b"waits", b"broken, and waits")


def flushed(one: Installation) -> None:
    one.client.flushall()


def folder_lost(one: Installation) -> None:
    one.server.kill()
    shutil.rmtree(one.server.folder)
    one.server.start()


def tail_lost(one: Installation) -> None:
    """The last two letters and a half, as with `appendfsync everysec` and a power cut."""
    one.server.kill()
    (file,) = (one.server.folder / "appendonlydir").glob("*.incr.aof")
    whole = file.read_bytes()
    ends = [end for end in range(len(whole)) if whole.startswith(b"XADD", end)]
    file.write_bytes(whole[: ends[-2] + 7])
    one.server.start()


def restarted(one: Installation) -> None:
    one.server.stop()
    one.server.start()


@pytest.mark.parametrize("fault", [flushed, folder_lost, tail_lost, restarted])
def test_every_letter_has_one_entry_again(one: Installation, fault: Callable[[Installation], None]) -> None:
    more_letters(one)
    fault(one)
    one.recover()
    one.assert_whole()


def test_a_snapshot_of_before_is_restored(one: Installation, tmp_path: Path) -> None:
    one.server.stop()
    shutil.copytree(one.server.folder, tmp_path / "snapshot")
    one.server.start()
    one.recover()
    more_letters(one)
    one.heartbeat()
    one.server.kill()
    shutil.rmtree(one.server.folder)
    shutil.copytree(tmp_path / "snapshot", one.server.folder)
    one.server.start()
    one.recover()
    one.assert_whole()
    loss = one.continuity.loss()
    assert loss is not None
    assert loss.letters == 3, "those of after the snapshot that were filed"


@pytest.mark.parametrize("fault", [flushed, tail_lost])
def test_a_second_check_finds_nothing(one: Installation, fault: Callable[[Installation], None]) -> None:
    more_letters(one)
    fault(one)
    one.recover()
    files, again = one.rig.files(), CheckProgress()
    one.reconciler().check(list(one.reconciler().filed(EVERYTHING)), again)
    assert (again.letters, again.lost) == (8, 0)
    assert one.rig.files() == files
    one.assert_whole()


def test_a_clean_restart_finds_nothing_and_says_so(one: Installation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "imr.worker")
    restarted(one)
    one.recover()
    assert "has every record: letters checked=3 lost=0" in caplog.text
    assert one.continuity.loss() is None
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_loss_raises_an_alarm_until_it_is_seen_to(one: Installation, caplog: pytest.LogCaptureFixture) -> None:
    flushed(one)
    one.recover()
    loss = one.continuity.loss()
    assert loss is not None
    assert loss.letters == 3
    assert "Redis lost the records of 3 letters (3 checked)" in caplog.text
    one.continuity.acknowledge_loss()
    assert one.continuity.loss() is None
    assert one.heartbeat(), "the alarm does not affect the heartbeat"


def test_an_empty_share_has_nothing_to_check(tmp_path: Path) -> None:
    made = Installation(tmp_path)
    try:
        assert made.continuity.heartbeat(lambda: True) is None
        assert made.continuity.pending_check() is None
        flushed(made)
        assert made.continuity.heartbeat(lambda: True) is None
    finally:
        made.close()


def test_what_was_filed_before_the_last_beat_is_not_even_read(one: Installation) -> None:
    """By the claim's time and the file's `ctime`, less a margin for clocks."""
    more_letters(one)
    late = 2 * 10**12
    assert [
        file.path for file in one.reconciler().filed(CheckWindow(late, EVERYTHING.oldest)) if file.item is None
    ] == []
    assert len(list(one.reconciler().filed(EVERYTHING))) == 6


def test_letters_that_came_longer_ago_than_the_window_are_left(one: Installation) -> None:
    flushed(one)
    assert not one.heartbeat()
    one.check(days=30)
    assert one.heartbeat()
    assert [path for path in one.rig.letters() if path.startswith("claimed/")] == [
        path for path, content in one.rig.letters().items() if b"broken" in content
    ], "dead letters are few, and checked whatever their age"


def test_discarded_letters_and_copies_are_left(one: Installation) -> None:
    one.drop(b"first", b"broken first", name="copy.txt")
    one.work()
    spool = Spool(one.rig.share)
    (item,) = one.reconciler()._desk.items()
    spool.move(item.path, item.file.discarded_path())
    spool.move(item.error_path, item.file.discarded_path() + ERROR_SUFFIX)
    before = set(one.rig.letters())
    flushed(one)
    assert not one.heartbeat()
    one.check()
    gone = {path for path in before if path not in one.rig.letters()}
    assert len(gone) == 2, "the two published ones alone"
    assert not [path for path in gone if "copy.txt" in path or "discarded" in path]


def test_a_check_goes_on_where_it_was_stopped(one: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Portion by portion, as when each task has only time for one, or dies after it."""
    monkeypatch.setattr("worker.operations.reconcile.BATCH", 1)
    more_letters(one)
    flushed(one)
    assert not one.heartbeat()
    clock = iter(range(0, 10**6, 10))
    rounds = 0
    while not one.heartbeat():
        reconcile(one.reconciler(), one.continuity, days=DAYS, zone=PACIFIC, monotonic_s=lambda: float(next(clock)))
        rounds += 1
    assert rounds == 7, "six letters one by one, and a last look"
    one.work()
    one.assert_whole()


def test_lost_again_in_the_middle_of_a_check(one: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.operations.reconcile.BATCH", 1)
    more_letters(one)
    flushed(one)
    assert not one.heartbeat()
    clock = iter(range(0, 10**6, 10))
    for _ in range(3):
        reconcile(one.reconciler(), one.continuity, days=DAYS, zone=PACIFIC, monotonic_s=lambda: float(next(clock)))
    one.work()
    flushed(one)
    one.recover()
    one.assert_whole()


def test_two_checks_at_once_are_harmless(one: Installation) -> None:
    more_letters(one)
    flushed(one)
    assert not one.heartbeat()
    first, second = one.reconciler(), one.reconciler()
    mine, theirs = list(first.filed(EVERYTHING)), list(second.filed(EVERYTHING))
    for batch in (mine, theirs):
        one.reconciler().check(batch, CheckProgress())
    one.check()
    assert one.heartbeat()
    one.work()
    one.assert_whole()


def test_a_check_that_another_one_overtook_stops(one: Installation) -> None:
    flushed(one)
    assert not one.heartbeat()
    check = one.continuity.pending_check()
    assert check is not None
    ahead = one.continuity.save_progress(check, "archive/2024/06/09/x", 2, 1)
    assert ahead is not None
    assert one.continuity.save_progress(check, "archive/2024/06/08/x", 1, 1) is None
    assert not one.continuity.complete(check)
    flushed(one)
    assert one.continuity.save_progress(ahead, "archive/2024/06/10/x", 1, 1) is None, "and one of a server lost since"
    assert one.continuity.pending_check() is None, "which the producer has yet to notice"


def test_a_dry_run_moves_nothing(one: Installation) -> None:
    more_letters(one)
    flushed(one)
    files, found = one.rig.files(), CheckProgress()
    reconciler = one.reconciler(dry_run=True)
    reconciler.check(list(reconciler.filed(EVERYTHING)), found)
    assert (found.letters, found.lost) == (6, 6)
    assert one.rig.files() == files


def test_no_name_is_in_what_redis_keeps_of_a_check(one: Installation) -> None:
    one.drop(b"a letter", name="Quackenbush.txt")
    one.work()
    flushed(one)
    assert not one.heartbeat()
    check = one.continuity.pending_check()
    assert check is not None
    (*_, last) = [file for file in one.reconciler().filed(EVERYTHING) if file.item is None]
    one.continuity.save_progress(check, last.place, 1, 1)
    assert "Quackenbush" not in repr(one.client.hgetall(KEYS.server))
    assert "clinic" not in repr(one.client.hgetall(KEYS.server))


def test_a_file_that_may_not_be_opened_is_told_and_does_not_stop_the_check(
    one: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("worker.operations.reconcile.read_file", refuse)
    found = CheckProgress()
    one.reconciler().check(list(one.reconciler().filed(EVERYTHING)), found)
    assert (found.letters, found.lost, found.unread) == (3, 0, 2)
    assert "its file may not be opened" in caplog.text


def test_a_share_that_is_away_stops_the_check_until_it_is_back(one: Installation) -> None:
    flushed(one)
    assert not one.heartbeat()
    away = one.rig.share.rename(one.rig.share.with_name("away"))
    with contextlib.suppress(OSError):
        one.check()
    assert not one.heartbeat(), "nothing was found missing, because nothing was found"
    away.rename(one.rig.share)
    one.check()
    assert one.heartbeat()
    one.work()
    one.assert_whole()


def test_temporary_files_that_a_crash_left_are_removed_on_the_way(
    one: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder, *_) = {path.parent for path in (one.rig.share / "archive").rglob("*") if path.is_file()}
    left = folder / f"{TEMPORARY_PREFIX}0011"
    left.touch()
    list(one.reconciler().filed(EVERYTHING))
    assert left.exists(), "somebody may be writing it"
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + STALE_S + 1)
    list(one.reconciler(dry_run=True).filed(EVERYTHING))
    assert left.exists()
    list(one.reconciler().filed(EVERYTHING))
    assert not left.exists()


def test_a_bare_mount_point_is_not_checked_in_place_of_the_share(one: Installation) -> None:
    share_id = adopt(one.rig.share, one.rig.share / ".imr")
    assert share_id is not None
    flushed(one)
    assert one.continuity.heartbeat(lambda: False, share_id) is not None
    (one.rig.share / ".imr" / "share-id").unlink()
    with pytest.raises(FileNotFoundError):
        one.check()
    assert not one.heartbeat()


def test_a_batch_is_one_round_trip(one: Installation) -> None:
    assert BATCH >= 100
    digests = [digest("first"), digest("unknown"), digest("broken first")]
    assert [record and record.state for record in one.rig.records.records(digests)] == ["published", None, "dead"]
    assert one.rig.records.records([]) == []
