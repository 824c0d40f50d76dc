"""When finished letters leave `claimed/`: never before their outcome is on disk, and together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.letters import digest
from tests.support.memory_durability import MemoryDurability
from tests.support.rig import FakeExtractor, Rig
from tests.support.waiting import eventually
from worker.adapters.share.spool import Spool
from worker.extraction import Text
from worker.processing import filing_queue
from worker.processing.filing_queue import TIDY_S, FilingQueue, FilingThread
from worker.processing.ports import FilingPort
from worker.processing.records import RecordsUnavailable


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Of a server that syncs every second."""
    return Rig(tmp_path, always=False)


def finish(rig: Rig, *claim_ids: str) -> None:
    """Run these claims, or all, without waiting for the disk."""
    rig.pipeline().run(claim_ids or rig.claimed())


class TestAServerThatSyncsBeforeItAnswers:
    def test_has_every_letter_filed_when_the_batch_is_done(self, tmp_path: Path) -> None:
        rig = Rig(tmp_path, always=True)
        for content in (b"a letter", b"another", b"broken"):
            rig.claim("letter.txt", content)
        finish(rig)
        assert rig.claimed() == []
        assert rig.memory.counts().finished_claims == set()
        assert rig.disk.waits == 0


class TestAServerThatSyncsLater:
    def test_keeps_finished_letters_claimed_until_it_was_waited_for(self, rig: Rig) -> None:
        one, dead = rig.claim("letter.txt", b"a letter"), rig.claim("bad.txt", b"broken")
        finish(rig)
        assert rig.claimed() == [one, dead]
        assert rig.memory.counts().finished_claims == {one, dead}
        assert rig.filing.round()
        assert {path.partition("/")[0] for path in rig.letters()} == {"archive", "review"}
        assert rig.memory.counts().finished_claims == set()

    def test_is_waited_for_once_for_all_that_was_finished_since(self, rig: Rig) -> None:
        worker = rig.pipeline()
        for number in range(5):
            worker.run([rig.claim(f"{number}.txt", b"letter %d" % number)])
        rig.filing.round()
        assert (rig.claimed(), rig.disk.waits) == ([], 1)
        assert rig.filing.round()
        assert rig.disk.waits == 1, "nothing waits: nothing to wait for"

    def test_a_copy_waits_like_its_letter(self, rig: Rig) -> None:
        claims = [rig.claim("a.txt", b"a letter"), rig.claim("b.txt", b"a letter")]
        finish(rig)
        assert rig.claimed() == claims
        rig.filing.round()
        assert rig.claimed() == []

    def test_what_was_done_before_waits_too(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        finish(rig)
        finish(rig)  # another worker: the first one was killed before the disk was ready
        assert rig.claimed() == [one]
        rig.filing.round()
        assert rig.claimed() == []

    def test_text_is_extracted_before_the_wait(self, rig: Rig) -> None:
        """The reader belongs to one thread."""
        threads = set()

        class Reader(FakeExtractor):
            def to_text(self, content: bytes, following: bytes | None = None) -> Text:
                threads.add(threading.current_thread())
                return super().to_text(content)

        one = rig.claim("letter.pdf", b"%PDF with pages")
        finish(rig)
        rig.pipeline(extractor=Reader()).run([one])
        thread = threading.Thread(target=rig.filing.round)
        thread.start()
        thread.join()
        assert threads == {threading.current_thread()}
        assert sorted(path.rpartition(".")[2] for path in rig.files()) == ["pdf", "txt"]


class TestWhileTheWorkerIsAtWork:
    """Two threads that both want the interpreter are in each other's way: one of them files."""

    def test_it_files_what_is_on_disk_after_each_batch(self, rig: Rig) -> None:
        rig.claim("first.txt", b"a letter")
        finish(rig)
        with rig.filing.at_work():
            assert rig.filing.round()
            assert len(rig.claimed()) == 1, "the thread leaves it to the worker"
            assert (rig.filing.is_waiting, rig.filing.is_behind) == (False, True)
            rig.filing.submit([])
            assert (rig.claimed(), rig.filing.is_behind) == ([], False)
        assert rig.memory.counts().finished_claims == set()

    def test_what_has_to_be_synced_is_filed_by_the_thread(self, rig: Rig) -> None:
        rig.claim("bad.txt", b"broken")
        rig.claim("scan.pdf", b"%PDF letter")
        text = rig.claim("letter.txt", b"a letter")
        finish(rig)
        with rig.filing.at_work():
            rig.filing.round()
            assert rig.claimed() == [text]
        rig.filing.catch_up()
        assert rig.claimed() == []

    def test_the_thread_files_what_is_left_when_it_is_done(self, rig: Rig) -> None:
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=rig.disk, monotonic_s=lambda: rig.now_s))
        one = rig.claim("letter.txt", b"a letter")
        with made.at_work():
            rig.pipeline(filing=NotAtWork(made)).run([one])
            eventually(lambda: rig.disk.waits == 1 and not made._queue.is_waiting, "the disk to be waited for")
            assert rig.claimed() == [one]
        eventually(lambda: rig.claimed() == [], "the letter to be filed")
        made.close()

    def test_the_thread_files_what_is_left_though_the_work_broke_off(self, rig: Rig) -> None:
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=rig.disk, monotonic_s=lambda: rig.now_s))
        one = rig.claim("letter.txt", b"a letter")
        with suppress(RecordsUnavailable), made.at_work():
            rig.pipeline(filing=NotAtWork(made)).run([one])
            eventually(lambda: rig.disk.waits == 1 and not made._queue.is_waiting, "the disk to be waited for")
            assert rig.claimed() == [one]
            raise RecordsUnavailable("away")
        eventually(lambda: rig.claimed() == [], "the letter to be filed")
        made.close()


class NotAtWork:
    """The files of a pipeline that does not say when it is at work: the test does."""

    def __init__(self, files: FilingPort) -> None:
        self.submit = files.submit
        self.at_work = nullcontext


class TestAPowerCut:
    """The server loses whatever was not waited for: entry and record together."""

    def test_leaves_the_file_and_the_letter_is_published_once_more_and_stands_once(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        finish(rig)
        rig.disk.cut_power()
        rig.filing.round()
        assert rig.claimed() == [one]
        assert rig.published() == []
        assert rig.run().results == {one: "published"}
        assert [event["id"] for event in rig.published()] == [f"{digest('a letter')}:1"]
        assert rig.claimed() == []
        rig.assert_counts_close()

    def test_takes_nothing_that_was_filed(self, rig: Rig) -> None:
        rig.claim("letter.txt", b"a letter")
        rig.run()
        rig.claim("other.txt", b"another")
        finish(rig)
        rig.disk.cut_power()
        assert [event["id"] for event in rig.published()] == [f"{digest('a letter')}:1"]
        rig.run()
        assert len(rig.published()) == 2
        rig.assert_counts_close()

    def test_of_a_letter_takes_its_copies_along(self, rig: Rig) -> None:
        for name in ("a.txt", "b.txt"):
            rig.claim(name, b"a letter")
        finish(rig)
        rig.disk.cut_power()
        rig.filing.round()
        assert len(rig.claimed()) == 2
        assert rig.run().counted() == {"published": 1, "duplicate": 1}
        assert len(rig.published()) == 1
        rig.assert_counts_close()


class InTrouble(MemoryDurability):
    """A disk that is behind, for as long as it is."""

    trouble: Callable[[], Collection[str] | None] | None = None

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        return super().later(outcomes) if self.trouble is None else self.trouble()

    def filed(self, claim_ids: Collection[str]) -> None:
        if self.trouble is not None:
            self.trouble()
        super().filed(claim_ids)


def is_behind() -> None:
    return None


def is_away() -> Collection[str] | None:
    raise RecordsUnavailable("Redis did not answer as expected (ConnectionError)")


class TestADiskInTrouble:
    @pytest.mark.parametrize("trouble", [is_behind, is_away])
    def test_is_waited_for_again_and_costs_nothing(self, tmp_path: Path, trouble: Any) -> None:
        rig = Rig(tmp_path, always=False)
        disk = InTrouble(rig.memory, always=False)
        rig.durability = disk
        one = rig.claim("letter.txt", b"a letter")
        finish(rig)
        disk.trouble = trouble
        assert not rig.filing.round()
        assert rig.claimed() == [one]
        disk.trouble = None
        assert rig.filing.round()
        assert rig.claimed() == []
        assert len(rig.published()) == 1

    def test_that_is_away_when_a_batch_is_done_is_waited_for(self, tmp_path: Path) -> None:
        class Away(MemoryDurability):
            def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
                return is_away()

        rig = Rig(tmp_path)
        rig.durability = Away(rig.memory)
        one = rig.claim("letter.txt", b"a letter")
        finish(rig)
        assert rig.claimed() == [one]
        assert rig.filing.round()
        assert rig.claimed() == []

    def test_that_cannot_be_told_of_what_was_filed_is_told_later(self, tmp_path: Path) -> None:
        rig = Rig(tmp_path)
        disk = InTrouble(rig.memory)
        rig.durability = disk
        one = rig.claim("letter.txt", b"a letter")
        disk.trouble = is_away
        finish(rig)
        assert rig.claimed() == []
        assert rig.memory.counts().finished_claims == {one}
        disk.trouble = None
        rig.assert_counts_close()

    @pytest.mark.parametrize(("limit", "most"), [("MAX_WAITING", 2), ("MAX_WAITING_BYTES", 30)])
    def test_no_more_letters_wait_than_fit_and_the_rest_is_filed_when_hinted_again(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
    ) -> None:
        monkeypatch.setattr(filing_queue, limit, most)
        claims = [rig.claim(f"{number}.pdf", b"%%PDF letter %d" % number) for number in range(3)]
        finish(rig)
        rig.filing.round()
        assert rig.claimed() == claims[2:]
        rig.run()
        assert rig.claimed() == []
        assert len(rig.published()) == 3

    def test_one_letter_that_cannot_be_filed_leaves_the_others(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        bad, _ = rig.claim("bad.txt", b"a letter"), rig.claim("good.txt", b"another")
        move = Spool.move

        def failing(self: Spool, source: str, target: str) -> bool:
            if bad in source:
                raise MemoryError
            return move(self, source, target)

        finish(rig)
        with monkeypatch.context() as patched:
            patched.setattr(Spool, "move", failing)
            assert rig.filing.round()
        assert rig.claimed() == [bad]
        rig.run()
        assert rig.claimed() == []


class TestTidying:
    """A worker that was killed between a rename and saying so."""

    def leave_behind(self, rig: Rig) -> str:
        one = rig.claim("letter.txt", b"a letter")
        rig.run()
        rig.memory.finished[one] = f"{digest('a letter')}:1"
        return one

    def test_strikes_out_what_was_filed_once_in_a_while(self, rig: Rig) -> None:
        self.leave_behind(rig)
        waits = rig.claim("waits.txt", b"another")
        finish(rig)
        assert len(rig.memory.finished) == 2
        rig.now_s += TIDY_S
        rig.filing.submit([])
        assert set(rig.memory.finished) == {waits}

    def test_does_not_take_a_share_that_is_away_for_an_empty_one(self, rig: Rig) -> None:
        left = self.leave_behind(rig)
        rig.now_s += TIDY_S
        claimed = rig.share / "claimed"
        claimed.rename(rig.share / "away")
        rig.filing.submit([])
        assert set(rig.memory.finished) == {left}


@pytest.fixture
def thread(rig: Rig) -> Iterator[FilingThread]:
    made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=rig.disk, monotonic_s=lambda: rig.now_s))
    yield made
    made.close()


class TestTheThread:
    def test_files_by_itself(self, rig: Rig, thread: FilingThread) -> None:
        rig.claim("letter.txt", b"a letter")
        worker = rig.pipeline(filing=thread)
        worker.run(rig.claimed())
        eventually(lambda: rig.claimed() == [], "the letter to be filed")
        worker.run([rig.claim("other.txt", b"another")])
        eventually(lambda: rig.claimed() == [], "the next one, too")

    def test_is_not_started_where_nothing_has_to_wait(self, tmp_path: Path) -> None:
        rig = Rig(tmp_path)
        before = threading.active_count()
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=rig.disk, monotonic_s=lambda: rig.now_s))
        rig.claim("letter.txt", b"a letter")
        rig.pipeline(filing=made).run(rig.claimed())
        assert threading.active_count() == before
        made.close()

    def test_files_what_waits_before_it_stops(self, rig: Rig) -> None:
        disk = HeldDisk(rig)
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=disk, monotonic_s=lambda: rig.now_s))
        for number in range(3):
            rig.pipeline(filing=made).run([rig.claim(f"{number}.txt", b"letter %d" % number)])
        disk.is_ready.set()
        made.close()
        assert rig.claimed() == []

    def test_stops_though_the_disk_never_comes(self, rig: Rig) -> None:
        disk = HeldDisk(rig)
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=disk, monotonic_s=lambda: rig.now_s))
        one = rig.claim("letter.txt", b"a letter")
        rig.pipeline(filing=made).run([one])
        made.close(timeout_s=0.05)
        assert rig.claimed() == [one]
        disk.is_ready.set()
        eventually(lambda: rig.claimed() == [], "the thread to end what it was in")

    def test_outlives_whatever_it_meets(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filing_queue, "RETRY_S", 0.01)
        failures = [MemoryError(), ValueError(), RecordsUnavailable("away")]

        class Failing(MemoryDurability):
            def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
                if failures:
                    raise failures.pop()
                return super().later(outcomes)

        disk = Failing(rig.memory, always=False)
        made = FilingThread(FilingQueue(spool=Spool(rig.share), durability=disk, monotonic_s=lambda: rig.now_s))
        rig.claim("letter.txt", b"a letter")
        rig.pipeline(filing=made).run(rig.claimed())
        eventually(lambda: rig.claimed() == [], "the letter to be filed after three failures")
        made.close()


class HeldDisk(MemoryDurability):
    """A disk that is ready when the test says so."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.memory, always=False)
        self.is_ready = threading.Event()

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        assert self.is_ready.wait(30)
        return super().later(outcomes)
