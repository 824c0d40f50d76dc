"""Which files the producer claims, and when: a real share, real events, and a clock that the test moves."""

from __future__ import annotations

import os
from typing import Any

import pytest

from producer.service import REPORT_S
from tests.producer.doubles import SCAN_S, SETTLE_S, Site
from tests.producer.stepping import known_to, quietly, started, step_after, step_until
from tests.support.waiting import eventually


def test_a_file_renamed_in_is_claimed_and_hinted_at_once(site: Site) -> None:
    producer = started(site)
    site.share.drop("letter.pdf")
    step_until(producer, lambda: site.queue.sent, "a hint")
    ((claim_id, path),) = site.share.claimed().items()
    assert path == "letter.pdf"
    assert site.queue.sent == [[claim_id]]


def test_a_file_written_in_place_is_claimed_after_the_quiet_time(site: Site) -> None:
    site.share.write("letter.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S - 0.001)
    assert site.share.claimed() == {}
    step_after(site, producer, 0.001)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_a_file_is_not_claimed_while_it_is_being_written(site: Site) -> None:
    letter = site.share.write("letter.pdf", "begun")
    producer = started(site)
    for _ in range(10):
        with letter.open("a") as file:
            file.write(", and more")
        quietly(site, producer, SETTLE_S - 0.5)
        assert site.share.claimed() == {}
    quietly(site, producer, 2 * SETTLE_S)
    (claim_id,) = site.share.claimed()
    assert (site.share.root / "claimed" / f"{claim_id}~letter.pdf").read_text() == "begun" + 10 * ", and more"


def test_a_file_that_is_filled_without_growing_is_not_claimed_before_it_is_full(site: Site) -> None:
    letter = site.share.write("letter.pdf", "\0" * 100)
    producer = started(site)
    for second in range(10):
        os.utime(letter, (second, second))
        quietly(site, producer, SETTLE_S - 0.5)
        assert site.share.claimed() == {}
    quietly(site, producer, 2 * SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


@pytest.mark.parametrize("year", [1970, 2001, 2200])
def test_the_times_of_a_file_do_not_matter(site: Site, year: int) -> None:
    seconds = (year - 1970) * 365 * 86400
    os.utime(site.share.write("letter.pdf"), (seconds, seconds))
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_what_lay_there_before_the_start_is_claimed_in_sub_folders_too(site: Site) -> None:
    for path in ("letter.pdf", "clinic/letter.pdf", "clinic/2014/june/letter.pdf"):
        site.share.write(path)
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["clinic/2014/june/letter.pdf", "clinic/letter.pdf", "letter.pdf"]
    assert len(site.queue.sent) == 1, "all that waited, in one message"


def test_an_ignored_name_is_never_claimed_and_is_counted(site: Site) -> None:
    for path in (".hidden.pdf", "letter.tmp", "~$letter.docx", ".Trash-1000/files/letter.pdf"):
        site.share.write(path)
    producer = started(site)
    site.share.drop("renamed.part")
    site.share.drop("last.pdf")
    step_until(producer, lambda: site.share.claimed_paths() == ["last.pdf"], "last.pdf to be claimed")
    quietly(site, producer, 3 * SCAN_S)
    assert site.share.claimed_paths() == ["last.pdf"]
    assert site.dials.reports[-1].ignored == 5
    assert site.dials.reports[-1].waiting == 0


def test_a_temporary_name_becomes_a_letter_when_it_is_renamed(site: Site) -> None:
    producer = started(site)
    site.share.write(".letter.pdf.tmp").rename(site.share.inbox / "letter.pdf")
    step_until(producer, site.share.claimed, "the letter to be claimed")
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_the_same_name_again_is_a_letter_of_its_own(site: Site) -> None:
    producer = started(site)
    for content in ("first", "second"):
        site.share.drop("letter.pdf", content)
        step_until(producer, lambda: not site.share.waiting_paths(), "the inbox to be empty")
    assert site.share.claimed_paths() == ["letter.pdf", "letter.pdf"]


def test_a_folder_moved_in_is_looked_into_and_its_files_settle(site: Site) -> None:
    producer = started(site)
    batch = site.share.root / "outside" / "batch"
    (batch / "sub").mkdir(parents=True)
    (batch / "sub" / "letter.pdf").write_text("a letter")
    batch.rename(site.share.inbox / "batch")
    site.clock.advance(REPORT_S)
    step_until(producer, lambda: known_to(producer) == 1, "the letter in the folder to be noticed")
    assert site.share.claimed() == {}
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["batch/sub/letter.pdf"]


def test_a_hard_link_of_a_file_settles_before_it_is_claimed(site: Site) -> None:
    """A program that links a finished file into place, and then removes the other name, has two names for a moment."""
    producer = started(site)
    other = site.share.root / "outside" / "letter.pdf"
    other.write_text("a letter")
    os.link(other, site.share.inbox / ".letter.pdf")
    (site.share.inbox / ".letter.pdf").rename(site.share.inbox / "letter.pdf")
    step_until(producer, lambda: known_to(producer) == 1, "the letter to be noticed")
    assert site.share.claimed() == {}
    other.unlink()
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed() == {}, "it changed: it settles again"
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_links_fifos_and_odd_names_are_claimed_as_what_they_are(site: Site) -> None:
    bait = site.share.root / "outside" / "bait"
    bait.write_text("not for us")
    (site.share.inbox / "link.pdf").symlink_to(bait)
    (site.share.inbox / "loop").symlink_to(".")
    os.mkfifo(site.share.inbox / "fifo.pdf")
    odd = os.fsdecode(b"\xff\nname")
    site.share.write(odd)
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == sorted(["fifo.pdf", "link.pdf", "loop", odd])
    assert bait.read_text() == "not for us"


def test_what_lies_deeper_than_workers_look_stays_in_the_inbox(site: Site) -> None:
    producer = started(site)
    deep = "/".join(["d"] * 65)
    (site.share.inbox / deep).mkdir(parents=True)
    site.share.drop(f"{deep}/letter.pdf")
    site.share.drop("last.pdf")
    step_until(producer, site.share.claimed, "last.pdf to be claimed")
    quietly(site, producer, 2 * SCAN_S)
    assert site.share.claimed_paths() == ["last.pdf"]


def test_a_file_that_goes_again_is_forgotten(site: Site) -> None:
    letter = site.share.write("letter.pdf")
    producer = started(site)
    assert known_to(producer) == 1
    letter.unlink()
    step_after(site, producer, SETTLE_S)
    assert known_to(producer) == 0
    assert site.queue.sent == []


def test_a_flood_is_claimed_once_in_order_and_hinted_in_few_messages(site: Site) -> None:
    producer = started(site)
    names = [f"{os.urandom(3).hex()}-{number}.pdf" for number in range(2000)]
    for name in names:
        site.share.drop(name)
    step_until(producer, lambda: len(site.queue.hinted) == 2000, "2,000 hints")
    claimed = site.share.claimed()
    assert [claimed[claim_id] for claim_id in site.queue.hinted] == names
    assert site.share.waiting_paths() == []
    assert max(len(message) for message in site.queue.sent) <= site.batch_letters
    assert len(site.queue.sent) < 200, f"{len(site.queue.sent)} messages for 2,000 letters"


def test_what_a_scan_finds_is_taken_in_order_of_arrival_as_far_as_its_times_tell(site: Site) -> None:
    names = [f"{os.urandom(3).hex()}.pdf" for _ in range(20)]
    for name in names:
        before = site.share.write(name).stat().st_ctime_ns
        probe = site.share.root / "outside" / "probe"
        eventually(lambda probe=probe, before=before: touched(probe) > before, "the file system's clock to move")  # type: ignore[misc]
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    claimed = site.share.claimed()
    assert [claimed[claim_id] for claim_id in site.queue.hinted] == names


def touched(probe: Any) -> int:
    probe.write_text(".")
    return int(probe.stat().st_ctime_ns)
