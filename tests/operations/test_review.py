"""The review desk: a person's decision, its file, and what a crash between the two leaves to the sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.determinations import NOW, determination
from tests.support.failpoints import Failpoints, Killed, When
from tests.support.letters import digest
from tests.support.rig import Rig
from worker.adapters.share.spool import Spool
from worker.contract.names import ERROR_SUFFIX, SIDECAR_SUFFIXES
from worker.operations.dead_items import DeadItem, NoSuchDeadLetter
from worker.operations.review import DecisionRefused, ReviewDesk
from worker.processing.records import RecordsUnavailable, Resolve, Resolved

BROKEN = digest("broken")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.claim("scan.txt", b"broken", folder="clinic")
    made.run()
    return made


def desk(rig: Rig, failpoints: Failpoints | None = None) -> ReviewDesk:
    watch = (failpoints or Failpoints()).watch
    return ReviewDesk(
        spool=watch(Spool(rig.share)),
        records=watch(rig.memory),
        site="site",
        decided_by="examiner",
        wall_clock=lambda: NOW,
    )


def the_item(rig: Rig) -> DeadItem:
    (item,) = desk(rig).items()
    return item


def state(rig: Rig) -> str:
    record = rig.memory.record(BROKEN)
    assert record is not None
    return record.state


def companion_and_letter(path: str) -> set[str]:
    return {path, *(path + suffix for suffix in SIDECAR_SUFFIXES)}


class ReplyLost:
    """Records that take a decision, and whose first reply never comes."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.tokens: list[str] = []

    def resolve(self, decision: Resolve) -> Resolved:
        self.tokens.append(decision.token)
        answer = self._rig.memory.resolve(decision)
        if len(self.tokens) == 1:
            raise RecordsUnavailable("Redis did not answer as expected (TimeoutError)")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig.memory, name)


class TestALostReply:
    def test_the_decision_is_taken_once_and_its_file_follows(self, rig: Rig) -> None:
        records = ReplyLost(rig)
        made = ReviewDesk(
            spool=Spool(rig.share), records=records, site="site", decided_by="examiner", wall_clock=lambda: NOW
        )
        made.discard(the_item(rig), "a copy came by mail")
        assert state(rig) == "discarded"
        assert [event["id"] for event in rig.dead()] == [f"{BROKEN}:1", f"{BROKEN}:1.1"]
        assert len(set(records.tokens)) == 1
        assert all(path.startswith("review/discarded/") for path in rig.files())
        rig.assert_counts_close()


class TestRedrive:
    def test_the_letter_is_tried_again_as_the_next_revision(self, rig: Rig) -> None:
        claim_id = desk(rig).redrive(the_item(rig), "after an update")
        assert set(rig.files()) == {f"claimed/clinic/{claim_id}~scan.txt"}
        rig.run(determine=lambda text, received_on: determination())
        assert [event["id"] for event in rig.published()] == [f"{BROKEN}:2"]
        assert set(rig.files()) == {f"archive/2024/06/09/clinic/{claim_id}~scan.txt"}
        rig.assert_counts_close()

    def test_a_letter_that_dies_again_has_its_name_again(self, rig: Rig) -> None:
        desk(rig).redrive(the_item(rig))
        rig.run()
        assert set(rig.files()) == companion_and_letter("review/clinic/scan.txt")
        assert [event["id"] for event in rig.dead()] == [f"{BROKEN}:1", f"{BROKEN}:1.1", f"{BROKEN}:2"]

    def test_also_when_redis_has_lost_the_record(self, rig: Rig) -> None:
        item = the_item(rig)
        rig.memory = rig.records = type(rig.memory)()
        desk(rig).redrive(item)
        rig.run(determine=lambda text, received_on: determination())
        assert [event["id"] for event in rig.published()] == [f"{BROKEN}:1"]


class TestDiscardAndRestore:
    def test_there_and_back(self, rig: Rig) -> None:
        claim_id = the_item(rig).file.claim_id
        desk(rig).discard(the_item(rig), "sent twice")
        assert state(rig) == "discarded"
        assert set(rig.files()) == companion_and_letter(f"review/discarded/clinic/{claim_id}~scan.txt")
        desk(rig).restore(the_item(rig))
        assert state(rig) == "dead"
        assert set(rig.files()) == companion_and_letter("review/clinic/scan.txt")

    def test_the_reason_and_who_decided_stand_in_the_stream(self, rig: Rig) -> None:
        desk(rig).discard(the_item(rig), "sent twice")
        data = rig.dead()[-1]["data"]
        assert (data["action"], data["reason"], data["decided_by"]) == ("discard", "sent twice", "examiner")

    def test_a_restored_letter_whose_name_was_given_away_has_its_claim_before_it(self, rig: Rig) -> None:
        first = the_item(rig)
        desk(rig).discard(first, "sent twice")
        rig.claim("scan.txt", b"broken differently", folder="clinic")
        rig.run()
        desk(rig).restore(desk(rig).find(BROKEN))
        assert set(rig.letters()) == {"review/clinic/scan.txt", f"review/clinic/{first.file.claim_id}~scan.txt"}


class TestTwoReviewers:
    def test_one_decision_stands(self, rig: Rig) -> None:
        seen = the_item(rig)
        desk(rig).discard(seen, "sent twice")
        with pytest.raises(DecisionRefused):
            desk(rig).discard(seen, "another reason")
        assert len(rig.dead()) == 2

    @pytest.mark.parametrize("wanted", ["", "abc", "ffffffff"])
    def test_an_id_that_finds_nothing_is_refused(self, rig: Rig, wanted: str) -> None:
        with pytest.raises(NoSuchDeadLetter):
            desk(rig).find(wanted)

    def test_a_letter_is_found_by_the_start_of_its_id_or_by_its_claim(self, rig: Rig) -> None:
        item = the_item(rig)
        for wanted in (BROKEN[:6], BROKEN, f"{BROKEN}:1", BROKEN[:12].upper(), item.file.claim_id):
            assert desk(rig).find(wanted) == item


class TestSweep:
    def test_nothing_to_do(self, rig: Rig) -> None:
        assert desk(rig).sweep() == []

    def test_an_error_file_without_its_letter_goes(self, rig: Rig) -> None:
        (rig.share / "review" / "clinic" / "scan.txt").unlink()
        assert len(desk(rig).sweep()) == 1
        assert rig.files() == {}

    def test_one_whose_letter_a_worker_is_just_filing_stays(self, rig: Rig) -> None:
        item = the_item(rig)
        Spool(rig.share).move(item.path, item.file.path)
        assert desk(rig).sweep() == []
        assert item.error_path in rig.files()

    def test_an_error_file_of_somebody_else_is_left_alone(self, rig: Rig) -> None:
        for number, content in enumerate((b"not JSON", b"[]", orjson.dumps({"id": "x", "claim_id": "../../x"}))):
            (rig.share / "review" / f"{number}{ERROR_SUFFIX}").write_bytes(content)
        assert desk(rig).sweep() == []
        assert len(rig.files()) == 6

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("action", ["redrive", "discard", "restore"])
    def test_finishes_whatever_a_crash_left(self, tmp_path: Path, action: str, when: When) -> None:
        number = 0
        while decide_and_die(rig := prepared(tmp_path / str(number), action), action, Failpoints(number, when)):
            desk(rig).sweep()
            where = {path.partition("/")[0] for path in rig.letters()}
            expected = {"dead": "review", "discarded": "review", "waiting": "claimed"}[state(rig)]
            assert where == {expected}, (number, action, state(rig))
            assert list(rig.letters().values()) == [b"broken"]
            assert ("discarded/" in str(rig.letters())) == (state(rig) == "discarded")
            (letter,) = rig.letters()
            assert set(rig.files()) == ({letter} if state(rig) == "waiting" else companion_and_letter(letter))
            rig.assert_counts_close()
            number += 1
        assert number > 3, "it died at several points"


def prepared(folder: Path, action: str) -> Rig:
    rig = Rig(folder)
    rig.claim("scan.txt", b"broken")
    rig.run()
    if action == "restore":
        desk(rig).discard(the_item(rig), "sent twice")
    return rig


def decide_and_die(rig: Rig, action: str, failpoints: Failpoints) -> bool:
    """Whether the program died in the middle of the decision."""
    item, dying = the_item(rig), desk(rig, failpoints)
    decide: dict[str, Callable[[], object]] = {
        "redrive": lambda: dying.redrive(item),
        "discard": lambda: dying.discard(item, "sent twice"),
        "restore": lambda: dying.restore(item),
    }
    try:
        decide[action]()
    except Killed:
        return True
    return False
