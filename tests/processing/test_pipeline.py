"""The way of a batch through a worker: what becomes of each letter, whatever happens to it or to the others."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.determinations import determination, issue
from tests.support.failpoints import Failpoints, Killed
from tests.support.letters import LONG_MS, RUN_OUT_MS, digest, lease
from tests.support.memory_records import MemoryRecords
from tests.support.rig import LEASE_S, MOST, FakeExtractor, Rig, determine
from worker.adapters.share.errors import Unreadable
from worker.adapters.share.spool import Spool
from worker.contract.event import MAX_EVENT_BYTES
from worker.contract.names import ERROR_SUFFIX, EXTRACTED_SUFFIX, SIDECAR_SUFFIXES
from worker.extraction import ExtractionUnavailable, Text
from worker.letter.errors import LetterError, Violation
from worker.letter.model import Determination
from worker.processing import dead_letters, read_stage
from worker.processing.filing_orders import FilingOrders
from worker.processing.outcome import OutcomeBuilder
from worker.processing.records import Finish, Finished, Lease, RecordDamaged, Records, RecordsUnavailable, Resolve
from worker.processing.work_item import WorkItem

DAY = "archive/2024/06/09"
"""The claims of the rig arrive at 23:13 of that day in California, on the next day by UTC."""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def raising(error: BaseException, where: str = "broken") -> Callable[[Text, date], Determination]:
    """A parser that raises over every letter that holds the word `where`."""

    def determine(text: Text, received_on: date) -> Determination:
        if where in text.text:
            raise error
        return determination()

    return determine


def dying(failpoints: Failpoints) -> Callable[[Text, date], Determination]:
    """A parser whose process ends over every letter that holds the word `broken`."""

    def determine(text: Text, received_on: date) -> Determination:
        if "broken" in text.text:
            failpoints.die()
        return determination()

    return determine


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def on_the_way(rig: Rig, change: Callable[[], object], when: str = "a letter") -> Callable[[Text, date], Determination]:
    """A parser during which something else happens."""

    def determine(text: Text, received_on: date) -> Determination:
        if when in text.text:
            change()
        return determination()

    return determine


class TestAGoodLetter:
    def test_is_one_event_and_lies_in_the_archive_of_its_day(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        assert rig.run().results == {one: "published"}
        assert rig.files() == {f"{DAY}/{one}~letter.txt": b"a letter"}
        (event,) = rig.published()
        assert event["id"] == f"{digest('a letter')}:1"
        assert event["dataref"] == f"{DAY}/{one}~letter.txt"
        assert event["subject"] == "CM16-0213037"
        assert event["source"] == "/imr/site"

    def test_keeps_its_sub_folder_and_leaves_no_empty_one_behind(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter", folder="clinic/june")
        rig.run()
        assert list(rig.files()) == [f"{DAY}/clinic/june/{one}~letter.txt"]
        assert os.listdir(rig.share / "claimed") == []

    def test_with_pages_lies_beside_the_text_that_its_spans_count_in(self, rig: Rig) -> None:
        one = rig.claim("letter.pdf", b"%PDF with pages")
        rig.run()
        assert rig.files()[f"{DAY}/{one}~letter.pdf{EXTRACTED_SUFFIX}"] == b"%PDF with pages"

    def test_is_given_the_day_of_its_arrival_in_the_share(self, rig: Rig) -> None:
        days = []

        def determine(text: Text, received_on: date) -> Determination:
            days.append(received_on)
            return determination()

        rig.claim("letter.txt", b"a letter")
        rig.run(determine=determine)
        assert days == [date(2024, 6, 9)]

    def test_too_large_an_event_says_what_was_left_out(self, rig: Rig) -> None:
        told = determination(clinical_summary="s" * MAX_EVENT_BYTES, issues=(issue(rationale="r" * 1000),))
        rig.claim("letter.txt", b"a letter")
        rig.run(determine=lambda text, received_on: told)
        assert len(rig.memory.determinations[0]) <= MAX_EVENT_BYTES
        left_out = [one["field"] for one in rig.published()[0]["data"]["findings"] if one["code"] == "left_out"]
        assert left_out == ["spans", "clinical_summary"]


class TestADeadLetter:
    def test_lies_in_review_under_its_own_name_beside_its_reasons(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"broken", folder="clinic")
        assert rig.run().results == {one: "dead"}
        assert rig.letters() == {"review/clinic/letter.txt": b"broken"}
        told = orjson.loads(rig.files()[f"review/clinic/letter.txt{ERROR_SUFFIX}"])
        assert told["code"] == "issue_without_decision"
        assert told["where"] == ["line 1, column 1: The letter decides nothing. [issue_without_decision]"]
        assert told["claim_id"] == one
        (event,) = rig.dead()
        assert event["dataref"] == "review/clinic/letter.txt"
        assert event["data"]["attempts"] == 1

    def test_whose_name_another_letter_has_lies_under_its_claim(self, rig: Rig) -> None:
        first, second = rig.claim("scan.txt", b"broken"), rig.claim("scan.txt", b"broken too")
        rig.run()
        assert set(rig.letters()) == {"review/scan.txt", f"review/{second}~scan.txt"}
        assert [event["dataref"] for event in rig.dead()] == ["review/scan.txt", f"review/{second}~scan.txt"]
        assert first != second

    def test_whose_name_a_foreign_file_has_lies_under_its_claim(self, rig: Rig) -> None:
        (rig.share / "review" / "scan.txt").write_bytes(b"put here by hand")
        one = rig.claim("scan.txt", b"broken")
        rig.run()
        assert rig.letters() == {"review/scan.txt": b"put here by hand", f"review/{one}~scan.txt": b"broken"}

    def test_whose_name_a_foreign_file_took_since_it_was_granted_lies_under_its_claim(self, rig: Rig) -> None:
        foreign = rig.share / "review" / "scan.txt"
        one = rig.claim("scan.txt", b"broken")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: foreign.write_bytes(b"put here by hand")))
        assert rig.letters() == {"review/scan.txt": b"put here by hand", f"review/{one}~scan.txt": b"broken"}
        assert f"review/{one}~scan.txt{ERROR_SUFFIX}" in rig.files()
        assert f"review/scan.txt{ERROR_SUFFIX}" not in rig.files()

    def test_may_have_the_name_again_that_a_redrive_freed(self, rig: Rig) -> None:
        rig.claim("scan.txt", b"broken")
        rig.run()
        rig.memory.resolve(Resolve("redrive", digest("broken"), 1, 0, "review/scan.txt", b"{}"))
        (rig.share / "review" / "scan.txt").unlink()
        rig.claim("scan.txt", b"broken too")
        rig.run()
        assert rig.letters() == {"review/scan.txt": b"broken too"}

    @pytest.mark.parametrize(
        ("code", "make"),
        [
            ("empty", lambda path: path.write_bytes(b"")),
            ("too_large", lambda path: os.truncate(path, 1_000_001)),
            ("symbolic_link", lambda path: (path.unlink(), path.symlink_to("/etc/hostname"))),
            ("symbolic_link", lambda path: (path.unlink(), path.symlink_to("nowhere"))),
            ("hard_link", lambda path: os.link(path, path.parent.parent / "second name")),
            ("not_a_regular_file", as_fifo),
        ],
    )
    def test_that_cannot_be_read_at_all_is_known_by_its_claim(
        self, rig: Rig, code: str, make: Callable[[Path], object]
    ) -> None:
        one = rig.claim("odd.txt", b"a letter")
        make(rig.claimed_path(one, "odd.txt"))
        assert rig.run().results == {one: "dead"}
        assert rig.dead()[0]["data"]["code"] == code
        assert os.path.lexists(rig.share / "review" / "odd.txt")
        assert (rig.share / "review" / f"odd.txt{ERROR_SUFFIX}").exists()

    def test_with_thousands_of_violations_stays_within_the_size_of_an_event(self, rig: Rig) -> None:
        many = tuple(Violation("no_decision", "The issue has no decision.", f"issues.{n}") for n in range(5000))
        rig.claim("letter.txt", b"broken")
        rig.run(determine=raising(LetterError(many)))
        (event,) = rig.dead()
        assert len(next(iter(rig.memory.dead_letters.values()))) <= MAX_EVENT_BYTES
        *kept, note = event["data"]["violations"]
        assert note["code"] == "left_out"
        assert note["message"] == f"{5000 - len(kept)} more problems are left out here."


def breaking_off(text: Text, received_on: date) -> Determination:
    """A parser of letters that are whole with their last word."""
    if not text.text.endswith("whole"):
        raise LetterError((Violation("truncated", "The letter breaks off before its end.", line=1, column=1),))
    return determination()


class TestAnIncompleteLetter:
    """Its writer paused: it waits, and only after a time without a change it goes to review."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        made = Rig(tmp_path)
        made.patience_s = 60.0
        return made

    def test_waits_with_its_attempt_uncounted_and_is_published_once_its_end_has_come(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter that is")
        other = rig.claim("other.txt", b"this is whole")
        assert rig.run(determine=breaking_off).results == {one: "retry", other: "published"}
        for _ in range(2 * MOST):
            rig.now_s += 9
            assert rig.run(determine=breaking_off).results == {one: "retry"}
        record = rig.memory.record(digest("a letter that is"))
        assert record is not None
        assert record.attempts == 0
        with rig.claimed_path(one, "letter.txt").open("ab") as writer:  # the writer still has it open, so to say
            writer.write(b" whole")
        assert rig.run(determine=breaking_off).results == {one: "published"}
        assert [event["id"] for event in rig.published()] == [
            f"{digest(text)}:1" for text in ("this is whole", "a letter that is whole")
        ]
        assert rig.dead() == []
        rig.assert_counts_close()

    @pytest.mark.parametrize(
        ("content", "code"), [(b"a letter that is", "truncated"), (b"", "empty")], ids=["cut", "empty"]
    )
    def test_goes_to_review_with_its_code_when_nothing_more_comes(self, rig: Rig, content: bytes, code: str) -> None:
        one = rig.claim("letter.txt", content)
        for _ in range(6):
            assert rig.run(determine=breaking_off).results == {one: "retry"}
            rig.now_s += 10
        assert rig.run(determine=breaking_off).results == {one: "dead"}
        (event,) = rig.dead()
        assert event["data"]["code"] == code
        assert "review/letter.txt" in rig.files()
        rig.assert_counts_close()

    def test_has_its_time_anew_with_each_change(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a")
        for _ in range(5):
            assert rig.run(determine=breaking_off).results == {one: "retry"}
            rig.now_s += 50
            with rig.claimed_path(one, "letter.txt").open("ab") as writer:
                writer.write(b" letter")
        assert rig.run(determine=breaking_off).results == {one: "retry"}
        rig.now_s += 61
        assert rig.run(determine=breaking_off).results == {one: "dead"}
        rig.assert_counts_close()

    def test_whose_name_is_taken_in_review_lies_there_under_its_claim(self, rig: Rig) -> None:
        rig.patience_s = 0.0
        first, second = rig.claim("letter.txt", b"a letter"), rig.claim("letter.txt", b"another letter")
        assert rig.run(determine=breaking_off).results == {first: "dead", second: "dead"}
        assert f"review/{second}~letter.txt" in rig.files()

    def test_a_redrive_does_not_wait_again(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter that is")
        rig.run(determine=breaking_off)
        rig.now_s += 61
        rig.run(determine=breaking_off)
        path = rig.share / "review" / "letter.txt"
        rig.memory.resolve(Resolve("redrive", digest("a letter that is"), 1, 0, "review/letter.txt", b"{}"))
        path.rename(rig.claimed_path(one, "letter.txt"))
        assert rig.run(determine=breaking_off).results == {one: "dead"}


class TestCopies:
    def test_two_in_one_batch_are_one_event_and_one_duplicate(self, rig: Rig) -> None:
        first, second = rig.claim("a.txt", b"a letter"), rig.claim("b.txt", b"a letter", folder="sub")
        assert rig.run().results == {first: "published", second: "duplicate"}
        assert set(rig.letters()) == {f"{DAY}/{first}~a.txt", f"{DAY}/duplicates/sub/{second}~b.txt"}
        assert len(rig.published()) == 1
        rig.assert_counts_close()

    def test_a_hundred_in_one_batch(self, rig: Rig) -> None:
        for number in range(100):
            rig.claim(f"{number}.txt", b"a letter")
        assert rig.run().counted() == {"published": 1, "duplicate": 99}
        rig.assert_counts_close()

    def test_of_a_dead_letter_lie_in_review(self, rig: Rig) -> None:
        first, second = rig.claim("a.txt", b"broken"), rig.claim("b.txt", b"broken")
        assert rig.run().results == {first: "dead", second: "duplicate"}
        assert set(rig.letters()) == {"review/a.txt", f"review/duplicates/{second}~b.txt"}

    def test_of_a_letter_that_has_to_wait_wait_too_and_spend_no_attempt(self, rig: Rig) -> None:
        first, second = rig.claim("a.txt", b"broken"), rig.claim("b.txt", b"broken")
        for _ in range(MOST + 1):
            report = rig.run(determine=raising(OSError(5, "I/O error")))
            assert set(report.results.values()) <= {"retry", "held"}
        record = rig.memory.record(digest("broken"))
        assert record is not None
        assert (record.state, record.attempts) == ("waiting", 0)
        assert len(rig.claimed()) == 2
        assert first != second

    def test_written_to_after_it_was_read_is_no_duplicate(self, rig: Rig) -> None:
        rig.claim("a.txt", b"a letter")
        rig.run()
        copy = rig.claim("b.txt", b"a letter")
        path = rig.claimed_path(copy, "b.txt")
        records = Interrupted(rig.memory, "begin", lambda: path.write_bytes(b"another letter"))
        rig.run(records=records)
        assert path.exists()
        assert rig.run().results == {copy: "published"}
        rig.assert_counts_close()


class TestOneLettersFailureStaysItsOwn:
    @pytest.mark.parametrize(
        "error",
        [
            ValueError("words of a letter"),
            MemoryError(),
            RecursionError(),
            SystemExit(1),
            KeyboardInterrupt(),
            GeneratorExit(),
            AssertionError(),
            LetterError(()),
            ExceptionGroup("several", [ValueError()]),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_a_fault_of_ours_is_a_dead_letter(self, rig: Rig, error: BaseException) -> None:
        before, bad, after = (rig.claim(f"{text}.txt", text.encode()) for text in ("one", "broken", "two"))
        assert rig.run(determine=raising(error)).results == {before: "published", bad: "dead", after: "published"}
        (event,) = rig.dead()
        assert event["data"]["code"] == "internal"
        assert "words of a letter" not in str(event)
        rig.assert_counts_close()

    def test_a_worker_that_is_told_to_end_gives_back_what_it_holds(self, rig: Rig) -> None:
        """Told in the middle of a letter, which is not its fault: it and the others wait for another worker."""
        claims = [rig.claim(f"{text}.txt", text.encode()) for text in ("one", "broken", "two")]
        stopped = rig.pipeline(determine=raising(SystemExit(-241)), is_stopping=lambda: True)
        for _ in range(2 * MOST):
            with pytest.raises(SystemExit):
                stopped.run(claims)
        assert (rig.published(), rig.dead(), rig.claimed()) == ([], [], claims)
        assert rig.run(determine=raising(SystemExit(), "nowhere")).results == dict.fromkeys(claims, "published")
        rig.assert_counts_close()

    def test_a_worker_that_is_told_to_end_while_it_opens_a_file_leaves_the_letter_as_it_is(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A large file on a slow share takes long enough for that; it is a good letter."""

        def told_to_end(*args: Any, **kwargs: Any) -> Any:
            raise SystemExit(-241)

        claims = [rig.claim(f"{text}.txt", text.encode()) for text in ("one", "two")]
        with monkeypatch.context() as patch:
            patch.setattr(read_stage, "read_file", told_to_end)
            stopped = rig.pipeline(is_stopping=lambda: True)
            for _ in range(2 * MOST):
                with pytest.raises(SystemExit):
                    stopped.run(claims)
        assert (rig.published(), rig.dead(), rig.claimed()) == ([], [], claims)
        assert rig.run().results == dict.fromkeys(claims, "published")
        rig.assert_counts_close()

    def test_an_end_that_nobody_asked_for_while_a_file_is_opened_is_a_fault_of_this_program(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ends(*args: Any, **kwargs: Any) -> Any:
            raise SystemExit(1)

        claim = rig.claim("letter.txt", b"a letter")
        monkeypatch.setattr(read_stage, "read_file", ends)
        assert rig.run().results == {claim: "dead"}
        assert rig.dead()[0]["data"]["code"] == "internal"

    def test_a_refusal_of_the_reader_is_a_dead_letter_with_its_code(self, rig: Rig) -> None:
        class Refusing(FakeExtractor):
            def to_text(self, content: bytes, following: bytes | None = None) -> Text:
                if b"broken" in content:
                    raise Unreadable("password_protected", "This PDF cannot be opened without a password.")
                return super().to_text(content)

        bad, good = rig.claim("bad.pdf", b"broken"), rig.claim("good.txt", b"a letter")
        assert rig.run(extractor=Refusing()).results == {bad: "dead", good: "published"}
        assert rig.dead()[0]["data"]["code"] == "password_protected"

    def test_the_reader_is_told_what_it_is_asked_next(self, rig: Rig) -> None:
        """So that it can begin; a letter that is not to be read any more is never begun."""
        asked: list[tuple[bytes, bytes | None]] = []

        class Noting(FakeExtractor):
            def to_text(self, content: bytes, following: bytes | None = None) -> Text:
                asked.append((content, following))
                return super().to_text(content)

        claims = [rig.claim(f"{text}.pdf", text.encode()) for text in ("one", "killer", "two", "broken", "three")]
        claims.insert(2, rig.claim("empty.pdf", b""))
        for _ in range(MOST):
            rig.memory.begin([lease("killer", claims[1])], lease_ms=RUN_OUT_MS, max_attempts=MOST, alone=True)
        rig.run(*claims, extractor=Noting())
        assert asked == [(b"one", None), (b"two", b"broken"), (b"broken", b"three"), (b"three", None)]

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), ExtractionUnavailable(11, "fork"), TimeoutError()])
    def test_what_is_not_the_letters_fault_leaves_it_claimed_and_its_attempt_uncounted(
        self, rig: Rig, error: OSError
    ) -> None:
        waits, good = rig.claim("waits.txt", b"broken"), rig.claim("good.txt", b"a letter")
        for _ in range(2 * MOST):
            assert rig.run(waits, determine=raising(error)).results == {waits: "retry"}
        assert rig.run(determine=raising(error)).results == {waits: "retry", good: "published"}
        record = rig.memory.record(digest("broken"))
        assert record is not None
        assert record.attempts == 0
        assert rig.run(waits, determine=lambda text, day: determination()).results == {waits: "published"}
        rig.assert_counts_close()

    def test_a_damaged_record_leaves_the_letter_claimed_and_its_attempt_uncounted(self, rig: Rig) -> None:
        one, other = rig.claim("one.txt", b"a letter"), rig.claim("other.txt", b"another")
        damaged = Damaged(rig.memory, digest("a letter"))
        for _ in range(2 * MOST):
            assert rig.run(one, records=damaged).results == {one: "retry"}
        assert rig.run(records=damaged).results == {one: "retry", other: "published"}
        assert rig.run().results == {one: "published"}
        assert rig.published()[-1]["id"] == f"{digest('a letter')}:1"

    def test_a_name_from_a_year_that_no_calendar_has_is_nobodys_claim(self, rig: Rig) -> None:
        odd = rig.share / "claimed" / ("z" * 20 + "~odd.txt")
        odd.write_bytes(b"a letter")
        good = rig.claim("good.txt", b"another letter")
        assert rig.run("z" * 20, good).results == {"z" * 20: "gone", good: "published"}


class Interrupted:
    """Records during one of whose calls something happens, once, right after it."""

    def __init__(self, records: Records, name: str, happens: Callable[[], object]) -> None:
        self._records, self._name, self._happens = records, name, happens

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = getattr(self._records, name)(*args, **kwargs)
            if name == self._name:
                self._happens()
            return answer

        return call


class Damaged:
    """Records in which the stream of one letter's outcome is of a wrong type."""

    def __init__(self, records: MemoryRecords, damaged: str) -> None:
        self._records, self._damaged = records, damaged

    def finish(self, finishes: list[Finish]) -> list[object]:
        return [
            RecordDamaged("imr:determinations is a list, expected a stream")
            if one.lease.digest == self._damaged
            else self._records.finish([one])[0]
            for one in finishes
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)


class TestAFileThatIsWrittenTo:
    def test_while_it_is_parsed_is_not_published_as_it_was(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        path = rig.claimed_path(one, "letter.txt")
        report = rig.run(determine=on_the_way(rig, lambda: path.write_bytes(b"its final bytes")))
        assert report.results == {one: "retry"}
        assert rig.published() == []
        assert rig.run().results == {one: "published"}
        assert [event["id"] for event in rig.published()] == [f"{digest('its final bytes')}:1"]
        rig.assert_counts_close()

    def test_while_it_is_refused_is_not_buried_as_it_was(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"broken")
        path = rig.claimed_path(one, "letter.txt")

        def change_and_refuse(text: Text, received_on: date) -> Determination:
            path.write_bytes(b"whole")
            return determine(text, received_on)

        assert rig.run(determine=change_and_refuse).results == {one: "retry"}
        assert rig.run().results == {one: "published"}
        assert rig.dead() == []
        rig.assert_counts_close()

    def test_after_it_was_published_stays_claimed_as_a_letter_of_its_own(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"its final bytes")))
        assert rig.letters() == {f"claimed/{one}~letter.txt": b"its final bytes"}
        assert rig.run().results == {one: "published"}
        first, final = rig.published()
        assert rig.letters() == {f"{DAY}/{one}~letter.txt": b"its final bytes"}
        assert "supersedes" not in first
        assert (final["id"], final["supersedes"]) == (f"{digest('its final bytes')}:1", first["id"])
        assert (rig.memory.counts().seen, rig.memory.counts().published) == (1, 1)
        rig.assert_counts_close()

    def test_after_it_was_refused_closes_its_dead_letter(self, rig: Rig) -> None:
        """Its file is nowhere: nobody could decide about it."""
        one = rig.claim("letter.txt", b"broken")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"its final bytes")))
        assert rig.run().results == {one: "published"}
        dead, closed = rig.dead()
        assert (closed["id"], closed["type"]) == (f"{dead['id']}.1", "imr.letter.resolved")
        assert (closed["data"]["action"], closed["data"]["decided_by"]) == ("supersede", "imr-worker")
        assert digest("its final bytes") in closed["data"]["reason"]
        assert rig.published()[0]["supersedes"] == dead["id"]
        assert (rig.memory.counts().dead, rig.memory.counts().published) == (0, 1)
        assert set(rig.files()) == {f"{DAY}/{one}~letter.txt"}
        rig.assert_counts_close()

    def test_after_it_was_told_of_and_is_refused_now(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"broken")))
        assert rig.run().results == {one: "dead"}
        assert rig.dead()[0]["supersedes"] == rig.published()[0]["id"]
        assert set(rig.letters()) == {"review/letter.txt"}
        assert (rig.memory.counts().dead, rig.memory.counts().published) == (1, 0)
        rig.assert_counts_close()

    def test_after_it_was_told_of_and_is_refused_under_another_name(self, rig: Rig) -> None:
        """The name in review/ was taken meanwhile: the event says all the same what it replaces."""
        one = rig.claim("letter.txt", b"a letter")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"broken now")))
        other = rig.claim("letter.txt", b"broken")
        rig.run(other, one)
        assert [event.get("supersedes") for event in rig.dead()] == [None, f"{digest('a letter')}:1"]
        assert f"review/{one}~letter.txt" in rig.files()
        rig.assert_counts_close()

    @pytest.mark.parametrize("first", [b"a letter", b"broken"])
    def test_after_it_was_told_of_and_is_a_copy_now(self, rig: Rig, first: bytes) -> None:
        rig.claim("original.txt", b"its final bytes")
        rig.run()
        one = rig.claim("letter.txt", first)
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"its final bytes")))
        assert rig.run().results == {one: "duplicate"}
        assert rig.claimed() == []
        counts = rig.memory.counts()
        assert (counts.seen, counts.published, counts.dead, counts.duplicate) == (2, 1, 0, 1)
        rig.assert_counts_close()

    def test_again_and_again_and_back_to_what_it_was_first(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"first")
        path = rig.claimed_path(one, "letter.txt")
        for content in (b"second", b"first", b"second", b"last"):
            change = partial(path.write_bytes, content)
            rig.run(records=Interrupted(rig.memory, "finish", change))
        assert rig.run().results == {one: "published"}
        events = rig.published()
        assert [event["id"].partition(":")[0] for event in events] == [
            digest(content) for content in ("first", "second", "first", "second", "last")
        ]
        assert [event.get("supersedes") for event in events] == [None, *(event["id"] for event in events[:-1])]
        assert len({event["id"] for event in events}) == 5
        assert set(rig.letters().values()) == {b"last"}
        assert rig.memory.counts().seen == 1
        rig.assert_counts_close()

    def test_a_published_letter_with_copies_stands_though_its_own_file_changed(self, rig: Rig) -> None:
        one = rig.claim("a.txt", b"a letter")
        path = rig.claimed_path(one, "a.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"its final bytes")))
        copy = rig.claim("b.txt", b"a letter")
        assert rig.run(copy).results == {copy: "duplicate"}
        assert rig.run().results == {one: "published"}
        assert "supersedes" not in rig.published()[1]
        assert sorted(rig.letters()) == [f"{DAY}/{one}~a.txt", f"{DAY}/duplicates/{copy}~b.txt"]
        rig.assert_counts_close()

    def test_a_damaged_record_of_its_earlier_bytes_keeps_it_waiting(self, rig: Rig) -> None:
        one, other = rig.claim("letter.txt", b"a letter"), rig.claim("other.txt", b"another")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(one, records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"its final bytes")))

        class DamagedEarlier:
            def resolve(self, decision: Resolve) -> object:
                raise RecordDamaged("imr:letter:... is a list, expected a hash")

            def __getattr__(self, name: str) -> Any:
                return getattr(rig.memory, name)

        assert rig.run(records=DamagedEarlier()).results == {one: "retry", other: "published"}
        assert rig.run().results == {one: "published"}
        rig.assert_counts_close()

    def test_and_dies_twice_under_the_same_claim(self, rig: Rig) -> None:
        (rig.share / "review" / "letter.txt").write_bytes(b"put here by hand")
        one = rig.claim("letter.txt", b"broken")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "finish", lambda: path.write_bytes(b"broken differently")))
        assert rig.run().results == {one: "dead"}
        assert rig.letters()[f"review/{one}~letter.txt"] == b"broken differently"

    def test_that_was_empty_and_is_not_any_more_is_read_again(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"")
        path = rig.claimed_path(one, "letter.txt")
        rig.run(records=Interrupted(rig.memory, "begin", lambda: path.write_bytes(b"a letter")))
        assert rig.run().results == {one: "published"}
        assert rig.dead() == []
        rig.assert_counts_close()

    def test_that_vanishes_is_left_alone(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        path = rig.claimed_path(one, "letter.txt")
        assert rig.run(determine=on_the_way(rig, path.unlink)).results == {one: "retry"}
        assert rig.run(one).results == {one: "gone"}
        assert rig.files() == {}
        assert rig.published() == []


class TestSeveralWorkers:
    def test_a_letter_that_another_holds_is_left_to_it(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        rig.memory.begin([lease("a letter", one)], lease_ms=LONG_MS, max_attempts=MOST)
        assert rig.run().results == {one: "held"}
        assert rig.claimed() == [one]

    def test_a_fenced_result_is_dropped_and_its_file_left_alone(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")

        def another_takes_over() -> None:
            rig.wait_for_leases()
            rig.memory.begin([lease("a letter", one)], lease_ms=LONG_MS, max_attempts=MOST, alone=True)

        assert rig.run(determine=on_the_way(rig, another_takes_over)).results == {one: "fenced"}
        assert rig.published() == []
        assert rig.letters() == {f"claimed/{one}~letter.txt": b"a letter"}

    def test_what_another_worker_finished_is_only_filed(self, rig: Rig) -> None:
        """Killed between the publish and the rename: the next hint finishes the filing."""
        one = rig.claim("letter.pdf", b"%PDF with pages")
        mine = Lease(digest("%PDF with pages"), one, "token")
        rig.memory.begin([mine], lease_ms=LONG_MS, max_attempts=MOST)
        rig.memory.finish([Finish(mine, 1, "published", "", b"{}")])
        assert rig.run().results == {one: "filed"}
        assert set(rig.files()) == {f"{DAY}/{one}~letter.pdf", f"{DAY}/{one}~letter.pdf{EXTRACTED_SUFFIX}"}
        assert len(rig.published()) == 1

    def test_a_published_letter_is_filed_though_its_text_cannot_be_read_again(self, rig: Rig) -> None:
        class Broken:
            def to_text(self, content: bytes, following: bytes | None = None) -> Text:
                raise Unreadable("reader_crashed", "The program that reads PDFs broke down over this one.")

        one, other = rig.claim("letter.pdf", b"%PDF with pages"), rig.claim("other.pdf", b"%PDF other")
        for content, claim_id in (("%PDF with pages", one), ("%PDF other", other)):
            mine = Lease(digest(content), claim_id, "token")
            rig.memory.begin([mine], lease_ms=LONG_MS, max_attempts=MOST)
            rig.memory.finish([Finish(mine, 1, "published", "", b"{}")])
        assert rig.run(extractor=Broken()).results == {one: "filed", other: "filed"}
        assert set(rig.files()) == {f"{DAY}/{one}~letter.pdf", f"{DAY}/{other}~other.pdf"}

    def test_two_that_file_one_dead_letter_leave_no_error_file_without_its_letter(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"broken")
        other = rig.pipeline()
        happened: list[bool] = []

        def the_other_files_it_first() -> None:
            if not happened:
                happened.append(True)
                other.run([one])

        mine = Lease(digest("broken"), one, "token")
        rig.memory.begin([mine], lease_ms=LONG_MS, max_attempts=MOST)
        event = b'{"id":"%s:1","dataref":"review/letter.txt","data":{"message":"","remedy":"","violations":[]}}'
        rig.memory.finish(
            [Finish(mine, 1, "dead", "empty", event % mine.digest.encode(), "plain", "review/letter.txt")]
        )
        rig.run(records=Interrupted(rig.memory, "dead_letter_event", the_other_files_it_first))
        assert set(rig.files()) == {"review/letter.txt", *(f"review/letter.txt{suffix}" for suffix in SIDECAR_SUFFIXES)}

    @pytest.mark.parametrize("code", ["no_issues", "empty", "poison", "of a later version"])
    def test_a_dead_letter_whose_entry_was_trimmed_still_says_what_is_wrong(self, rig: Rig, code: str) -> None:
        """Killed between the publish and the rename, and found again only after the streams were trimmed."""
        one = rig.claim("letter.txt", b"broken")
        mine = Lease(digest("broken"), one, "token")
        rig.memory.begin([mine], lease_ms=LONG_MS, max_attempts=MOST)
        rig.memory.finish([Finish(mine, 1, "dead", code, b"{}", "plain", "review/letter.txt")])
        rig.memory.dead_letters.clear()
        assert rig.run().results == {one: "filed"}
        told = orjson.loads(rig.files()[f"review/letter.txt{ERROR_SUFFIX}"])
        assert (told["id"], told["code"], told["attempts"]) == (f"{mine.digest}:1", code, 1)
        assert (told["claim_id"], told["size_bytes"], told["violations"]) == (one, len(b"broken"), [])
        assert told["what_happened"]
        assert told["what_to_do"]

    def test_a_letter_that_ends_every_worker_becomes_poison(self, rig: Rig) -> None:
        killer, good = rig.claim("killer.txt", b"broken"), rig.claim("good.txt", b"a letter")
        for _ in range(MOST):
            with pytest.raises(Killed):
                rig.run(failpoints=(failpoints := Failpoints()), determine=dying(failpoints))
            rig.wait_for_leases()
        report = rig.run(determine=dying(Failpoints()))
        assert report.results == {killer: "dead", good: "published"}
        data = rig.dead()[0]["data"]
        assert (data["code"], data["attempts"]) == ("poison", MOST)
        rig.assert_counts_close()


class TestAStepThatFails:
    """Whatever it raises is about one letter: the others of the batch go on, and it is tried again."""

    @pytest.mark.parametrize("step", ["_change", "build"])
    def test_leaves_the_others(self, rig: Rig, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        bad, good = rig.claim("bad.txt", b"broken"), rig.claim("good.txt", b"a letter")
        with monkeypatch.context() as patch:
            fail_for(patch, OutcomeBuilder, step, bad)
            for _ in range(2 * MOST):
                results = rig.run().results
                assert results[bad] == "retry"
            assert good not in rig.claimed()
        assert rig.run().results == {bad: "dead"}
        rig.assert_counts_close()

    def test_of_filing_leaves_the_others(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Letters that were finished before are in every batch until they are filed; one must not keep the others."""
        bad, good = rig.claim("bad.txt", b"broken"), rig.claim("good.txt", b"a letter")
        with monkeypatch.context() as patch:
            patch.setattr(FilingOrders, "order_for", raise_value_error)
            rig.run()
        assert rig.claimed() == [bad, good]
        with monkeypatch.context() as patch:
            patch.setattr(FilingOrders, "_dead_letter", raise_value_error)
            assert rig.run().results == {bad: "filed", good: "filed"}
        assert rig.claimed() == [bad]
        rig.run()
        assert rig.claimed() == []

    def test_of_which_every_turn_asks_for_another_ends_the_batch(self, rig: Rig) -> None:
        """A fault of the records or of this program: it must not go round for ever."""
        endless, good = rig.claim("endless.txt", b"broken"), rig.claim("good.txt", b"a letter")
        report = rig.run(records=NameAlwaysTaken(rig.memory))
        assert report.results == {endless: "retry", good: "published"}
        assert rig.claimed() == [endless]
        assert rig.run().results == {endless: "dead"}
        rig.assert_counts_close()


def raise_value_error(*args: Any, **kwargs: Any) -> Any:
    raise ValueError("words of a letter")


def fail_for(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, claim_id: str) -> None:
    """Have that method fail over one letter."""
    method = getattr(owner, name)

    def failing(self: Any, item: WorkItem, *args: Any) -> Any:
        if item.claim_id == claim_id:
            raise_value_error()
        return method(self, item, *args)

    monkeypatch.setattr(owner, name, failing)


class NameAlwaysTaken:
    """Records that refuse every name in `review/`."""

    def __init__(self, records: MemoryRecords) -> None:
        self._records = records

    def finish(self, finishes: list[Finish]) -> list[object]:
        return [
            Finished("taken", "", "working", "plain") if one.outcome == "dead" else self._records.finish([one])[0]
            for one in finishes
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)


class TestADeadLetterThatCannotBeMade:
    """Whatever is wrong with it, the letters behind it go on, and it is written as soon as that can be done."""

    def test_with_its_violations_is_made_with_its_code_alone(self, rig: Rig) -> None:
        unwritable = Violation("issue_without_decision", "half a character: \ud83d", "issues.0.decision")
        before, bad, after = (rig.claim(f"{text}.txt", text.encode()) for text in ("one", "broken", "two"))
        report = rig.run(determine=raising(LetterError((unwritable,))))
        assert report.results == {before: "published", bad: "dead", after: "published"}
        data = rig.dead()[0]["data"]
        assert (data["code"], data["violations"]) == ("issue_without_decision", [])
        assert data["message"]
        rig.assert_counts_close()

    def test_of_a_poison_letter_is_poison_all_the_same(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        killer, good = rig.claim("killer.txt", b"broken"), rig.claim("good.txt", b"a letter")
        for _ in range(MOST):
            rig.memory.begin([lease("broken", killer)], lease_ms=RUN_OUT_MS, max_attempts=MOST, alone=True)
        self.fail_times(monkeypatch, 1)
        assert rig.run().results == {killer: "dead", good: "published"}
        assert rig.dead()[0]["data"]["code"] == "poison"
        rig.assert_counts_close()

    def test_at_all_stays_claimed_and_starves_nobody(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        bad, good = rig.claim("bad.txt", b"broken"), rig.claim("good.txt", b"a letter")
        with monkeypatch.context() as patch:
            self.fail_times(patch, 2 * MOST)
            assert rig.run().results == {bad: "retry", good: "published"}
            for _ in range(MOST - 1):
                assert rig.run().results == {bad: "retry"}
        assert rig.run().results == {bad: "dead"}
        rig.assert_counts_close()

    def test_under_its_second_name_leaves_the_others(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its name was taken by another letter of the same batch; it is made once more, and that fails."""
        first, second, good = (rig.claim("same.txt", text) for text in (b"broken", b"broken too", b"a letter"))
        self.fail_times(monkeypatch, 1, after=2)
        assert rig.run().results == {first: "dead", second: "dead", good: "published"}
        assert len(rig.dead()) == 2
        rig.assert_counts_close()

    @staticmethod
    def fail_times(monkeypatch: pytest.MonkeyPatch, times: int, after: int = 0) -> None:
        make, calls = dead_letters.make_dead_letter, count()

        def failing(*args: Any, **kwargs: Any) -> Any:
            if after <= next(calls) < after + times:
                raise ValueError("words of a letter")
            return make(*args, **kwargs)

        monkeypatch.setattr(dead_letters, "make_dead_letter", failing)


class TestRedisGoesAway:
    @pytest.mark.parametrize("step", ["begin", "finish", "prolong"])
    def test_in_the_middle_of_a_batch_costs_no_attempt(self, rig: Rig, step: str) -> None:
        claims = [rig.claim(f"{number}.txt", b"letter %d" % number) for number in range(3)]

        def goes_away() -> None:
            raise RecordsUnavailable("Redis did not answer as expected (ConnectionError)")

        def slow(text: Text, received_on: date) -> Determination:
            rig.now_s += LEASE_S / 2
            return determination()

        for _ in range(2 * MOST):
            with pytest.raises(RecordsUnavailable):
                rig.run(records=Unreachable(rig.memory, step), determine=slow)
        assert rig.published() == []
        assert rig.run().results == dict.fromkeys(claims, "published")
        assert len(rig.published()) == 3

    def test_after_the_publish_the_letters_are_filed_later(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")

        def reply_lost() -> None:
            raise RecordsUnavailable("Redis did not answer as expected (TimeoutError)")

        with pytest.raises(RecordsUnavailable):
            rig.run(records=Interrupted(rig.memory, "finish", reply_lost))
        assert rig.run().results == {one: "filed"}
        assert len(rig.published()) == 1
        rig.assert_counts_close()


class Unreachable:
    """Records of which one step does not come through."""

    def __init__(self, records: Records, step: str) -> None:
        self._records, self._step = records, step

    def __getattr__(self, name: str) -> Any:
        if name != self._step:
            return getattr(self._records, name)

        def unreachable(*args: Any, **kwargs: Any) -> Any:
            if name == "begin":
                self._records.begin(*args, **kwargs)  # it came through, and its reply did not
            raise RecordsUnavailable("Redis did not answer as expected (ConnectionError)")

        return unreachable


class TestTheShareRefuses:
    @pytest.mark.parametrize("content", [b"a letter", b"broken", b"%PDF with pages"])
    @pytest.mark.parametrize("step", ["move", "write"])
    def test_what_cannot_be_filed_is_filed_later_and_published_once(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, content: bytes, step: str
    ) -> None:
        rig.claim("letter", content)
        with monkeypatch.context() as patched:
            patched.setattr(Spool, step, refusing)
            rig.run()
        before = rig.files()
        report = rig.run()
        assert (len(rig.published()) + len(rig.dead())) == 1
        assert list(rig.letters().values()) == [content]
        assert not rig.claimed()
        assert set(report.results.values()) == ({"filed"} if "claimed" in str(before) else set())
        rig.assert_counts_close()

    def test_a_duplicate_too(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        rig.claim("letter.txt", b"a letter")
        rig.run()
        copy = rig.claim("copy.txt", b"a letter")
        with monkeypatch.context() as patched:
            patched.setattr(Spool, "move", refusing)
            assert rig.run().results == {copy: "duplicate"}
        assert rig.run().results == {copy: "duplicate"}
        assert not rig.claimed()
        assert rig.memory.counts().duplicate == 1

    def test_a_record_that_is_damaged_at_the_beginning_leaves_the_others(self, rig: Rig) -> None:
        class DamagedAtBegin(MemoryRecords):
            def begin(self, leases: Any, **kwargs: Any) -> Any:
                answers = super().begin(leases, **kwargs)
                return [RecordDamaged("imr:letter:... is a list, expected a hash"), *answers[1:]]

        one, other = rig.claim("one.txt", b"one"), rig.claim("other.txt", b"other")
        assert rig.run(one, other, records=DamagedAtBegin()).results == {one: "retry", other: "published"}


def refusing(*args: object) -> None:
    raise OSError(28, "No space left on device")


class TestSlowLetters:
    def test_all_that_wait_for_the_batch_keep_their_leases(self, rig: Rig) -> None:
        claims = [rig.claim(f"{number}.txt", b"letter %d" % number) for number in range(10)]
        rival = rig.pipeline()

        def slow(text: Text, received_on: date) -> Determination:
            rig.now_s += LEASE_S / 2
            assert set(rival.run(rig.claimed()).results.values()) == {"held"}
            return determination()

        assert rig.run(determine=slow).results == dict.fromkeys(claims, "published")

    def test_quick_ones_are_not_prolonged(self, rig: Rig) -> None:
        for number in range(10):
            rig.claim(f"{number}.txt", b"letter %d" % number)
        prolonged: list[bool] = []
        rig.run(records=Interrupted(rig.memory, "prolong", lambda: prolonged.append(True)))
        assert prolonged == []


class TestMemory:
    def test_no_more_letters_are_held_than_fit(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(read_stage, "BATCH_BYTES", 2500)
        for number in range(10):
            rig.claim(f"{number}.txt", b"%04d" % number + b"x" * 996)
        batches = []

        class Counting(MemoryRecords):
            def begin(self, leases: Any, **kwargs: Any) -> Any:
                batches.append(len(leases))
                return super().begin(leases, **kwargs)

        assert rig.run(records=Counting()).counted() == {"published": 10}
        assert batches == [3, 3, 3, 1]


class TestPrivacy:
    CANARY = "Wilhelmina Quackenbush"

    def test_no_name_and_no_text_is_logged(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        """Whatever happens: published, dead, copy, unreadable, poison, our own fault, errors that hold paths."""
        caplog.set_level(logging.DEBUG)
        name, text = f"{self.CANARY}.txt", f"a letter about {self.CANARY}".encode()
        folder = f"{self.CANARY}'s"
        rig.claim(name, text, folder)
        rig.claim(name, text)
        rig.claim(name, b"broken " + text)
        rig.claim(name, b"")
        changed = rig.claim(name, b"changed " + text)
        path = rig.claimed_path(changed, name)
        rig.run(determine=on_the_way(rig, lambda: path.write_bytes(text + b"."), "changed"))
        for error in (OSError(5, "I/O error", name), ValueError(self.CANARY), FileNotFoundError(2, "gone", name)):
            rig.claim(name, b"once more " + repr(error).encode())
            rig.run(determine=raising(error, "once more"))
        assert len(caplog.records) > 8
        told = [record.getMessage() + str(record.exc_info or "") + str(record.args) for record in caplog.records]
        assert not [line for line in told if "Wilhelmina" in line or "Quackenbush" in line]

    def test_no_event_of_a_dead_letter_holds_words_of_the_letter(self, rig: Rig) -> None:
        rig.claim("letter.txt", f"broken {self.CANARY}".encode())
        rig.run(determine=raising(ValueError(self.CANARY)))
        assert "Wilhelmina" not in str(rig.dead()[0]["data"])


class TestHints:
    def test_a_claim_without_a_file_is_gone(self, rig: Rig) -> None:
        nobody = rig.new_claim_id()
        assert rig.run(nobody).results == {nobody: "gone"}
        assert rig.memory.counts().seen == 0

    def test_a_hint_that_is_repeated_changes_nothing(self, rig: Rig) -> None:
        one = rig.claim("letter.txt", b"a letter")
        worker = rig.pipeline()
        assert worker.run([one, one]).results == {one: "published"}
        before = (rig.files(), rig.memory.counts())
        assert [worker.run([one]).results for _ in range(5)] == [{one: "gone"}] * 5
        assert (rig.files(), rig.memory.counts()) == before

    def test_without_the_folder_the_share_is_away(self, rig: Rig) -> None:
        (rig.share / "claimed").rmdir()
        with pytest.raises(FileNotFoundError):
            rig.run(rig.new_claim_id())
