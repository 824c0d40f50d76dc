"""Watches that break, inboxes that go and come back, two producers on one share, and names that must not be logged."""

from __future__ import annotations

import errno
import logging
import os
import shutil

import pytest

from producer.discovery import watch_health
from producer.discovery.watch_health import SIGNS_S
from producer.service import REPORT_S
from tests.producer.doubles import HINT_TIMEOUT_S, REAP_S, SCAN_S, SETTLE_S, Share, Site
from tests.producer.stepping import known_to, quietly, started, step_after, step_until
from tests.support.waiting import eventually


def unwatchable(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "inotify watch limit reached")


def test_without_a_watch_the_scan_alone_works(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(watch_health, "Watcher", unwatchable)
        producer = started(site)
        site.share.drop("letter.pdf")
        quietly(site, producer, SCAN_S + SETTLE_S)
        assert site.share.claimed_paths() == ["letter.pdf"]
        report = site.dials.reports[-1]
        assert (report.watching, report.why) == ("scan", f"the inbox cannot be watched, errno={errno.ENOSPC}")
    quietly(site, producer, SCAN_S + REPORT_S)
    assert site.dials.reports[-1].watching == "events and scan", "as soon as it can be watched"
    site.share.drop("noticed.pdf")
    step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")


def test_a_watch_that_dies_is_made_again_and_what_it_missed_is_found(site: Site) -> None:
    producer = started(site)
    step_after(site, producer, SCAN_S)
    watcher = producer._discovery._watch._watcher
    assert watcher is not None
    watcher.close()
    site.share.drop("missed.pdf")
    step_after(site, producer, 0.0)
    assert site.dials.reports[-1].watching == "events and scan" or known_to(producer) == 1
    quietly(site, producer, SCAN_S)
    assert site.share.claimed_paths() == ["missed.pdf"]
    site.share.drop("noticed.pdf")
    step_until(producer, lambda: "noticed.pdf" in site.share.claimed_paths(), "an event to be heard again")


def test_after_a_loss_of_events_younger_letters_wait_for_the_scan_that_finds_the_older(site: Site) -> None:
    producer = started(site)
    watcher = producer._discovery._watch._watcher
    assert watcher is not None
    watcher.close()
    site.share.write("missed.pdf")
    site.clock.advance(SIGNS_S)
    producer._discovery.check_signs()
    site.share.drop("younger.pdf")
    eventually(lambda: producer._discovery._watch._watcher.buffer.received, "the younger one's event")  # type: ignore[union-attr]
    quietly(site, producer, SETTLE_S + 1)
    assert [site.share.claimed()[claim_id] for claim_id in site.queue.hinted] == ["missed.pdf", "younger.pdf"]


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
    """Its threads live and its path exists: only its identity shows it."""
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
