"""What the producer does when it may not claim, cannot claim, or cannot send: nothing is lost, and it goes on."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import pytest

from producer.claim import ADMISSION_VALID_S, HELD_POLL_MAX_S, STEP_LETTERS
from producer.dispatch import PDF_WORK
from producer.policy import AdmissionLimits
from producer.service import REPORT_S
from tests.producer.doubles import HINT_TIMEOUT_S, LIMITS, REAP_S, SCAN_S, SETTLE_S, Site
from tests.producer.stepping import quietly, started, step_after, step_until


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


def test_a_look_that_ran_into_a_time_limit_does_not_hold_the_intake_for_minutes(site: Site) -> None:
    """Redis does not answer for once, until the client gives up; a moment later it is back."""
    site.dials.clock, site.dials.load_takes_s, site.dials.redis_used_bytes = site.clock, 15.0, None
    site.share.write("letter.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    site.dials.load_takes_s, site.dials.redis_used_bytes = 0.0, 0
    quietly(site, producer, HELD_POLL_MAX_S + SCAN_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_a_pause_is_honored_within_seconds_and_what_is_claimed_goes_on(site: Site) -> None:
    producer = started(site)
    claimed_before = site.share.drop("before.pdf").name
    step_until(producer, site.share.claimed, "the letter to be claimed")
    site.dials.paused = True
    site.clock.advance(ADMISSION_VALID_S)
    site.share.drop("while paused.pdf")
    quietly(site, producer, HINT_TIMEOUT_S + REAP_S)
    assert site.share.waiting_paths() == ["while paused.pdf"]
    assert site.dials.reports[-1].hold == "paused by an operator (`imr resume` opens the intake)"
    (claim_id,) = site.share.claimed()
    assert site.queue.hinted.count(claim_id) > 1, "what is claimed is still reaped"
    site.dials.paused = False
    quietly(site, producer, REPORT_S)
    assert site.share.claimed_paths() == [claimed_before, "while paused.pdf"]


def test_no_more_is_claimed_than_the_limit_and_more_when_workers_are_done(site: Site) -> None:
    site.limits = AdmissionLimits(max_claimed_letters=3, min_free_disk_bytes=0, max_redis_memory_percent=90)
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


def test_hints_of_a_flood_go_out_while_it_is_still_being_claimed(site: Site) -> None:
    for number in range(2 * STEP_LETTERS):
        site.share.write(f"{number}.pdf")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert len(site.share.claimed()) == STEP_LETTERS
    assert len(site.queue.hinted) > 0
    assert producer.idle_s() == 0, "it goes on at once"
    step_until(producer, lambda: len(site.queue.hinted) == 2 * STEP_LETTERS, "the hints of all")


def test_a_full_folder_that_takes_long_to_look_at_is_looked_at_less_often(site: Site) -> None:
    site.limits = AdmissionLimits(max_claimed_letters=1, min_free_disk_bytes=0, max_redis_memory_percent=90)
    site.dials.clock, site.dials.load_takes_s = site.clock, 0.2
    for number in range(2):
        site.share.write(f"{number}.pdf")
    producer = started(site)
    for _ in range(2):
        step_after(site, producer, SETTLE_S)
    looks = site.dials.looks
    for _ in range(30):
        step_after(site, producer, 0.1)
    assert site.dials.looks - looks <= 2, f"{site.dials.looks - looks} looks of 0.2 s in 3 s"


def test_a_letter_that_changes_while_it_is_held_settles_again(site: Site) -> None:
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


def test_a_claimed_folder_that_is_gone_holds_until_it_is_back(site: Site) -> None:
    (site.share.root / "claimed").rename(site.share.root / "away")
    site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, 4)
    assert site.dials.reports[-1].hold == "the share cannot be looked at"
    assert site.share.waiting_paths() == ["letter.pdf"]
    (site.share.root / "away").rename(site.share.root / "claimed")
    quietly(site, producer, 1)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_a_hold_is_over_when_its_letters_are_gone(site: Site) -> None:
    site.dials.free_disk_bytes = 0
    site.limits = AdmissionLimits(LIMITS.max_claimed_letters, 1, 90)
    letter = site.share.write("letter.pdf")
    producer = started(site)
    quietly(site, producer, SCAN_S)
    letter.unlink()
    quietly(site, producer, SCAN_S)
    assert "IMR_MIN_FREE_DISK_BYTES" in str(site.dials.reports[-1].hold)
    site.dials.free_disk_bytes = 10
    quietly(site, producer, SCAN_S)
    assert (site.dials.reports[-1].hold, site.dials.reports[-1].waiting) == (None, 0)


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EBUSY])
def test_what_cannot_be_renamed_is_retried_until_it_can(
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
    assert said == [f"not claimed letters=7 (errno={code}); they stay in the inbox and will be retried"]
    quietly(site, producer, SCAN_S + SETTLE_S)
    assert len(site.share.claimed()) == 7


def test_a_letter_that_cannot_be_claimed_for_minutes_is_not_taken_for_a_loss_of_events(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan finds it again and again, and nothing announces it: nothing should have."""
    producer = started(site)
    quietly(site, producer, 2 * SCAN_S)
    site.share.drop("stuck.pdf")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        step_until(producer, lambda: producer._inbox.claim_failed_s > 0, "a claim to be refused")
        quietly(site, producer, 120)
    assert site.share.waiting_paths() == ["stuck.pdf"]
    assert site.dials.reports[-1].repairs == {}
    quietly(site, producer, SCAN_S + SETTLE_S)
    assert site.share.claimed_paths() == ["stuck.pdf"]


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
        site.share.write(f"{number}.txt")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    assert (len(site.queue.hinted), producer.idle_s()) == (2, 0.0)
    producer.step()
    producer.step()
    assert len(site.queue.hinted) == 5
    assert producer.idle_s() > 0.5


def test_pdfs_travel_in_smaller_hints_than_texts(site: Site) -> None:
    site.batch_letters = 10
    for number in range(5):
        site.share.write(f"{number}.pdf")
        site.share.write(f"{number}.txt")
    producer = started(site)
    step_after(site, producer, SETTLE_S)
    while producer.idle_s() == 0.0:
        producer.step()
    by_id = site.share.claimed()
    kinds = [sorted(by_id[claim_id][-3:] for claim_id in hint) for hint in site.queue.sent]
    assert sum(map(len, kinds)) == 10
    assert all(PDF_WORK * kind.count("pdf") + kind.count("txt") <= 10 for kind in kinds), kinds


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


def test_a_full_disk_that_has_room_again_ends_the_backoff_of_what_waits(site: Site) -> None:
    producer = started(site)
    site.share.drop("letter.pdf")
    quietly(site, producer, SCAN_S + SETTLE_S)
    (claim,) = site.share.claimed()
    site.leases.given_back = {claim}
    quietly(site, producer, 120)
    site.dials.free_disk_bytes = None
    quietly(site, producer, 4)
    hinted = len(site.queue.hinted)
    site.dials.free_disk_bytes = 10**12
    quietly(site, producer, REAP_S + 4)
    assert site.queue.hinted[hinted:][:1] == [claim], "well before its back-off of a minute is over"
