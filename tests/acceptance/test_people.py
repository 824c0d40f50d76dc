"""What people do and see in the share: folders for senders, corrected files, a pause, and where a file is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast
from urllib.parse import unquote

import pytest

from tests.support.samples import SAMPLES
from tests.support.system import System, running_system
from tests.support.waiting import eventually
from worker.adapters.redis.producer_reports import decode

LETTER = (SAMPLES / "opioid-and-acupuncture.txt").read_text()


PAUSED = "paused by an operator (`imr resume` opens the intake)"


def letter(number: int) -> bytes:
    """A letter of its own."""
    return LETTER.replace("CM18-9970021", f"CM18-{7_000_000 + number}").encode()


def broken(number: int) -> bytes:
    """The same letter, cut off where no reader could guess the rest."""
    whole = letter(number).decode()
    return whole.replace("Upheld", "Upheld as requested by nobody").replace("Overturned", "").encode()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("people") / "share") as running:
        yield running


def subjects(system: System) -> dict[str, str]:
    """Case number -> where the letter lies, of every published letter."""
    return {event["subject"]: event["dataref"] for event in system.events(system.keys.determinations)}


def published(system: System, number: int) -> str:
    """Where letter `number` lies, once it is published and filed away."""
    subject = f"CM18-{7_000_000 + number}"
    eventually(lambda: subject in subjects(system), f"{subject} in the stream", timeout_s=60)
    path = unquote(subjects(system)[subject])
    eventually(lambda: (system.share / path).exists(), f"{subject} in the archive", timeout_s=60)
    return path


def test_a_sender_or_a_matter_can_be_told_by_its_folder(system: System) -> None:
    """Sub-folders of the inbox are kept, in the archive, in review and in the event."""
    system.drop(letter(1), "Clinic North/matter 17/first.txt")
    system.drop(broken(2), "Clinic North/matter 17/second.txt")
    year, month, day, *folders, stored = published(system, 1).removeprefix("archive/").split("/")
    assert folders == ["Clinic North", "matter 17"]
    assert stored.endswith("~first.txt")
    assert (len(year), len(month), len(day)) == (4, 2, 2)
    in_review = "Clinic North/matter 17/second.txt"
    eventually(lambda: in_review in system.files("review"), "the other one in review", timeout_s=60)
    datarefs = [unquote(event["dataref"]) for event in system.events(system.keys.dead_letters)]
    assert f"review/{in_review}" in datarefs
    told = json.loads(system.imr("explain", "Clinic North/matter 17/first.txt", "--json"))
    assert (told["where"], told["path"]) == ("archive", published(system, 1)), "by the path under which it was dropped"


def test_a_corrected_file_of_the_same_name_just_works(system: System) -> None:
    """The old one stays until a person says so, and says beside it what became of the new one."""
    review = system.share / "review" / "fix.txt"
    system.drop(broken(10), "fix.txt")
    eventually(review.exists, "the broken letter in review", timeout_s=60)
    note = review.with_name("fix.txt.error.txt")
    assert note.read_text().startswith("This letter could not be processed automatically")
    number = json.loads(review.with_name("fix.txt.error.json").read_text())["id"][:12]
    assert number in note.read_text()

    system.drop(letter(10), "fix.txt")
    published(system, 10)
    assert note.read_text().startswith("REPLACED?")
    assert review.exists()
    (event_id,) = [one["id"] for one in system.events(system.keys.determinations) if one["subject"] == "CM18-7000010"]
    listed = system.imr("dead-letters", "list")
    assert [event_id[:12] in line for line in listed.splitlines() if number in line] == [True]
    system.imr("dead-letters", "discard", number, "--reason", "replaced by the corrected one")
    assert not review.exists()
    assert not note.exists()


def test_everything_is_dragged_back_into_the_inbox(system: System) -> None:
    """A person moves a dead letter and what lies beside it: ours are left alone, the letter is known."""
    review = system.share / "review" / "again.txt"
    system.drop(broken(11), "again.txt")
    eventually(review.exists, "the broken letter in review", timeout_s=60)
    for suffix in (".error.json", ".error.txt", ""):
        beside = review.with_name(review.name + suffix)
        beside.rename(system.share / "inbox" / beside.name)
    eventually(lambda: not (system.share / "inbox" / "again.txt").exists(), "the letter to be taken", timeout_s=60)
    eventually(lambda: not system.files("claimed"), "the letter to be filed away", timeout_s=60)
    assert sorted(system.files("inbox")) == ["again.txt.error.json", "again.txt.error.txt"]
    ids = [event["id"] for event in system.events(system.keys.dead_letters)]
    assert len(ids) == len(set(ids)), "it died once"


def test_a_pause_is_honoured_and_told_and_outlives_an_emptied_redis(system: System) -> None:
    system.imr("pause", "--reason", "moving the server")
    eventually(lambda: holds(system) == {PAUSED}, "the producer to hold", timeout_s=60)
    assert "moving the server" in (system.share / "PAUSED.txt").read_text()
    system.drop(letter(20), "while paused.txt")
    told = json.loads(system.imr("explain", "while paused.txt", "--json"))
    assert told["where"] == "inbox"
    assert "(moving the server)" in told["waits_for"][-1]
    assert system.status()["pause"]["reason"] == "moving the server"

    system.client().flushall()
    eventually(lambda: PAUSED in holds(system), "the producer to report again", timeout_s=60)
    assert "while paused.txt" in system.files("inbox")
    said = "".join(path.read_text() for path in (system.state / "logs").iterdir())
    assert "moving" not in said, "the reason is an operator's own words"
    system.imr("resume")
    published(system, 20)


def holds(system: System) -> set[str | None]:
    """What holds the producers that report."""
    return {decode(one).hold for one in cast("list[bytes]", system.client().hvals(system.keys.producers))}
