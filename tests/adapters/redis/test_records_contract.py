"""What every adapter of `Records` does, on the in-memory twin and on every server: the delivery protocol, step by step.

After each test the counts must close (see `conftest.records`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tests.support.letters import (
    LONG_MS,
    RUN_OUT_MS,
    burying,
    claim,
    deciding,
    digest,
    lease,
    publishing,
    superseding,
)
from worker.contract.event import Action
from worker.processing.records import (
    Begun,
    Finish,
    Finished,
    Lease,
    Record,
    RecordDamaged,
    Records,
    Resolved,
)

MOST = 3


def begin(records: Records, one: Lease, *, lease_ms: int = LONG_MS, alone: bool = False) -> Begun:
    (answer,) = records.begin([one], lease_ms=lease_ms, max_attempts=MOST, alone=alone)
    assert isinstance(answer, Begun)
    return answer


def finish(records: Records, one: Finish) -> Finished:
    (answer,) = records.finish([one])
    assert isinstance(answer, Finished)
    return answer


def known(records: Records, content: str) -> Record:
    found = records.record(digest(content))
    assert found is not None
    return found


def counted(records: Records) -> dict[str, int]:
    """The counters that are not zero."""
    fields = dataclasses.asdict(records.counts())
    numbers = {**fields, "open": len(fields.pop("open_claims"))}
    return {name: number for name, number in numbers.items() if isinstance(number, int) and number}


def published(records: Records, content: str, claim_id: str) -> Lease:
    one = lease(content, claim_id)
    assert begin(records, one).reply == "go"
    assert finish(records, publishing(one)).reply == "finished"
    return one


def dead(records: Records, content: str, claim_id: str, path: str = "review/letter.txt") -> Lease:
    one = lease(content, claim_id)
    assert begin(records, one).reply == "go"
    assert finish(records, burying(one, path)).reply == "finished"
    return one


class TestBegin:
    def test_a_new_letter_goes_with_its_first_attempt_counted(self, records: Records) -> None:
        answer = begin(records, lease("a", claim()))
        assert answer == Begun("go", None, revision=1, attempts=1, entry="", named="plain")
        assert known(records, "a").state == "working"
        assert counted(records) == {"seen": 1, "open": 1}

    def test_a_letter_that_somebody_works_on_is_held(self, records: Records) -> None:
        a = claim()
        begin(records, lease("a", a))
        assert begin(records, lease("a", a)).reply == "held"
        assert begin(records, lease("a", claim()), alone=True).reply == "held"
        assert known(records, "a").attempts == 1
        assert counted(records) == {"seen": 1, "open": 1}

    def test_a_repeated_call_whose_reply_was_lost_is_held_until_the_lease_runs_out(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one)
        assert begin(records, one).reply == "held"
        assert known(records, "a").attempts == 1

    def test_a_letter_that_was_tried_before_is_tried_again_alone(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        again = begin(records, one)
        assert (again.reply, again.state, again.attempts) == ("alone", "working", 1)
        assert begin(records, one, alone=True).reply == "go"
        assert known(records, "a").attempts == 2

    def test_a_letter_that_kills_its_worker_each_time_ends_as_poison(self, records: Records) -> None:
        one = lease("a", claim())
        asked = [begin(records, one, lease_ms=RUN_OUT_MS, alone=True) for _ in range(5)]
        assert [answer.reply for answer in asked] == ["go", "go", "go", "poison", "poison"]
        assert [answer.attempts for answer in asked] == [1, 2, 3, 3, 3]

    def test_poison_grants_the_lease_for_the_dead_letter(self, records: Records) -> None:
        one = lease("a", claim())
        for _ in range(MOST):
            begin(records, one, lease_ms=RUN_OUT_MS, alone=True)
        last = lease("a", one.claim_id)
        assert begin(records, last, alone=True).reply == "poison"
        assert begin(records, one, alone=True).reply == "held"
        assert finish(records, burying(last, code="poison")).reply == "finished"
        assert known(records, "a").attempts == MOST

    def test_a_killer_letter_spends_only_its_own_attempts(self, records: Records) -> None:
        killer, *others = (lease(name, claim(index)) for index, name in enumerate("kabc"))
        records.begin([killer, *others], lease_ms=RUN_OUT_MS, max_attempts=MOST)
        for _ in range(6):  # each time the worker dies over the killer, before it comes to the others
            answers = records.begin([killer, *others], lease_ms=LONG_MS, max_attempts=MOST)
            assert {answer.reply for answer in answers if isinstance(answer, Begun)} == {"alone"}
            begin(records, killer, lease_ms=RUN_OUT_MS, alone=True)
        assert begin(records, killer, alone=True).reply == "poison"
        assert [known(records, name).attempts for name in "abc"] == [1, 1, 1]

    def test_a_finished_letter_is_done_for_the_claim_that_finished_it(self, records: Records) -> None:
        one = published(records, "a", claim())
        answer = begin(records, lease("a", one.claim_id))
        assert (answer.reply, answer.state, answer.entry) == ("done", "published", known(records, "a").entry)
        assert counted(records) == {"seen": 1, "published": 1}

    @pytest.mark.parametrize("calls", [1, 2, 100])
    def test_a_copy_is_a_duplicate_and_counted_once_however_often_it_is_asked_about(
        self, records: Records, calls: int
    ) -> None:
        published(records, "a", claim(1))
        copy = lease("a", claim(2))
        answers = [begin(records, copy) for _ in range(calls)]
        assert {(answer.reply, answer.state) for answer in answers} == {("duplicate", "published")}
        assert counted(records) == {"seen": 2, "published": 1, "duplicate": 1}

    def test_every_copy_is_a_duplicate_of_its_own(self, records: Records) -> None:
        published(records, "a", claim(1))
        records.begin([lease("a", claim(n)) for n in range(2, 7)], lease_ms=LONG_MS, max_attempts=MOST)
        assert counted(records) == {"seen": 6, "published": 1, "duplicate": 5}

    def test_of_two_copies_in_one_batch_the_second_is_held(self, records: Records) -> None:
        answers = records.begin([lease("a", claim(1)), lease("a", claim(2))], lease_ms=LONG_MS, max_attempts=MOST)
        assert [answer.reply for answer in answers if isinstance(answer, Begun)] == ["go", "held"]
        assert counted(records) == {"seen": 1, "open": 1}

    def test_a_copy_takes_over_when_the_lease_has_run_out(self, records: Records) -> None:
        first, copy = claim(1), claim(2)
        begin(records, lease("a", first), lease_ms=RUN_OUT_MS)
        assert begin(records, lease("a", copy), alone=True).attempts == 2
        assert records.counts().open_claims == {copy}
        assert counted(records) == {"seen": 1, "open": 1}

    def test_who_was_taken_over_is_the_duplicate_in_the_end(self, records: Records) -> None:
        first, copy = lease("a", claim(1)), lease("a", claim(2))
        begin(records, first, lease_ms=RUN_OUT_MS)
        begin(records, copy, alone=True)
        finish(records, publishing(copy))
        assert begin(records, first).reply == "duplicate"
        assert counted(records) == {"seen": 2, "published": 1, "duplicate": 1}

    def test_a_counted_duplicate_that_takes_a_redriven_letter_over_is_no_duplicate_any_more(
        self, records: Records
    ) -> None:
        first, copy = claim(1), claim(2)
        dead(records, "a", first)
        begin(records, lease("a", copy))
        records.resolve(deciding("redrive", "a"))
        begin(records, lease("a", copy))
        assert records.counts().open_claims == {copy}
        assert counted(records) == {"seen": 1, "open": 1}

    def test_a_batch_is_answered_in_its_order(self, records: Records) -> None:
        done, held = published(records, "done", claim(1)), lease("held", claim(2))
        begin(records, held)
        new = lease("new", claim(3))
        answers = records.begin([held, done, new], lease_ms=LONG_MS, max_attempts=MOST)
        assert [answer.reply for answer in answers if isinstance(answer, Begun)] == ["held", "done", "go"]

    def test_an_empty_batch_has_no_answers(self, records: Records) -> None:
        assert records.begin([], lease_ms=LONG_MS, max_attempts=MOST) == []
        assert records.finish([]) == []
        assert records.prolong([], lease_ms=LONG_MS) == []
        records.release([])
        assert counted(records) == {}


class TestFinish:
    def test_a_published_letter_is_an_entry_and_a_state_in_one(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one)
        answer = finish(records, publishing(one))
        assert (answer.reply, answer.state) == ("finished", "published")
        assert known(records, "a") == Record(digest("a"), "published", one.claim_id, 1, 1, 0, answer.entry, "plain", "")
        assert counted(records) == {"seen": 1, "published": 1}

    def test_a_dead_letter_has_its_code_its_name_and_its_event(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one)
        answer = finish(records, burying(one, code="no_text"))
        assert (answer.reply, answer.state, answer.named) == ("finished", "dead", "plain")
        assert known(records, "a").code == "no_text"
        assert records.dead_letter_event(answer.entry) == b'{"a":"dead letter"}'
        assert counted(records) == {"seen": 1, "dead": 1}

    @pytest.mark.parametrize("calls", [1, 2, 10])
    def test_a_call_whose_reply_was_lost_returns_the_same_entry(self, records: Records, calls: int) -> None:
        one = lease("a", claim())
        begin(records, one)
        entry = finish(records, publishing(one)).entry
        for _ in range(calls):
            assert finish(records, publishing(one)) == Finished("done", entry, "published", "plain")
        assert counted(records) == {"seen": 1, "published": 1}

    def test_who_never_began_is_fenced(self, records: Records) -> None:
        answer = finish(records, publishing(lease("a", claim())))
        assert answer == Finished("fenced", "", None, "plain")
        assert records.record(digest("a")) is None
        assert counted(records) == {}

    def test_a_worker_whose_lease_ran_out_may_finish_while_nobody_else_began(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        assert finish(records, publishing(one)).reply == "finished"

    def test_a_worker_is_fenced_once_another_began(self, records: Records) -> None:
        slow, quick = lease("a", claim_id := claim()), lease("a", claim_id)
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, quick, alone=True)
        assert finish(records, publishing(slow)).reply == "fenced"
        assert counted(records) == {"seen": 1, "open": 1}
        assert finish(records, publishing(quick)).reply == "finished"

    def test_who_comes_second_under_the_same_claim_learns_what_stands(self, records: Records) -> None:
        slow, quick = lease("a", claim_id := claim()), lease("a", claim_id)
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, quick, alone=True)
        stands = finish(records, burying(quick))
        assert finish(records, publishing(slow)) == Finished("done", stands.entry, "dead", "plain")
        assert counted(records) == {"seen": 1, "dead": 1}

    def test_who_comes_second_under_the_claim_of_a_copy_is_fenced(self, records: Records) -> None:
        slow, copy = lease("a", claim(1)), lease("a", claim(2))
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, copy, alone=True)
        finish(records, publishing(copy))
        assert finish(records, publishing(slow)).reply == "fenced"

    def test_a_worker_of_an_earlier_revision_is_fenced(self, records: Records) -> None:
        one = dead(records, "a", claim())
        records.resolve(deciding("redrive", "a"))
        again = lease("a", one.claim_id)
        assert begin(records, again).revision == 2
        assert finish(records, publishing(one, revision=1)).reply == "fenced"
        assert finish(records, publishing(again, revision=1)).reply == "fenced"
        assert finish(records, publishing(again, revision=2)).reply == "finished"

    def test_who_gave_a_letter_back_is_fenced(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one)
        records.release([one])
        assert finish(records, publishing(one)).reply == "fenced"

    def test_one_fenced_letter_leaves_the_others_of_the_batch(self, records: Records) -> None:
        one, stranger, other = lease("a", claim(1)), lease("x", claim(2)), lease("b", claim(3))
        records.begin([one, other], lease_ms=LONG_MS, max_attempts=MOST)
        answers = records.finish([publishing(one), publishing(stranger), publishing(other)])
        assert [one.reply for one in answers if isinstance(one, Finished)] == ["finished", "fenced", "finished"]


class TestNamesInReview:
    def test_a_name_that_another_letter_has_is_taken(self, records: Records) -> None:
        dead(records, "a", claim(1), "review/scan.pdf")
        second = lease("b", claim(2))
        begin(records, second)
        assert finish(records, burying(second, "review/scan.pdf")) == Finished("taken", "", "working", "plain")
        assert counted(records) == {"seen": 2, "dead": 1, "open": 1}

    def test_with_its_claim_id_a_name_is_always_free(self, records: Records) -> None:
        """The file of a claim may have been written to and be another letter now: the name is still this claim's."""
        for content in "ab":
            one = lease(content, claim(1))
            begin(records, one)
            path = f"review/{one.claim_id}~scan.pdf"
            assert finish(records, burying(one, path, named="claim")).named == "claim"

    def test_a_letter_has_the_same_name_again_after_a_redrive(self, records: Records) -> None:
        one = dead(records, "a", claim(), "review/scan.pdf")
        records.resolve(deciding("redrive", "a", path="review/scan.pdf"))
        again = lease("a", one.claim_id)
        begin(records, again)
        assert finish(records, burying(again, "review/scan.pdf", revision=2)).reply == "finished"

    @pytest.mark.parametrize("action", ["redrive", "discard"])
    def test_a_decision_frees_the_name(self, records: Records, action: Action) -> None:
        dead(records, "a", claim(1), "review/scan.pdf")
        records.resolve(deciding(action, "a", path="review/scan.pdf"))
        dead(records, "b", claim(2), "review/scan.pdf")

    def test_a_decision_never_frees_the_name_of_another_letter(self, records: Records) -> None:
        dead(records, "a", claim(1), "review/scan.pdf")
        dead(records, "b", claim(2), "review/other.pdf")
        records.resolve(deciding("discard", "b", path="review/scan.pdf"))
        third = lease("c", claim(3))
        begin(records, third)
        assert finish(records, burying(third, "review/scan.pdf")).reply == "taken"

    def test_a_restored_letter_needs_another_name_if_its_own_was_given_away(self, records: Records) -> None:
        dead(records, "a", claim(1), "review/scan.pdf")
        records.resolve(deciding("discard", "a", path="review/scan.pdf"))
        dead(records, "b", claim(2), "review/scan.pdf")
        before = counted(records)
        asked = deciding("restore", "a", decisions=1, path="review/scan.pdf")
        assert records.resolve(asked) == Resolved("taken", "discarded", 1, 1, "plain")
        assert counted(records) == before
        again = dataclasses.replace(asked, named="claim", review_path="review/claim~scan.pdf")
        assert records.resolve(again) == Resolved("resolved", "dead", 1, 2, "claim")


class TestProlong:
    def test_a_lease_is_kept_by_its_token(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        assert records.prolong([one], lease_ms=LONG_MS) == [True]
        assert begin(records, lease("a", one.claim_id), alone=True).reply == "held"

    def test_a_lease_that_went_to_another_is_not_kept(self, records: Records) -> None:
        slow, quick = lease("a", claim_id := claim()), lease("a", claim_id)
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, quick, lease_ms=RUN_OUT_MS, alone=True)
        assert records.prolong([slow, quick], lease_ms=LONG_MS) == [False, True]

    @pytest.mark.parametrize("ending", ["finish", "release", "never begun"])
    def test_what_is_not_held_is_not_kept(self, records: Records, ending: str) -> None:
        one = lease("a", claim())
        if ending != "never begun":
            begin(records, one)
        if ending == "finish":
            finish(records, publishing(one))
        if ending == "release":
            records.release([one])
        assert records.prolong([one], lease_ms=LONG_MS) == [False]


class TestRelease:
    def test_a_letter_given_back_goes_at_once_and_its_attempt_is_not_counted(self, records: Records) -> None:
        one = lease("a", claim())
        for _ in range(2 * MOST):
            assert begin(records, one).attempts == 1
            records.release([one])
        assert (known(records, "a").state, known(records, "a").attempts) == ("waiting", 0)
        assert counted(records) == {"seen": 1, "open": 1}

    def test_only_this_attempt_is_taken_back(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        begin(records, one, alone=True)
        records.release([one])
        assert known(records, "a").attempts == 1

    def test_a_repeated_call_takes_nothing_more_back(self, records: Records) -> None:
        one = lease("a", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        begin(records, one, alone=True)
        records.release([one, one])
        records.release([one])
        assert known(records, "a").attempts == 1

    def test_poison_counted_no_attempt_so_none_is_taken_back(self, records: Records) -> None:
        one = lease("a", claim())
        for _ in range(MOST):
            begin(records, one, lease_ms=RUN_OUT_MS, alone=True)
        assert begin(records, one, alone=True).reply == "poison"
        records.release([one])
        assert begin(records, one, alone=True).reply == "poison"

    def test_an_incomplete_letter_is_given_back_until_patience_ends(self, records: Records) -> None:
        for _ in range(2 * MOST):
            one = lease("a", claim(1))
            assert begin(records, one).reply == "go"
            assert records.postpone(one, patience_ms=LONG_MS)
            assert (known(records, "a").state, known(records, "a").attempts) == ("waiting", 0)
            assert not records.postpone(one, patience_ms=LONG_MS), "it is nobody's any more"
        one = lease("a", claim(1))
        begin(records, one)
        assert not records.postpone(one, patience_ms=0)
        assert known(records, "a").state == "working", "and its holder buries it"
        assert finish(records, burying(one)).reply == "finished"
        assert counted(records) == {"seen": 1, "dead": 1}

    def test_there_is_no_patience_for_what_another_holds(self, records: Records) -> None:
        slow, quick = lease("a", claim_id := claim()), lease("a", claim_id)
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, quick, alone=True)
        assert not records.postpone(slow, patience_ms=LONG_MS)
        assert (known(records, "a").state, known(records, "a").attempts) == ("working", 2)

    def test_what_another_holds_is_not_given_back(self, records: Records) -> None:
        slow, quick = lease("a", claim_id := claim()), lease("a", claim_id)
        begin(records, slow, lease_ms=RUN_OUT_MS)
        begin(records, quick, alone=True)
        records.release([slow])
        assert (known(records, "a").state, known(records, "a").attempts) == ("working", 2)

    def test_what_is_finished_is_not_given_back(self, records: Records) -> None:
        one = published(records, "a", claim())
        records.release([one])
        assert known(records, "a").state == "published"

    def test_a_copy_takes_a_letter_that_was_given_back(self, records: Records) -> None:
        first, copy = lease("a", claim(1)), lease("a", claim(2))
        begin(records, first)
        records.release([first])
        assert begin(records, copy).reply == "go"
        assert records.counts().open_claims == {copy.claim_id}
        assert counted(records) == {"seen": 1, "open": 1}


class TestAFileThatIsWrittenToMeanwhile:
    """A claim's bytes can change under it: then it is another letter, and the earlier bytes are nowhere."""

    def test_a_claim_is_seen_once_whatever_its_bytes_were(self, records: Records) -> None:
        one = lease("first bytes", claim())
        begin(records, one)
        records.release([one])
        published(records, "final bytes", one.claim_id)
        assert counted(records) == {"seen": 1, "published": 1}

    def test_also_when_the_worker_of_the_first_bytes_was_killed(self, records: Records) -> None:
        one = lease("first bytes", claim())
        begin(records, one, lease_ms=RUN_OUT_MS)
        published(records, "final bytes", one.claim_id)
        assert counted(records) == {"seen": 1, "published": 1}

    def test_the_first_bytes_are_a_letter_when_they_come_again(self, records: Records) -> None:
        one = lease("first bytes", claim(1))
        begin(records, one, lease_ms=RUN_OUT_MS)
        other = lease("final bytes", one.claim_id)
        begin(records, other)
        again = lease("first bytes", claim(2))
        begin(records, again, alone=True)
        assert records.counts().open_claims == {one.claim_id, again.claim_id}
        records.finish([publishing(other), publishing(again)])
        assert counted(records) == {"seen": 2, "published": 2}

    def test_the_final_bytes_can_be_a_copy(self, records: Records) -> None:
        published(records, "final bytes", claim(1))
        one = lease("first bytes", claim(2))
        begin(records, one, lease_ms=RUN_OUT_MS)
        assert begin(records, lease("final bytes", one.claim_id)).reply == "duplicate"
        assert counted(records) == {"seen": 2, "published": 1, "duplicate": 1}

    def test_the_final_bytes_can_take_over_a_copy(self, records: Records) -> None:
        waiting, one = lease("final bytes", claim(1)), lease("first bytes", claim(2))
        records.begin([waiting, one], lease_ms=RUN_OUT_MS, max_attempts=MOST)
        begin(records, lease("final bytes", one.claim_id), alone=True)
        assert records.counts().open_claims == {one.claim_id}
        assert counted(records) == {"seen": 1, "open": 1}

    def test_a_worker_that_did_not_notice_still_finishes_its_letter(self, records: Records) -> None:
        first, final = lease("first bytes", claim_id := claim()), lease("final bytes", claim_id)
        begin(records, first)
        begin(records, final)
        assert finish(records, publishing(first)).reply == "finished"
        assert counted(records) == {"seen": 2, "published": 1, "open": 1}
        assert finish(records, publishing(final)) == Finished("earlier", f"{first.digest}:1", "working", "plain")
        assert finish(records, publishing(final, earlier=f"{first.digest}:1")).reply == "finished"
        assert counted(records) == {"seen": 2, "published": 2}

    def test_bytes_that_change_there_and_back(self, records: Records) -> None:
        one = published(records, "a", claim())
        begin(records, lease("b", one.claim_id), lease_ms=RUN_OUT_MS)
        assert begin(records, lease("a", one.claim_id)).reply == "done"
        assert counted(records) == {"seen": 1, "published": 1}

    def test_the_dead_letter_of_the_first_bytes_has_no_file_to_redrive(self, records: Records) -> None:
        one = dead(records, "first bytes", claim())
        begin(records, lease("final bytes", one.claim_id))
        assert records.resolve(deciding("redrive", "first bytes")).reply == "resolved"
        assert counted(records) == {"seen": 1, "open": 1}


def finished(records: Records) -> frozenset[str]:
    return records.counts().finished_claims


class TestFinishedAndNotFiled:
    @pytest.mark.parametrize("make", [published, dead])
    def test_a_claim_stands_there_from_its_outcome_on(self, records: Records, make: Callable[..., Lease]) -> None:
        one = make(records, "a", claim())
        assert finished(records) == {one.claim_id}

    def test_what_is_worked_on_does_not(self, records: Records) -> None:
        begin(records, lease("a", claim()))
        assert finished(records) == set()

    def test_a_copy_does_too(self, records: Records) -> None:
        one, copy = published(records, "a", claim(1)), lease("a", claim(2))
        begin(records, copy)
        assert finished(records) == {one.claim_id, copy.claim_id}

    def test_a_redriven_letter_is_open_again(self, records: Records) -> None:
        dead(records, "a", claim())
        records.resolve(deciding("redrive", "a"))
        assert finished(records) == set()

    def test_a_discarded_one_stays_until_it_is_filed(self, records: Records) -> None:
        one = dead(records, "a", claim())
        records.resolve(deciding("discard", "a"))
        assert finished(records) == {one.claim_id}


class TestSupersede:
    """A file was written to after its letter was told of, and before it was filed away."""

    @pytest.mark.parametrize("make", [published, dead])
    def test_the_final_bytes_are_finished_once_the_earlier_ones_are_settled(
        self, records: Records, make: Callable[..., Lease]
    ) -> None:
        one = make(records, "first", claim())
        final = lease("final", one.claim_id)
        assert begin(records, final) == Begun("go", None, 1, 1, "", "plain", "")
        earlier = f"{one.digest}:1"
        assert finish(records, publishing(final)) == Finished("earlier", earlier, "working", "plain")
        assert records.resolve(superseding("first", final)) == Resolved("resolved", "waiting", 2, 0, "plain")
        assert finish(records, publishing(final, earlier=earlier)).reply == "finished"
        assert counted(records) == {"seen": 1, "published": 1}
        assert known(records, "first").superseded == final.digest

    def test_a_repeated_call_is_the_first_one(self, records: Records) -> None:
        one = dead(records, "first", claim())
        final = lease("final", one.claim_id)
        begin(records, final)
        answers = [records.resolve(superseding("first", final)) for _ in range(3)]
        assert answers == [Resolved("resolved", "waiting", 2, 0, "plain")] * 3
        assert counted(records) == {"seen": 1, "open": 1}

    def test_it_is_found_again_after_a_crash_at_any_point(self, records: Records) -> None:
        one = published(records, "first", claim())
        final, earlier = lease("final", one.claim_id), f"{one.digest}:1"
        begin(records, final, lease_ms=RUN_OUT_MS)
        for _ in range(MOST - 1):
            final = lease("final", one.claim_id)
            begin(records, final, lease_ms=RUN_OUT_MS, alone=True)
            assert finish(records, publishing(final)).entry == earlier
            assert records.resolve(superseding("first", final)).reply == "resolved"
        assert finish(records, publishing(final, earlier=earlier)).reply == "finished"
        assert finish(records, publishing(final, earlier=earlier)).reply == "done"
        assert counted(records) == {"seen": 1, "published": 1}

    @pytest.mark.parametrize("make", [published, dead])
    def test_its_bytes_are_the_next_revision_when_they_come_again(
        self, records: Records, make: Callable[..., Lease]
    ) -> None:
        one = make(records, "first", claim(1))
        final = lease("final", one.claim_id)
        begin(records, final)
        records.resolve(superseding("first", final))
        again = lease("first", claim(2))
        answer = begin(records, again)
        assert (answer.reply, answer.revision, answer.attempts) == ("go", 2, 1)
        assert finish(records, publishing(again, revision=2)).reply == "finished"
        assert known(records, "first").superseded == ""
        assert counted(records) == {"seen": 2, "published": 1, "open": 1}

    def test_the_name_of_a_dead_letter_is_free_again(self, records: Records) -> None:
        one = dead(records, "first", claim(1), "review/scan.pdf")
        final = lease("final", one.claim_id)
        begin(records, final)
        records.resolve(superseding("first", final, path="review/scan.pdf"))
        assert finish(records, burying(final, "review/scan.pdf", earlier=f"{one.digest}:1")).reply == "finished"

    def test_a_published_letter_with_copies_stands(self, records: Records) -> None:
        one = published(records, "first", claim(1))
        begin(records, lease("first", claim(2)))
        final = lease("final", one.claim_id)
        begin(records, final)
        before = counted(records)
        assert records.resolve(superseding("first", final)) == Resolved("stands", "published", 1, 0, "plain")
        assert counted(records) == before
        assert finish(records, publishing(final, earlier=f"{one.digest}:1")).reply == "finished"

    def test_final_bytes_that_are_a_copy_wait_until_the_earlier_ones_are_settled(self, records: Records) -> None:
        published(records, "final", claim(1))
        one = dead(records, "first", claim(2))
        copy = lease("final", one.claim_id)
        assert (begin(records, copy).reply, begin(records, copy).earlier) == ("duplicate", f"{one.digest}:1")
        records.resolve(superseding("first", copy))
        answer = begin(records, copy)
        assert (answer.reply, answer.earlier) == ("duplicate", "")
        assert one.claim_id in finished(records)
        assert counted(records) == {"seen": 2, "published": 1, "duplicate": 1}

    def test_a_copy_that_is_written_to_supersedes_nothing(self, records: Records) -> None:
        published(records, "first", claim(1))
        copy = lease("first", claim(2))
        begin(records, copy)
        final = lease("final", copy.claim_id)
        begin(records, final)
        assert finish(records, publishing(final)).reply == "finished"

    def test_what_is_no_more_is_let_go_of(self, records: Records) -> None:
        published(records, "final", claim(1))
        one = dead(records, "first", claim(2))
        copy = lease("final", one.claim_id)
        assert begin(records, copy).earlier == f"{one.digest}:1"
        assert records.resolve(superseding("first", copy, revision=7)).reply == "conflict"
        assert begin(records, copy).earlier == ""

    def test_what_a_person_decided_meanwhile_is_looked_at_again(self, records: Records) -> None:
        one = dead(records, "first", claim())
        final = lease("final", one.claim_id)
        begin(records, final)
        records.resolve(deciding("discard", "first"))
        assert records.resolve(superseding("first", final)).reply == "conflict"
        assert records.resolve(superseding("first", final, decisions=1)).reply == "resolved"
        assert counted(records) == {"seen": 1, "open": 1}


class TestResolve:
    def test_a_redrive_begins_the_next_revision_with_all_its_attempts(self, records: Records) -> None:
        one = lease("a", claim())
        for _ in range(MOST):
            begin(records, one, lease_ms=RUN_OUT_MS, alone=True)
        begin(records, one, alone=True)
        finish(records, burying(one, code="poison"))
        assert records.resolve(deciding("redrive", "a")) == Resolved("resolved", "waiting", 2, 0, "plain")
        assert counted(records) == {"seen": 1, "open": 1}
        answer = begin(records, lease("a", one.claim_id))
        assert (answer.reply, answer.state, answer.revision, answer.attempts) == ("go", "waiting", 2, 1)

    def test_a_redriven_letter_can_be_published(self, records: Records) -> None:
        one = dead(records, "a", claim())
        records.resolve(deciding("redrive", "a"))
        again = lease("a", one.claim_id)
        begin(records, again)
        assert finish(records, publishing(again, revision=2)).reply == "finished"
        assert counted(records) == {"seen": 1, "published": 1}
        assert known(records, "a").code == ""

    def test_discarded_is_a_state_that_a_person_can_undo(self, records: Records) -> None:
        dead(records, "a", claim())
        assert records.resolve(deciding("discard", "a")) == Resolved("resolved", "discarded", 1, 1, "plain")
        assert counted(records) == {"seen": 1, "discarded": 1}
        assert records.resolve(deciding("restore", "a", decisions=1)) == Resolved("resolved", "dead", 1, 2, "plain")
        assert counted(records) == {"seen": 1, "dead": 1}

    def test_a_discarded_letter_can_be_redriven(self, records: Records) -> None:
        dead(records, "a", claim())
        records.resolve(deciding("discard", "a"))
        assert records.resolve(deciding("redrive", "a", decisions=1)).revision == 2
        assert counted(records) == {"seen": 1, "open": 1}

    def test_of_two_reviewers_one_wins(self, records: Records) -> None:
        dead(records, "a", claim())
        assert records.resolve(deciding("discard", "a")).reply == "resolved"
        assert records.resolve(deciding("redrive", "a")) == Resolved("conflict", "discarded", 1, 1, "plain")
        assert counted(records) == {"seen": 1, "discarded": 1}

    @pytest.mark.parametrize("action", ["redrive", "discard"])
    def test_a_decision_whose_reply_was_lost_is_taken_once(self, records: Records, action: Action) -> None:
        dead(records, "a", claim())
        decision = deciding(action, "a")
        first = records.resolve(decision)
        before = counted(records)
        assert [records.resolve(decision) for _ in range(3)] == [first] * 3
        assert first.reply == "resolved"
        assert counted(records) == before

    @pytest.mark.parametrize("action", ["redrive", "discard"])
    def test_the_same_decision_by_somebody_else_is_a_conflict(self, records: Records, action: Action) -> None:
        dead(records, "a", claim())
        assert records.resolve(deciding(action, "a")).reply == "resolved"
        before = counted(records)
        assert records.resolve(deciding(action, "a")).reply == "conflict"
        assert records.resolve(dataclasses.replace(deciding(action, "a"), token="")).reply == "conflict"
        assert counted(records) == before

    def test_a_decision_is_known_again_until_the_next_one(self, records: Records) -> None:
        dead(records, "a", claim())
        discard, restore = deciding("discard", "a"), deciding("restore", "a", decisions=1)
        records.resolve(discard)
        records.resolve(restore)
        assert records.resolve(restore) == Resolved("resolved", "dead", 1, 2, "plain")
        assert records.resolve(discard).reply == "conflict"
        assert counted(records) == {"seen": 1, "dead": 1}

    @pytest.mark.parametrize("action", ["redrive", "discard", "restore"])
    @pytest.mark.parametrize("state", [None, "working", "waiting", "published"])
    def test_only_what_is_dead_is_decided_about(self, records: Records, action: Action, state: str | None) -> None:
        one = lease("a", claim())
        if state is not None:
            begin(records, one)
        if state == "waiting":
            records.release([one])
        if state == "published":
            finish(records, publishing(one))
        before = counted(records)
        answer = records.resolve(deciding(action, "a"))
        assert (answer.reply, answer.state) == ("conflict", state)
        assert counted(records) == before

    def test_what_is_dead_cannot_be_restored(self, records: Records) -> None:
        dead(records, "a", claim())
        assert records.resolve(deciding("restore", "a")).reply == "conflict"

    def test_a_decision_is_an_entry_of_the_dead_letter_stream(self, records: Records) -> None:
        one = dead(records, "a", claim())
        records.resolve(deciding("discard", "a"))
        entry = known(records, "a").entry
        assert records.dead_letter_event(entry) == b'{"a":"dead letter"}', "the letter keeps its own entry"
        assert begin(records, lease("a", one.claim_id)).state == "discarded"

    def test_a_copy_of_a_dead_letter_is_a_duplicate(self, records: Records) -> None:
        dead(records, "a", claim(1))
        answer = begin(records, lease("a", claim(2)))
        assert (answer.reply, answer.state) == ("duplicate", "dead")


def test_what_was_never_seen_has_no_record(records: Records) -> None:
    assert records.record(digest("a")) is None


def test_an_entry_that_is_not_there_has_no_event(records: Records) -> None:
    assert records.dead_letter_event("1-1") is None


def test_answers_are_verdicts_where_nothing_is_damaged(records: Records) -> None:
    answers = records.begin([lease("a", claim())], lease_ms=LONG_MS, max_attempts=MOST)
    assert not any(isinstance(answer, RecordDamaged) for answer in answers)


def test_letters_that_a_fault_of_ours_stopped_are_counted_while_they_wait_for_a_person(records: Records) -> None:
    for number, code in enumerate(("internal", "internal", "empty")):
        one = lease(str(number), claim(number))
        begin(records, one)
        finish(records, burying(one, f"review/{number}.txt", code=code))
    assert records.counts().internal == 2
    records.resolve(deciding("discard", "0", path="review/0.txt"))
    assert records.counts().internal == 1
    records.resolve(deciding("restore", "0", decisions=1, path="review/0.txt"))
    assert records.counts().internal == 2
    records.resolve(deciding("redrive", "0", decisions=2, path="review/0.txt"))
    records.resolve(deciding("discard", "1", path="review/1.txt"))
    records.resolve(deciding("redrive", "1", decisions=1, path="review/1.txt"))
    assert records.counts().internal == 0
    records.resolve(deciding("discard", "2", path="review/2.txt"))
    assert records.counts().internal == 0
