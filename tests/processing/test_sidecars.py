"""What lies beside a dead letter: a note that a clerk can read without any tool, and what it says of a replacement."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.failpoints import Failpoints, Killed, When
from tests.support.letters import digest
from tests.support.rig import Rig
from worker.adapters.share.spool import Spool
from worker.contract.names import ERROR_SUFFIX, NOTE_SUFFIX
from worker.operations.review import ReviewDesk
from worker.processing import dead_letters
from worker.processing.sidecars import note

TOLD: dict[str, Any] = {
    "id": "0123456789abcdef:1",
    "code": "no_text",
    "received_on": "2024-06-09",
    "what_happened": "The PDF holds pictures of pages and no text: it is a scan.",
    "what_to_do": "This is a picture of a letter. Have its text recognised (OCR), drop the result into the inbox, and "
    "discard this one.",
    "where": [],
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def words(told: dict[str, Any]) -> str:
    """The note without its line breaks."""
    return re.sub(r"\s+", " ", note(told).decode())


def review(rig: Rig, name: str) -> tuple[dict[str, Any], str]:
    """What the two companions of a dead letter say."""
    files = rig.files()
    return orjson.loads(files[f"review/{name}{ERROR_SUFFIX}"]), re.sub(
        r"\s+", " ", files[f"review/{name}{NOTE_SUFFIX}"].decode()
    )


class TestNote:
    def test_it_says_what_is_wrong_what_to_do_and_which_letter_it_is(self) -> None:
        said = words(TOLD)
        for part in ("holds pictures of pages", "Have its text recognised (OCR)", "0123456789ab", "code no_text"):
            assert part in said, said

    def test_it_is_wrapped_and_its_lines_end_as_every_editor_shows_them(self) -> None:
        raw = note({**TOLD, "where": ["page 1, line 3, column 7: " + "It is wrong. " * 20 + "[c]"]})
        lines = raw.split(b"\r\n")
        assert max(len(line) for line in lines) <= 76
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert lines[-1] == b"", "the last line ends too"

    def test_the_first_places_are_told_and_the_others_counted(self) -> None:
        said = words({**TOLD, "where": [f"line {number}: wrong. [c]" for number in range(1, 9)]})
        assert "line 5: wrong. [c] and 3 more" in said
        assert "line 6" not in said
        assert "more What" not in words({**TOLD, "where": ["line 1: wrong. [c]"] * 5})
        assert "Where" not in words(TOLD)

    def test_no_sentence_of_ours_needs_an_encoding(self) -> None:
        """So the note shows well whatever an editor takes it for."""
        for one in dead_letters.catalogue():
            assert (one.sentence + one.remedy).isascii(), one

    def test_an_error_file_of_an_older_version_makes_a_note_too(self) -> None:
        assert note({}).decode().startswith("This letter could not be processed")


class TestReplaced:
    def test_a_corrected_file_of_the_same_name_is_told_beside_the_dead_letter(self, rig: Rig) -> None:
        rig.claim("scan.txt", b"broken", folder="clinic")
        rig.run()
        rig.claim("scan.txt", b"a good letter", folder="clinic")
        rig.run()
        told, said = review(rig, "clinic/scan.txt")
        event = rig.published()[0]["id"]
        assert told["replaced_by"]["id"] == event
        assert datetime.fromisoformat(told["replaced_by"]["published_at"]).tzinfo == UTC
        assert said.startswith("REPLACED? A file of this name that came later was published on")
        assert event[:12] in said
        assert rig.letters()["review/clinic/scan.txt"] == b"broken", "nothing is discarded by itself"
        record = rig.memory.record(digest("broken"))
        assert record is not None
        assert record.state == "dead"

    def test_all_earlier_ones_of_that_name_are_told(self, rig: Rig) -> None:
        rig.claim("scan.txt", b"broken")
        second = rig.claim("scan.txt", b"broken too")
        rig.run()
        rig.claim("scan.txt", b"a good letter")
        rig.run()
        for name in ("scan.txt", f"{second}~scan.txt"):
            assert review(rig, name)[0]["replaced_by"]["id"] == rig.published()[0]["id"]

    @pytest.mark.parametrize(("name", "folder"), [("other.txt", ""), ("scan.txt", "clinic"), ("scan.txt.txt", "")])
    def test_another_name_or_folder_replaces_nothing(self, rig: Rig, name: str, folder: str) -> None:
        rig.claim("scan.txt", b"broken")
        rig.run()
        rig.claim(name, b"a good letter", folder)
        rig.run()
        assert "replaced_by" not in review(rig, "scan.txt")[0]

    def test_a_letter_that_came_before_replaces_nothing(self, rig: Rig) -> None:
        """It was claimed first and published last: it is no correction of what came after it."""
        earlier, path = rig.new_claim_id(), rig.share / "aside"
        path.write_bytes(b"a good letter")
        rig.claim("scan.txt", b"broken")
        rig.run()
        path.rename(rig.claimed_path(earlier, "scan.txt"))
        rig.run()
        assert len(rig.published()) == 1
        assert "replaced_by" not in review(rig, "scan.txt")[0]

    def test_a_corrected_file_that_was_published_before_under_another_name_counts(self, rig: Rig) -> None:
        rig.claim("good.txt", b"a good letter")
        rig.claim("scan.txt", b"broken")
        rig.run()
        rig.claim("scan.txt", b"a good letter")
        assert rig.run().counted() == {"duplicate": 1}
        assert review(rig, "scan.txt")[0]["replaced_by"]["id"] == rig.published()[0]["id"]

    def test_the_first_that_replaced_it_stays(self, rig: Rig) -> None:
        for content in (b"broken", b"a good letter", b"another letter"):
            rig.claim("scan.txt", content)
            rig.run()
        assert review(rig, "scan.txt")[0]["replaced_by"]["id"] == rig.published()[0]["id"]

    def test_a_corrected_file_that_dies_too_is_beside_the_first(self, rig: Rig) -> None:
        rig.claim("scan.txt", b"broken")
        rig.run()
        second = rig.claim("scan.txt", b"broken still")
        rig.run()
        assert set(rig.letters()) == {"review/scan.txt", f"review/{second}~scan.txt"}
        assert all("replaced_by" not in review(rig, name)[0] for name in ("scan.txt", f"{second}~scan.txt"))

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_it_is_told_wherever_the_worker_is_killed(self, tmp_path: Path, when: When) -> None:
        for number in itertools.count():
            rig = Rig(tmp_path / str(number))
            rig.claim("scan.txt", b"broken")
            rig.run()
            rig.claim("scan.txt", b"a good letter")
            try:
                rig.run(failpoints=Failpoints(number, when))
            except Killed:
                rig.wait_for_leases()
                rig.run()
            else:
                break
            told, said = review(rig, "scan.txt")
            assert told["replaced_by"]["id"] == rig.published()[0]["id"], number
            assert said.startswith("REPLACED?"), number
        assert number > 8, "it was killed at several points"

    def test_an_error_file_that_is_not_ours_is_left_as_it_is(self, rig: Rig) -> None:
        for content in (b"not JSON", b"[]", b"{}"):
            (rig.share / "review" / f"scan.txt{ERROR_SUFFIX}").write_bytes(content)
            rig.claim("scan.txt", b"a good letter " + content)
            rig.run()
            assert rig.files()[f"review/scan.txt{ERROR_SUFFIX}"] == content
        assert len(rig.published()) == 3

    def test_a_person_sees_it_in_the_list_and_the_mark_follows_the_letter(self, rig: Rig) -> None:
        for content in (b"broken", b"a good letter"):
            rig.claim("scan.txt", content)
            rig.run()
        desk = ReviewDesk(
            spool=Spool(rig.share),
            records=rig.memory,
            site="site",
            decided_by="examiner",
            wall_clock=lambda: datetime.now(UTC),
        )
        item = desk.find(digest("broken"))
        assert item.replaced_by == rig.published()[0]["id"]
        desk.discard(item, "replaced")
        assert desk.find(digest("broken")).replaced_by == item.replaced_by
