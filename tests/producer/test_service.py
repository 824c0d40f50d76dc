"""The producer's loop, stepped by hand: a real share and real events, a clock that moves only when it is told to."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from producer import watching
from producer.admission import Limits
from producer.service import REPORT_S, Producer
from tests.producer.doubles import HINT_TIMEOUT_S, LIMITS, REAP_S, SCAN_S, SETTLE_S, Share, Site
from tests.support.waiting import eventually


def started(site: Site) -> Producer:
    """A producer that has made its first step: it watches, and has scanned."""
    producer = site.start()
    producer.step()
    return producer


def step_until(producer: Producer, condition: Callable[[], object], what: str) -> None:
    """Step without moving the clock: only events can make a difference."""

    def stepped() -> object:
        producer.step()
        return condition()

    eventually(stepped, what)


def step_after(site: Site, producer: Producer, seconds: float) -> None:
    site.clock.advance(seconds)
    producer.step()


def quietly(site: Site, producer: Producer, seconds: float) -> None:
    """Let time pass in small steps, as the loop does when nothing wakes it."""
    for _ in range(round(seconds / 0.5)):
        step_after(site, producer, 0.5)


# --- Which files, and when -------------------------------------------------------------------------------------------


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


def test_junk_is_never_claimed_and_is_counted(site: Site) -> None:
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


def known_to(producer: Producer) -> int:
    return len(producer._inbox)


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
    assert site.share.claimed() == {}, "it changed: it settles anew"
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


# --- Order and batches -----------------------------------------------------------------------------------------------


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


# --- Admission -------------------------------------------------------------------------------------------------------


def test_while_admission_holds_letters_wait_in_the_inbox_and_then_go_by_themselves(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.dials.redis_used_bytes = None
    site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, 30)
    assert site.share.claimed() == {}
    report = site.dials.reports[-1]
    assert (report.hold, report.waiting) == ("Redis cannot be reached", 1)
    site.dials.redis_used_bytes = 0
    quietly(site, producer, REPORT_S)
    assert site.share.claimed_paths() == ["letter.pdf"]
    assert site.dials.reports[-1].hold is None
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("intake")]
    assert said == ["intake held: Redis cannot be reached", "intake open"], "each change once"


def test_no_more_is_claimed_than_the_limit_and_more_when_workers_are_done(site: Site) -> None:
    site.limits = Limits(max_claimed_letters=3, min_free_disk_bytes=0, max_redis_memory_percent=90)
    for number in range(5):
        site.share.write(f"{number}.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert len(site.share.claimed()) == 3
    quietly(site, producer, 10)
    assert len(site.share.claimed()) == 3
    assert "IMR_MAX_CLAIMED_LETTERS" in str(site.dials.reports[-1].hold)
    for path in (site.share.root / "claimed").iterdir():
        path.unlink()
    quietly(site, producer, 1)
    assert len(site.share.claimed()) == 2
    assert site.share.waiting_paths() == []


def test_a_letter_that_changes_while_it_is_held_settles_anew(site: Site) -> None:
    producer = started(site)
    site.dials.free_disk_bytes = None
    site.clock.advance(REPORT_S)
    site.share.drop("letter.pdf", "complete")
    step_until(producer, lambda: producer.idle_s() < 0.1, "the letter to wait for admission")
    with (site.share.inbox / "letter.pdf").open("a") as file:
        file.write(", and being written again")
    site.dials.free_disk_bytes = 10**12
    step_after(site, producer, 0.1)
    assert site.share.claimed() == {}
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_a_hold_is_over_when_its_letters_are_gone(site: Site) -> None:
    site.dials.free_disk_bytes = 0
    site.limits = Limits(LIMITS.max_claimed_letters, 1, 90)
    letter = site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, SCAN_S)
    letter.unlink()
    site.dials.free_disk_bytes = 10
    quietly(site, producer, SCAN_S)
    assert (site.dials.reports[-1].hold, site.dials.reports[-1].waiting) == (None, 0)


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EBUSY])
def test_what_cannot_be_renamed_is_tried_again_until_it_can(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    for number in range(7):
        site.share.write(f"{number}.pdf")
    producer = started(site)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        quietly(site, producer, 3)
        assert len(site.share.waiting_paths()) == 7
    said = [record.getMessage() for record in caplog.records if "not claimed" in record.getMessage()]
    assert said == [f"not claimed letters=7 (errno={code}); they stay in the inbox and are tried again"]
    quietly(site, producer, SCAN_S + SETTLE_S)
    assert len(site.share.claimed()) == 7


# --- Hints -----------------------------------------------------------------------------------------------------------


def test_what_an_earlier_run_claimed_is_hinted_in_the_first_step(site: Site) -> None:
    site.share.drop("letter.pdf")
    first = started(site)
    step_after(site, first, SETTLE_S)
    first.close()
    site.queue.sent.clear()
    started(site)
    assert site.queue.hinted == list(site.share.claimed())


def test_a_producer_killed_after_any_step_loses_nothing(site: Site) -> None:
    """Each step is made by a producer that knows nothing but what it finds."""
    for number in range(10):
        site.share.write(f"{number}.pdf")
        producer = started(site)
        if number % 2:
            step_after(site, producer, SETTLE_S)
        producer.close()
    last = started(site)
    quietly(site, last, SETTLE_S)
    assert site.share.waiting_paths() == []
    assert site.share.claimed_paths() == sorted(f"{number}.pdf" for number in range(10))
    assert set(site.queue.hinted) == set(site.share.claimed())


def test_hints_that_the_broker_did_not_take_are_reaped(site: Site) -> None:
    site.queue.is_down = True
    site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, 20)
    (claim_id,) = site.share.claimed()
    assert site.queue.sent == []
    site.queue.is_down = False
    quietly(site, producer, REAP_S)
    assert site.queue.hinted == [claim_id]


def test_a_lost_hint_is_repeated_and_a_leased_claim_left_in_peace(site: Site) -> None:
    for name in ("lost.pdf", "worked-on.pdf"):
        site.share.write(name)
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    by_path = {path: claim_id for claim_id, path in site.share.claimed().items()}
    site.leases.claim_ids = {by_path["worked-on.pdf"]}
    site.queue.sent.clear()
    quietly(site, producer, HINT_TIMEOUT_S + REAP_S)
    assert site.queue.hinted == [by_path["lost.pdf"]]


def test_the_loop_comes_back_at_once_while_more_waits_to_be_sent(site: Site) -> None:
    site.batch_letters = 2
    for number in range(5):
        site.share.write(f"{number}.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert (len(site.queue.hinted), producer.idle_s()) == (2, 0.0)
    producer.step()
    producer.step()
    assert len(site.queue.hinted) == 5
    assert producer.idle_s() > 0.5


def test_a_broker_that_is_down_does_not_make_the_loop_spin(site: Site) -> None:
    site.batch_letters, site.queue.is_down = 1, True
    for number in range(3):
        site.share.write(f"{number}.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert producer.idle_s() > 0.5


def test_redis_gone_at_report_and_reap_stops_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.dials.redis_is_down = site.leases.is_down = True
    site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, 10)
    assert site.share.claimed_paths() == ["letter.pdf"]
    assert "not reported (ConnectionError)" in caplog.text
    site.dials.redis_is_down = site.leases.is_down = False
    quietly(site, producer, REPORT_S)
    assert site.dials.reports[-1].claimed == 1


# --- Watching that fails ---------------------------------------------------------------------------------------------


def unwatchable(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "inotify watch limit reached")


def test_without_a_watch_the_scan_alone_works(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(watching, "Watcher", unwatchable)
        producer = started(site)
        site.share.drop("letter.pdf")
        quietly(site, producer, SCAN_S + SETTLE_S)
        assert site.share.claimed_paths() == ["letter.pdf"]
        assert site.dials.reports[-1].watching == "scan"
    quietly(site, producer, SCAN_S + REPORT_S)
    assert site.dials.reports[-1].watching == "events and scan", "as soon as it can be watched"
    site.share.drop("noticed.pdf")
    step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")


def test_a_watch_that_dies_is_made_anew_and_what_it_missed_is_found(site: Site) -> None:
    producer = started(site)
    step_after(site, producer, SCAN_S)
    watcher = producer._lookout._watcher
    assert watcher is not None
    watcher.close()
    site.share.drop("missed.pdf")
    step_after(site, producer, 0.0)
    assert site.dials.reports[-1].watching == "events and scan" or known_to(producer) == 1
    quietly(site, producer, SCAN_S)
    assert site.share.claimed_paths() == ["missed.pdf"]
    site.share.drop("noticed.pdf")
    step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")


@pytest.mark.parametrize("how", ["removed", "renamed away"])
def test_an_inbox_that_is_replaced_is_watched_again_without_a_restart(site: Site, how: str) -> None:
    producer = started(site)
    if how == "removed":
        shutil.rmtree(site.share.inbox)
    else:
        site.share.inbox.rename(site.share.root / "outside" / "yesterday")
    quietly(site, producer, 2 * SCAN_S)
    assert site.dials.reports[-1].watching == "scan"
    site.share.inbox.mkdir()
    quietly(site, producer, SCAN_S + REPORT_S)
    assert site.dials.reports[-1].watching == "events and scan"
    site.share.drop("letter.pdf")
    step_until(producer, site.share.claimed, "a letter in the new inbox to be claimed by its event")


def test_an_inbox_replaced_between_two_steps_is_watched_again(site: Site) -> None:
    """Its threads live and its path exists: only its identity tells."""
    producer = started(site)
    site.share.inbox.rename(site.share.root / "outside" / "yesterday")
    site.share.inbox.mkdir()
    step_after(site, producer, SCAN_S)
    site.share.drop("letter.pdf")
    step_until(producer, site.share.claimed, "a letter in the new inbox to be claimed by its event")


def test_an_inbox_that_is_gone_is_found_when_it_is_back(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.share.write("letter.pdf")
    producer = started(site)
    site.share.inbox.rename(site.share.root / "away")
    quietly(site, producer, SCAN_S)
    assert "the inbox cannot be listed (errno=2)" in caplog.text
    (site.share.root / "away").rename(site.share.inbox)
    quietly(site, producer, 2 * SCAN_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_two_producers_on_one_share_claim_each_file_once(site: Site, share: Share) -> None:
    other = Site(share, clock=site.clock)
    here, there = started(site), started(other)
    for number in range(200):
        share.drop(f"{number}.pdf")

    def both() -> bool:
        here.step()
        there.step()
        return len(site.queue.hinted + other.queue.hinted) == 200

    eventually(both, "200 hints")
    other.close()
    assert sorted(site.queue.hinted + other.queue.hinted) == sorted(share.claimed())
    assert share.claimed_paths() == sorted(f"{number}.pdf" for number in range(200))


# --- Privacy ---------------------------------------------------------------------------------------------------------


def test_no_name_of_a_file_or_folder_is_ever_logged(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    producer = started(site)
    for number in range(5):
        site.share.drop(f"Canary {number}.pdf")
        site.share.write(f"Jane Canary {number}/Canary.pdf")
    quietly(site, producer, 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", unwatchable)
        site.share.write("Canary again.pdf")
        quietly(site, producer, SCAN_S + SETTLE_S)
    site.queue.is_down = site.leases.is_down = site.dials.redis_is_down = True
    shutil.rmtree(site.share.inbox)
    quietly(site, producer, HINT_TIMEOUT_S + REAP_S)
    assert len(caplog.records) > 5, "there was something to look at"
    assert "canary" not in caplog.text.lower()
    assert "canary" not in "".join(capfd.readouterr()).lower()
