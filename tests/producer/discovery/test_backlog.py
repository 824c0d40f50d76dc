"""Letters are claimed in order of arrival, also when events were lost and more are there than may be known."""

from __future__ import annotations

import dataclasses

import pytest
from watchdog.observers import inotify_c

from producer.service import Producer
from tests.producer.doubles import DISCOVERY, SETTLE_S, Share, Site
from tests.producer.stepping import known_to, started, step_until
from tests.support.waiting import eventually

OVERFLOW = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")


def lose(producer: Producer, site: Site, names: list[str]) -> None:
    """Drop letters of which no event tells, as after an overflow of the kernel's queue."""
    watcher = producer._discovery._watch._watcher
    assert watcher is not None
    swallowed = list[inotify_c.InotifyEvent]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watcher.thread, "handle_event", swallowed.append)
        drop_all(site.share, names)
        eventually(lambda: len(swallowed) >= len(names), f"{len(names)} events")
    watcher.thread.handle_event(OVERFLOW)


def drop_all(share: Share, names: list[str]) -> None:
    for name in names:
        share.drop(name)


def claimed_in_order(site: Site, producer: Producer, letters: int) -> list[str]:
    """Names of the letters in the order of their claims, once so many are claimed; time goes on meanwhile."""

    def stepped() -> bool:
        site.clock.advance(0.1)
        producer.step()
        return len(set(site.queue.hinted)) == letters

    eventually(stepped, f"{letters} letters to be claimed", 60)
    names = site.share.claimed()
    return [names[claim_id] for claim_id in dict.fromkeys(site.queue.hinted)]


def numbered(first: int, letters: int) -> list[str]:
    return [f"{number:05}.pdf" for number in range(first, first + letters)]


@pytest.fixture
def quiet_site(site: Site) -> Site:
    """No scan begins by the clock."""
    site.discovery = dataclasses.replace(DISCOVERY, scan_s=3600.0, max_scan_s=3600.0)
    return site


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.discovery.inbox.MAX_KNOWN", 50)
    monkeypatch.setattr("producer.discovery.inbox.MAX_HELD", 40)
    monkeypatch.setattr("producer.discovery.scanner.MAX_PICKED", 100)


def test_what_is_told_after_a_loss_waits_for_what_was_lost(quiet_site: Site) -> None:
    """Also for those that were lost to settle, and although no sign is looked at in between."""
    producer = started(quiet_site)
    share, names = quiet_site.share, numbered(0, 30)
    lose(producer, quiet_site, names[:10])
    drop_all(share, names[10:20])
    step_until(producer, lambda: known_to(producer) >= 10, "those that were lost to be found")
    drop_all(share, names[20:])
    assert claimed_in_order(quiet_site, producer, 30) == names


def test_what_was_told_before_a_loss_does_not_wait(quiet_site: Site) -> None:
    producer = started(quiet_site)
    quiet_site.share.drop("before.pdf")
    eventually(lambda: producer._discovery._watch._watcher.buffer._events, "a notice")  # type: ignore[union-attr]
    lose(producer, quiet_site, ["lost.pdf"])
    step_until(producer, lambda: quiet_site.share.claimed_paths() == ["before.pdf"], "the claim, without any wait")


def test_once_it_has_caught_up_letters_are_claimed_at_once_again(quiet_site: Site) -> None:
    producer = started(quiet_site)
    lose(producer, quiet_site, ["lost.pdf"])
    step_until(producer, lambda: known_to(producer) == 1, "the lost one to be found")
    quiet_site.clock.advance(SETTLE_S)
    producer.step()
    quiet_site.share.drop("after.pdf")
    step_until(producer, lambda: "after.pdf" in quiet_site.share.claimed_paths(), "the claim, without any wait")


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("batch", [7, 60, 240])
def test_a_flood_keeps_its_order_whatever_is_lost_of_it(quiet_site: Site, batch: int) -> None:
    """A part is told, a part is lost, and the producer lives in between."""
    producer = started(quiet_site)
    names = numbered(0, 480)
    for number in range(0, len(names), batch):
        part = names[number : number + batch]
        drop_all(quiet_site.share, part[: batch // 2])
        lose(producer, quiet_site, part[batch // 2 :])
        quiet_site.clock.advance(0.3)
        producer.step()
    assert claimed_in_order(quiet_site, producer, len(names)) == names


@pytest.mark.usefixtures("little_room")
def test_a_flood_that_nothing_is_lost_of_keeps_its_order_too(quiet_site: Site) -> None:
    producer = started(quiet_site)
    names = numbered(0, 600)
    for number in range(0, len(names), 20):
        drop_all(quiet_site.share, names[number : number + 20])
        producer.step()
    assert claimed_in_order(quiet_site, producer, len(names)) == names


@pytest.mark.usefixtures("little_room")
def test_what_waited_before_the_start_comes_before_what_comes_after_it(quiet_site: Site) -> None:
    names = numbered(0, 330)
    drop_all(quiet_site.share, names[:300])
    producer = started(quiet_site)
    drop_all(quiet_site.share, names[300:])
    assert claimed_in_order(quiet_site, producer, len(names)) == names
