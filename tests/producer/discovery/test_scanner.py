"""The scan of an inbox: slice by slice, oldest files first, in memory for as many as may be known."""

from __future__ import annotations

import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from producer.discovery import scanner
from producer.discovery.backlog import SLICE_S, Order, ScanBacklog
from producer.discovery.inbox import MAX_KNOWN, InboxIndex
from producer.discovery.inotify import FileEvent
from producer.discovery.scanner import HARVEST_LETTERS, PAUSE_S, Scanner
from producer.policy import ScanInterval
from tests.producer.doubles import Clock, Share
from worker.adapters.share.completion_rule import CompletionRule
from worker.adapters.share.file_sample import FileSample
from worker.adapters.share.walk import Met
from worker.contract.filenames import CANARY_PREFIX

PACE = ScanInterval(shortest_s=5.0, longest_s=30.0)
NEVER_BLIND, BLIND = float("-inf"), float("inf")


@dataclass
class Ticking(Clock):
    """A clock that goes on a little whenever it is looked at, as if whatever was done took time."""

    tick_s: float = 0.0

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


@dataclass
class Site:
    """A scanner and its inbox on a share."""

    share: Share
    clock: Ticking = field(default_factory=Ticking)
    blind_s: float = BLIND

    def __post_init__(self) -> None:
        self.inbox = InboxIndex(str(self.share.inbox), CompletionRule("quiet", 2.0), self.clock)
        self.backlog = ScanBacklog(self.inbox, self.clock, lambda: self.blind_s)
        self.scanner = Scanner(str(self.share.inbox), self.inbox, self.backlog, PACE, self.clock)

    def scan(self) -> int:
        """Scan the whole inbox; the slices that took."""
        self.backlog.request_scan()
        return self.finish()

    def finish(self) -> int:
        for slices in range(1, 10_000):
            self.scanner.work()
            if self.scanner._scan is None:
                while self.backlog.has_work():
                    self.backlog.work()
                return slices
        raise AssertionError("the scan does not end")

    def settle(self) -> None:
        self.clock.advance(2.0)
        self.inbox.recheck()

    def claim_all(self) -> list[str]:
        """Take what is complete out of the inbox, as a claim does; the paths in order."""
        taken = list(self.inbox.take_complete(10**9))
        for path in taken:
            (self.share.inbox / path).rename(self.share.root / "outside" / path.replace("/", "~"))
        return taken


@pytest.fixture
def site(share: Share) -> Iterator[Site]:
    site = Site(share)
    yield site
    site.scanner.close()


def test_the_first_scan_is_due_at_once_and_finds_what_is_there(site: Site) -> None:
    for path in ("a.pdf", "clinic/b.pdf", ".hidden", "upload.tmp/c.pdf", ".imr-ours"):
        site.share.write(path)
    assert site.scanner.idle_s() == 0.0
    site.finish()
    assert site.inbox.paths() == {"a.pdf", "clinic/b.pdf"}
    tally = site.scanner.tally
    assert (tally.entries, tally.ignored, tally.unreadable) == (7, 2, 0), "ours count nowhere"


def test_an_empty_scan_makes_the_next_one_later_and_a_find_sooner(site: Site) -> None:
    intervals_s = []
    for _ in range(6):
        site.scan()
        intervals_s.append(site.scanner.idle_s())
    assert intervals_s == [7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]
    site.share.write("a.pdf")
    site.scan()
    assert site.scanner.idle_s() == 5.0


def test_it_is_due_again_after_its_interval_and_not_before(site: Site) -> None:
    site.finish()
    site.share.write("a.pdf")
    site.clock.advance(7.4)
    site.scanner.work()
    assert len(site.inbox) == 0
    site.clock.advance(0.1)
    site.scanner.work()
    assert len(site.inbox) == 1


def test_a_request_during_a_scan_is_another_scan(site: Site) -> None:
    for number in range(100):
        site.share.write(f"{number}.pdf")
    site.clock.tick_s = SLICE_S
    site.scanner.work()
    assert site.scanner._scan is not None
    site.backlog.request_scan()
    site.finish()
    assert site.scanner.idle_s() == 0.0


def test_it_works_in_slices_between_which_the_loop_lives(site: Site) -> None:
    for number in range(400):
        site.share.write(f"{number % 4}/{number}.pdf")
    site.clock.tick_s = SLICE_S / 4
    site.scanner.work()
    assert 0 < site.scanner._scan.walk.entries < 200, "it gave way"  # type: ignore[union-attr]
    assert site.scanner.idle_s() == PAUSE_S
    assert site.finish() > 2
    assert len(site.inbox) == 400


def test_folders_alone_make_slices_too(site: Site) -> None:
    for number in range(200):
        (site.share.inbox / f"{number}").mkdir()
    site.clock.tick_s = SLICE_S
    assert site.scan() > 3


def test_what_a_slow_scan_has_found_so_far_is_used_before_it_ends(site: Site) -> None:
    for number in range(200):
        site.share.write(f"{number}.pdf")
    site.clock.tick_s = scanner.HARVEST_S
    site.scanner.work()
    assert site.scanner._scan is not None, "it is under way"
    assert 0 < len(site.inbox) < 200
    site.finish()
    assert len(site.inbox) == 200


def test_what_was_found_so_far_waits_for_the_end_of_the_scan_while_there_are_letters_to_claim(site: Site) -> None:
    """A folder is listed in no order: older letters may come at its end."""
    site.share.write("known.pdf")
    site.finish()
    site.settle()
    assert site.inbox.has_complete()
    for number in range(200):
        site.share.write(f"{number}.pdf")
    site.clock.tick_s = scanner.HARVEST_S
    site.backlog.request_scan()
    for _ in range(3):
        site.scanner.work()
        assert site.scanner._scan is not None, "it is under way"
        assert len(site.inbox) == 1


def test_of_what_was_found_so_far_the_oldest_are_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "Walk", Crowd)
    monkeypatch.setattr(site.inbox, "sample", sample_in_crowd)
    site.clock.tick_s = scanner.HARVEST_S
    site.scanner.work()
    met = site.scanner._scan.walk.entries  # type: ignore[union-attr]
    youngest = Crowd.files - met + 1
    assert site.inbox.paths() == {f"{number}.pdf" for number in range(youngest, youngest + min(met, HARVEST_LETTERS))}


def test_a_folder_is_looked_into_before_the_next_scan_and_nothing_else_is(site: Site) -> None:
    site.finish()
    for path in ("clinic/2014/a.pdf", "elsewhere/b.pdf"):
        site.share.write(path)
    site.scanner.scan_folder("clinic")
    assert site.scanner.idle_s() == 0.0
    site.finish()
    assert site.inbox.paths() == {"clinic/2014/a.pdf"}
    assert site.scanner.idle_s() == 7.5, "the next scan is due when it was"


@pytest.mark.parametrize("folder", ["gone", "link", "file.pdf"])
def test_a_folder_that_is_gone_or_is_none_by_now_means_nothing(site: Site, folder: str) -> None:
    (site.share.root / "outside" / "foreign.pdf").write_text("not for us")
    (site.share.inbox / "link").symlink_to(site.share.root / "outside")
    site.share.write("file.pdf")
    site.scanner.scan_folder(folder)
    site.finish()
    assert len(site.inbox) == 0
    assert site.scanner.trouble is None


def test_more_folders_than_are_kept_are_one_scan_of_all(site: Site) -> None:
    site.finish()
    site.share.write("a/letter.pdf")
    for number in range(scanner.MAX_FOLDERS + 1):
        site.scanner.scan_folder(f"{number}")
    site.finish()
    assert site.inbox.paths() == {"a/letter.pdf"}


def test_an_inbox_that_cannot_be_listed_is_trouble_until_it_can(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    letter = site.share.write("letter.pdf")
    site.finish()
    letter.parent.rename(site.share.root / "away")
    for _ in range(3):
        site.scan()
    assert site.scanner.trouble == "the inbox cannot be listed (errno=2)"
    assert [record.getMessage() for record in caplog.records] == [f"{site.scanner.trouble}; letters wait in it"]
    assert len(site.inbox) == 1, "it may be back in a moment"
    site.backlog.fall_behind()
    site.scan()
    assert site.scanner.idle_s() == 5.0, "it is not tried without a pause"
    (site.share.root / "away").rename(letter.parent)
    site.scan()
    assert site.scanner.trouble is None


def test_what_is_gone_is_forgotten_by_the_next_scan(site: Site) -> None:
    letter = site.share.write("letter.pdf")
    site.finish()
    letter.unlink()
    site.scan()
    assert len(site.inbox) == 0


def test_canaries_that_a_crash_left_are_removed(site: Site) -> None:
    for name in (f"{CANARY_PREFIX}0123456789abcdef", ".imr-check-0123", ".imr-tmp-sample.txt"):
        site.share.write(name)
    site.finish()
    assert site.share.waiting_paths() == [".imr-check-0123", ".imr-tmp-sample.txt"]


# --- Files of which events should have told ---------------------------------------------------------------------------


def settles_unannounced(site: Site) -> int:
    """A file that comes after the second scan, and is found by the third."""
    before = site.inbox.unannounced
    site.scan()
    site.clock.advance(1.0)
    site.scan()
    site.share.write(f"{before}.pdf")
    site.clock.advance(1.0)
    site.scan()
    site.settle()
    return site.inbox.unannounced - before


def test_what_a_scan_finds_after_one_that_knew_all_should_have_been_told(site: Site) -> None:
    site.blind_s = NEVER_BLIND
    site.share.write("there before.pdf")
    assert settles_unannounced(site) == 1


def test_nothing_should_have_been_told_while_events_may_fail(site: Site) -> None:
    site.blind_s = BLIND
    assert settles_unannounced(site) == 0


def test_nothing_should_have_been_told_by_a_watch_that_is_younger_than_the_last_scan(site: Site) -> None:
    site.scan()
    site.share.write("letter.pdf")
    site.blind_s = site.clock.now_s + 0.5
    site.clock.advance(1.0)
    site.scan()
    site.settle()
    assert site.inbox.unannounced == 0


def test_what_was_left_out_before_need_not_have_been_told_again(site: Site, small: int) -> None:
    site.blind_s = NEVER_BLIND
    for number in range(3 * small):
        site.share.write(f"{number:03}.pdf")
    for _ in range(9):
        site.scan()
        site.settle()
        site.claim_all()
        site.clock.advance(1.0)
    assert site.share.waiting_paths() == []
    assert site.inbox.unannounced == 0


# --- More files than may be known -------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """No more than so many files are known at a time."""
    monkeypatch.setattr("producer.discovery.inbox.MAX_KNOWN", 10)
    monkeypatch.setattr("producer.discovery.backlog.MAX_PICKED", 10)
    return 10


def test_a_flood_is_taken_in_order_of_arrival_and_little_of_it_is_known_at_a_time(site: Site, small: int) -> None:
    names = [f"{number * 7919 % 100:02}.pdf" for number in range(100)]
    for name in names:
        site.share.write(name)
    arrived_ns = {name: (site.share.inbox / name).stat().st_ctime_ns for name in names}
    taken: list[str] = []
    while len(taken) < 100:
        site.finish()
        assert len(site.inbox) <= small
        assert site.backlog.waiting == max(0, 100 - len(taken) - small)
        site.settle()
        taken += site.claim_all()
    times = [arrived_ns[name] for name in taken]
    assert times == sorted(times)
    site.finish()
    assert site.scanner.idle_s() > 1.0, "nothing is left, nothing is hurried"


def test_what_was_left_out_is_looked_for_when_half_of_what_is_known_has_gone(site: Site, small: int) -> None:
    for number in range(30):
        site.share.write(f"{number:02}.pdf")
    site.finish()
    assert site.scanner.idle_s() > 0.0
    site.settle()
    list(site.inbox.take_complete(small // 2))
    assert site.scanner.idle_s() == 0.0


def test_of_files_that_come_while_it_scans_the_next_scan_picks_those_that_may_not_be_all(site: Site) -> None:
    """One that came later than another may be met, and the other not."""
    for name in ("before.pdf", "met.pdf", "unmet.pdf"):
        site.share.drop(name)
    site.backlog.fall_behind()
    oldest = site.backlog.begin_scan()
    site.backlog.handle_event(FileEvent("met.pdf", renamed_in=True, is_folder=False))
    site.backlog.fall_behind()
    for name in ("before.pdf", "met.pdf"):
        oldest.add(name, (site.share.inbox / name).stat().st_ctime_ns)
    oldest.add("later.pdf", 2**62)
    assert site.backlog.end_scan(oldest) == 3
    assert site.inbox.paths() == {"before.pdf", "met.pdf"}
    assert site.backlog.waiting == 1
    assert site.backlog.order is Order.BEHIND
    site.finish()
    assert site.inbox.paths() == {"before.pdf", "met.pdf", "unmet.pdf"}


def test_files_that_cannot_be_claimed_do_not_keep_out_the_others(site: Site, small: int) -> None:
    """They are the oldest, more of them than may be known, and they stay where they are."""
    for number in range(25):
        site.share.write(f"stuck-{number:02}.pdf")
    for number in range(5):
        site.share.write(f"young-{number}.pdf")
    seen: set[str] = set()
    for _ in range(4):
        site.finish()
        site.settle()
        seen.update(site.inbox.take_complete(small))
        site.inbox.claim_failed()
        site.clock.advance(PACE.longest_s)
    assert len(seen) == 30, sorted(seen)


def test_events_that_were_lost_during_a_scan_are_another_scan(site: Site) -> None:
    site.clock.tick_s = SLICE_S
    for number in range(100):
        site.share.write(f"{number}.pdf")
    site.scanner.work()
    site.backlog.fall_behind()
    site.finish()
    assert site.scanner.idle_s() == 0.0


class Entry:
    """A file that is nowhere."""

    __slots__ = ("name", "st_ctime_ns")

    def __init__(self, name: str, ctime_ns: int) -> None:
        self.name = name
        self.st_ctime_ns = ctime_ns

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        assert not follow_symlinks
        return cast("os.stat_result", self)

    st_mode, st_size, st_mtime_ns, st_ino, st_nlink = 0o100600, 1, 0, 1, 1


class Crowd:
    """A walk through so many files, youngest first, which is the worst for picking the oldest."""

    files = 200_000

    def __init__(self, *_: object) -> None:
        self.entries = self.too_deep = self.unreadable = 0

    def steps(self) -> Generator[Met]:
        for number in range(self.files, 0, -1):
            self.entries += 1
            entry = Entry(f"{number}.pdf", number)
            yield Met(entry.name, cast("os.DirEntry[str]", entry), is_folder=False)


def sample_in_crowd(path: str) -> FileSample:
    return FileSample(1, 0, int(path.removesuffix(".pdf")), 1, 1)


def test_as_many_files_as_there_may_be_take_no_more_room_than_may_be_picked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "Walk", Crowd)
    monkeypatch.setattr(site.inbox, "sample", sample_in_crowd)
    site.clock.tick_s = SLICE_S / 1000  # a slice is some 32,000 files
    assert site.scan() > 3
    assert site.backlog.waiting == Crowd.files - MAX_KNOWN
    assert site.inbox.paths() == {f"{number}.pdf" for number in range(1, MAX_KNOWN + 1)}, "the oldest"
    tracemalloc.start()
    site.scan()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_crowd_beyond_all_bounds_ends_the_scan_with_an_alarm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "Walk", Crowd)
    monkeypatch.setattr(scanner, "MAX_ENTRIES", 1000)
    site.scan()
    assert site.scanner.tally.entries == 1000
    assert site.scanner.trouble == "the inbox holds more than 1,000 files: not all are looked at"


def test_twenty_five_thousand_real_files_are_all_found(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """In memory where there is a file system in memory: making so many takes a minute on a busy disk."""
    top = Path(tempfile.mkdtemp(prefix="imr-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else tmp_path))
    request.addfinalizer(lambda: shutil.rmtree(top))
    site = Site(Share(top))
    for number in range(25_000):
        os.mknod(site.share.inbox / f"{number}.pdf")
    found: set[str] = set()
    while len(found) < 25_000:
        site.finish()
        assert len(site.inbox) <= MAX_KNOWN
        site.settle()
        taken = list(site.inbox.take_complete(MAX_KNOWN))
        assert taken, f"{len(found)} found"
        for path in taken:
            os.unlink(site.share.inbox / path)
        found.update(taken)
    assert site.share.waiting_paths() == []
