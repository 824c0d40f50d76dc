"""`imr explain` on a real share with real records: each state that a letter can be in, and an answer without Redis."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from tests.support.letters import LONG_MS, digest
from tests.support.rig import MOST, PACIFIC, Rig
from tests.support.servers import Server
from worker.adapters.redis.lookup import Lookup
from worker.adapters.redis.producer_reports import ProducerReport
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.completion_rule import CompletionRule
from worker.adapters.share.pause import Pause, write_pause
from worker.adapters.share.spool import Spool
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.names import Keys
from worker.operations.locate.explainer import Explainer
from worker.operations.locate.explanation import Explanation, NotFound, NotUnique
from worker.operations.locate.inbox import InboxRules
from worker.operations.review import ReviewDesk
from worker.processing.records import Lease
from worker.processing.work_item import letter_id

KEYS = Keys("imr")
GOOD, BROKEN = b"a good letter", b"broken"


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as client:
        yield client


@pytest.fixture
def rig(client: redis.Redis, tmp_path: Path) -> Rig:
    return Rig(tmp_path, RedisRecords(client, KEYS))


Explain = Callable[[str], Explanation]


@pytest.fixture
def explain(rig: Rig, client: redis.Redis) -> Explain:
    return explainer(rig, lambda: Lookup(client, KEYS)).explain


def explainer(rig: Rig, connect: Callable[[], Lookup]) -> Explainer:
    rules = InboxRules(CompletionRule("quiet", 2.0), max_scan_s=30.0, max_letter_bytes=1_000_000)
    return Explainer(spool=Spool(rig.share), connect=connect, rules=rules, zone=PACIFIC, wall_clock_s=time.time)


def no_server() -> Lookup:
    raise StartRefused([Problem("no Redis is set", "set IMR_REDIS_URL")])


def report(client: redis.Redis, **told: object) -> None:
    """What a producer says every few seconds."""
    client.hset(KEYS.producers, "host:1", ProducerReport(at_ms=time.time_ns() // 1_000_000, **told).encode())  # type: ignore[arg-type]


def drop(rig: Rig, name: str, *, age_s: float = 60) -> None:
    path = rig.share / "inbox" / name
    path.write_bytes(GOOD)
    os.utime(path, (time.time() - age_s,) * 2)


def desk(rig: Rig) -> ReviewDesk:
    return ReviewDesk(
        spool=Spool(rig.share),
        records=rig.records,
        site="site",
        decided_by="examiner",
        wall_clock=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC),
    )


class TestInTheInbox:
    def test_a_complete_file_waits_for_a_running_producer(
        self, rig: Rig, explain: Explain, client: redis.Redis
    ) -> None:
        drop(rig, "a.pdf")
        report(client)
        answer = explain("a.pdf")
        assert (answer.where, answer.state, answer.path) == ("inbox", "waiting", "inbox/a.pdf")
        assert answer.facts == {"size_bytes": len(GOOD)}
        assert answer.since is not None
        assert abs(answer.since.timestamp() - time.time()) < 60

    def test_without_a_producer_it_says_so(self, rig: Rig, explain: Explain) -> None:
        drop(rig, "a.pdf")
        assert explain("a.pdf").waits_for == ("a producer: none is running (`imr up` or `imr watch`)",)

    def test_what_holds_the_producers_is_shown_and_a_pause_once(
        self, rig: Rig, explain: Explain, client: redis.Redis
    ) -> None:
        drop(rig, "a.pdf")
        report(client, hold="the workers are behind", trouble="the share is away")
        reason = "what holds the producer: "
        assert explain("a.pdf").waits_for == (f"{reason}the share is away", f"{reason}the workers are behind")
        write_pause(rig.share, Pause("alice", datetime(2026, 11, 22, 12, tzinfo=UTC), "moving"))
        report(client, hold="paused by an operator")
        (paused,) = explain("a.pdf").waits_for
        assert (
            paused
            == "an operator: paused by alice since 2026-11-22T12:00+00:00 (moving); `imr resume` opens the intake"
        )

    def test_one_that_is_written_to_settles(self, rig: Rig, explain: Explain) -> None:
        drop(rig, "a.pdf", age_s=0)
        assert explain("a.pdf").state == "settling"

    def test_an_ignored_name_is_explained_by_its_rule(self, rig: Rig, explain: Explain) -> None:
        drop(rig, "a.part")
        answer = explain("inbox/a.part")
        assert answer.state == "ignored"
        assert "*.part" in answer.waits_for[0]

    def test_a_link_is_announced_before_it_is_refused(self, rig: Rig, explain: Explain) -> None:
        (rig.share / "inbox" / "link.pdf").symlink_to("/etc/passwd")
        assert "`symbolic_link`" in explain("link.pdf").notes[0]


class TestClaimed:
    def test_one_that_nobody_has_begun(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD, folder="clinic")
        for wanted in (claim_id, claim_id.upper(), "clinic/a.pdf", "a.pdf"):
            answer = explain(wanted)
            assert (answer.where, answer.state) == ("claimed", "waiting")
            assert answer.facts["claim_id"] == claim_id
        assert answer.since is not None
        assert answer.since.year == 2024, "when it was claimed, as its claim id says"

    def test_one_that_a_worker_has(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD)
        lease = Lease(digest(GOOD.decode()), claim_id, "token")
        rig.records.begin([lease], lease_ms=LONG_MS, max_attempts=MOST)
        answer = explain(claim_id)
        assert (answer.state, answer.facts["attempts"]) == ("working", 1)
        assert "3600 s more" in answer.waits_for[0]

    def test_one_whose_worker_died_and_one_that_was_given_back(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD)
        lease = Lease(digest(GOOD.decode()), claim_id, "token")
        rig.records.begin([lease], lease_ms=-5000, max_attempts=MOST)
        assert explain(claim_id).state == "orphaned"
        assert "ran out 5 s ago" in explain(claim_id).sentence
        rig.records.release([lease])
        assert explain(claim_id).state == "retrying"

    def test_one_that_breaks_off(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD)
        lease = Lease(digest(GOOD.decode()), claim_id, "token")
        rig.records.begin([lease], lease_ms=LONG_MS, max_attempts=MOST)
        assert rig.records.postpone(lease, patience_ms=LONG_MS)
        answer = explain(claim_id)
        assert answer.state == "incomplete"
        assert answer.waits_for[0].startswith("the rest of it; without a change for 60 s more (IMR_INCOMPLETE_SECONDS)")

    def test_one_whose_outcome_is_recorded_and_a_copy_of_it(self, rig: Rig, explain: Explain) -> None:
        first = rig.claim("a.pdf", GOOD)
        rig.run()
        (archived,) = rig.letters()
        (rig.share / archived).rename(rig.claimed_path(first, "a.pdf"))
        second = rig.claim("b.pdf", GOOD)
        assert explain(first).waits_for == ("Redis, to have that on its disk, then a worker, to file it",)
        assert explain(second).waits_for == ("a worker, to file it as a duplicate",)
        assert first in explain(second).sentence

    def test_one_whose_file_is_gone(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD)
        lease = Lease(digest(GOOD.decode()), claim_id, "token")
        rig.records.begin([lease], lease_ms=LONG_MS, max_attempts=MOST)
        rig.claimed_path(claim_id, "a.pdf").unlink()
        answer = explain(claim_id)
        assert (answer.where, answer.state, answer.path) == ("nowhere", "working", None)


class TestFinished:
    def test_a_published_letter_by_path_name_claim_and_id(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", GOOD, folder="clinic")
        rig.run()
        (path,) = rig.letters()
        whole = digest(GOOD.decode())
        for wanted in (path, str(rig.share / path), "clinic/a.pdf", "a.pdf", claim_id, whole, f"{whole}:1", whole[:8]):
            answer = explain(wanted)
            assert (answer.where, answer.state, answer.path) == ("archive", "published", path), wanted
            assert (answer.facts["event_id"], answer.facts["claim_id"]) == (f"{whole}:1", claim_id)
        assert answer.waits_for == ()

    def test_one_whose_entry_was_trimmed_and_one_that_the_records_do_not_know(
        self, rig: Rig, explain: Explain, client: redis.Redis
    ) -> None:
        rig.claim("a.pdf", GOOD)
        rig.run()
        client.xtrim(KEYS.determinations, maxlen=0)
        assert explain("a.pdf").notes == ("Its entry was trimmed from the stream.",)
        client.flushall()
        assert explain("a.pdf").notes == ("It has no record: Redis was emptied or restored, or is another one.",)

    def test_a_duplicate_says_of_what(self, rig: Rig, explain: Explain) -> None:
        first = rig.claim("a.pdf", GOOD)
        rig.run()
        rig.claim("b.pdf", GOOD)
        rig.run()
        answer = explain("b.pdf")
        assert (answer.where, answer.state) == ("duplicates", "duplicate")
        assert answer.facts["duplicate_of"] == f"archive/2024/06/09/{first}~a.pdf"

    def test_a_dead_letter_says_what_a_person_can_do(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", BROKEN)
        rig.run()
        for wanted in ("a.pdf", "review/a.pdf", "review/a.pdf.error.txt", claim_id, digest("broken")[:8]):
            answer = explain(wanted)
            assert (answer.where, answer.state, answer.facts["code"]) == ("review", "dead", "issue_without_decision"), (
                wanted
            )
        assert answer.sentence == "The letter decides nothing."
        assert answer.waits_for[0].startswith("a person: Open the letter at the place given.")
        assert answer.facts["where"] == ["line 1, column 1: The letter decides nothing. [issue_without_decision]"]
        assert answer.facts["claim_id"] == claim_id

    def test_one_that_could_not_be_read_is_found_too(self, rig: Rig, explain: Explain) -> None:
        claim_id = rig.claim("a.pdf", b"")
        assert explain(claim_id).facts["id"] == letter_id(claim_id, None)
        rig.run()
        assert explain("a.pdf").facts["code"] == "empty"
        assert explain(letter_id(claim_id, None)[:10]).path == "review/a.pdf"

    def test_decisions_are_shown(self, rig: Rig, explain: Explain) -> None:
        rig.claim("a.pdf", BROKEN)
        rig.claim("b.pdf", BROKEN + b" otherwise")
        rig.run()
        for start in (digest("broken"), digest("broken otherwise")):
            desk(rig).discard(desk(rig).find(start), "not ours")
        answer = explain("a.pdf")
        assert (answer.where, answer.state, answer.waits_for) == ("discarded", "discarded", ())
        assert answer.sentence.startswith("Discarded by examiner: not ours.")
        assert answer.since == datetime(2026, 11, 22, 12, tzinfo=UTC)
        desk(rig).restore(desk(rig).find(digest("broken")), "ours after all")
        answer = explain("a.pdf")
        assert (answer.where, answer.state) == ("review", "dead")
        assert [(decision["action"], decision["reason"]) for decision in answer.facts["decisions"]] == [
            ("discard", "not ours"),
            ("restore", "ours after all"),
        ]

    def test_a_decision_that_a_crash_left_half_done_waits_for_the_sweep(self, rig: Rig, explain: Explain) -> None:
        rig.claim("a.pdf", BROKEN)
        rig.run()
        item = desk(rig).find(digest("broken"))
        desk(rig)._decide(item, "redrive", None)
        answer = explain("a.pdf")
        assert answer.state == "waiting"
        assert "sweep" in answer.waits_for[0]

    def test_a_replaced_one_says_by_what(self, rig: Rig, explain: Explain) -> None:
        rig.claim("a.pdf", BROKEN)
        rig.run()
        rig.claim("a.pdf", GOOD)
        rig.run()
        assert explain("review/a.pdf").facts["replaced_by"] == f"{digest(GOOD.decode())}:1"

    def test_a_letter_whose_file_was_taken_away(self, rig: Rig, explain: Explain) -> None:
        rig.claim("a.pdf", GOOD)
        rig.run()
        (path,) = rig.letters()
        (rig.share / path).unlink()
        answer = explain(digest(GOOD.decode())[:12])
        assert (answer.where, answer.state) == ("nowhere", "published")
        assert "somebody removed it" in answer.sentence

    def test_a_letter_whose_file_was_written_to_afterwards(
        self, rig: Rig, explain: Explain, client: redis.Redis
    ) -> None:
        rig.claim("a.pdf", GOOD)
        rig.run()
        client.hset(KEYS.letter(digest(GOOD.decode())), "superseded", "f" * 64)
        (path,) = rig.letters()
        (rig.share / path).unlink()
        assert f"it is the letter {'f' * 64} now" in explain(digest(GOOD.decode())).sentence

    def test_a_file_that_somebody_put_into_review_is_not_explained_away(self, rig: Rig, explain: Explain) -> None:
        (rig.share / "review" / "mine.pdf").write_bytes(GOOD)
        assert explain("review/mine.pdf").state == "unknown"


class TestNotFound:
    @pytest.mark.parametrize("wanted", ["nothing.pdf", "0123456789ab", "0" * 20, "/etc/passwd", "inbox", "f" * 64, ""])
    def test_nothing_is_made_up(self, explain: Explain, wanted: str) -> None:
        with pytest.raises(NotFound) as caught:
            explain(wanted)
        assert not caught.value.unsure

    def test_a_file_of_the_share_that_is_no_letter(self, rig: Rig, explain: Explain) -> None:
        (rig.share / "notes.txt").write_text("x")
        with pytest.raises(NotFound, match="where no letters are"):
            explain(str(rig.share / "notes.txt"))

    def test_several_of_a_name_are_listed(self, rig: Rig, explain: Explain) -> None:
        claims = [rig.claim("a.pdf", b"%d" % number) for number in range(2)]
        with pytest.raises(NotUnique) as caught:
            explain("a.pdf")
        assert sorted(caught.value.candidates) == sorted(f"claimed/{claim}~a.pdf" for claim in claims)

    def test_several_that_begin_alike_are_listed(self, explain: Explain, client: redis.Redis) -> None:
        ids = [f"abcdef{number}" + "0" * 57 for number in (1, 2)]
        for known_id in ids:
            client.hset(KEYS.letter(known_id), "state", "published")
        with pytest.raises(NotUnique) as caught:
            explain("abcdef")
        assert list(caught.value.candidates) == ids


class TestWithoutRedis:
    @pytest.mark.parametrize("how", ["none is set", "it does not answer"])
    def test_what_the_share_shows_is_shown(self, tmp_path: Path, how: str) -> None:
        rig = Rig(tmp_path)
        claims = {rig.claim("dead.pdf", BROKEN), rig.claim("good.pdf", GOOD)}
        rig.run()
        waiting = rig.claim("claimed.pdf", b"another")
        drop(rig, "dropped.pdf")
        refusing = lambda: Lookup(redis.Redis(port=1), KEYS)  # noqa: E731
        explain = explainer(rig, no_server if how == "none is set" else refusing).explain
        states = {name: explain(f"{name}.pdf").state for name in ("dead", "good", "claimed", "dropped")}
        assert states == {"dead": "dead", "good": "published", "claimed": "claimed", "dropped": "held"}
        assert {explain(claim_id).where for claim_id in claims} == {"review", "archive"}
        assert explain(digest("broken")[:8]).state == "dead", "an id is found by what lies beside the letter"
        for wanted in ("dead.pdf", waiting, "dropped.pdf"):
            assert explain(wanted).notes[-1] == "Redis does not answer: this is what the share alone shows."
        with pytest.raises(NotFound) as caught:
            explain("0123456789ab")
        assert caught.value.unsure
