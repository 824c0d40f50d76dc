"""Letters are claimed in order of arrival, also when events were lost and more are there than may be known."""

from __future__ import annotations

import dataclasses

import pytest
from watchdog.observers import inotify_c

from producer.discovery.arrival_order import OldestFiles, path_of, rank_of
from producer.discovery.backlog import MAX_ORDER_WAIT_S, Order, ScanBacklog
from producer.discovery.inbox import InboxIndex
from producer.discovery.inotify import FileEvent
from producer.service import Producer
from tests.producer.doubles import DISCOVERY, SETTLE_S, Clock, Share, Site
from tests.producer.stepping import known_to, started, step_until
from tests.support.waiting import eventually
from worker.adapters.share.completion_rule import CompletionRule

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
    monkeypatch.setattr("producer.discovery.backlog.MAX_HELD", 40)
    monkeypatch.setattr("producer.discovery.backlog.MAX_PICKED", 100)


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
    """Some events arrive, some are lost, and the producer lives in between."""
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


# --- The order of one backlog -----------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(share: Share, clock: Clock) -> InboxIndex:
    return InboxIndex(str(share.inbox), CompletionRule("quiet", SETTLE_S), clock)


@pytest.fixture
def backlog(inbox: InboxIndex, clock: Clock) -> ScanBacklog:
    return ScanBacklog(inbox, clock, lambda: float("-inf"))


def renamed_in(path: str) -> FileEvent:
    return FileEvent(path, renamed_in=True, is_folder=False)


def end_scan(backlog: ScanBacklog, oldest: OldestFiles, *paths: str, left_out: int = 0) -> None:
    """The scan met these files, in order, and left out as many younger ones."""
    for number, path in enumerate(paths):
        oldest.add(path, number)
    oldest.left_out += left_out
    backlog.end_scan(oldest)


def test_what_is_noticed_while_a_scan_catches_up_has_its_turn_behind_what_that_finds(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, clock: Clock
) -> None:
    backlog.fall_behind()
    oldest = backlog.begin_scan()
    for path in ("old", "young"):
        share.write(path)
    backlog.handle_event(renamed_in("young"))
    end_scan(backlog, oldest, "old")
    backlog.work()
    assert backlog.order is Order.CATCHING_UP, "the old one has not settled"
    clock.advance(SETTLE_S)
    backlog.work()
    assert (backlog.order, backlog.dropped) == (Order.IN_ORDER, 0)
    assert list(inbox.take_complete(2)) == ["old", "young"]


def test_what_a_scan_found_settles_in_its_turn_although_an_event_tells_that_it_is_complete(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, clock: Clock
) -> None:
    backlog.fall_behind()
    for path in ("old", "young"):
        share.write(path)
    backlog.add_found([rank_of("old", 1), rank_of("young", 2)], by_full_scan=True)
    backlog.handle_event(renamed_in("young"))
    assert not inbox.has_complete()
    clock.advance(SETTLE_S)
    inbox.recheck()
    assert list(inbox.take_complete(2)) == ["old", "young"]


def test_what_is_held_is_dropped_when_the_scan_left_others_out(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    backlog.fall_behind()
    oldest = backlog.begin_scan()
    share.write("young")
    backlog.handle_event(renamed_in("young"))
    assert backlog.dropped == 0
    end_scan(backlog, oldest, left_out=1)
    assert (backlog.order, backlog.dropped, len(inbox)) == (Order.BEHIND, 1, 0)


def test_more_than_may_be_held_are_left_to_another_scan(
    share: Share, backlog: ScanBacklog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.discovery.backlog.MAX_HELD", 2)
    backlog.fall_behind()
    oldest = backlog.begin_scan()
    for path in ("a", "b", "c"):
        share.write(path)
        backlog.handle_event(renamed_in(path))
    assert (backlog.order, backlog.dropped) == (Order.BEHIND, 3)
    end_scan(backlog, oldest)
    assert backlog.order is Order.BEHIND
    assert backlog.wants_scan(), "without any wait for what has not settled"


def test_a_loss_while_a_scan_catches_up_is_left_to_another_scan(backlog: ScanBacklog) -> None:
    backlog.fall_behind()
    oldest = backlog.begin_scan()
    backlog.fall_behind()
    end_scan(backlog, oldest)
    assert backlog.order is Order.BEHIND
    assert backlog.wants_scan()


def test_an_inbox_that_cannot_be_listed_drops_what_is_held(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    """The next scan that succeeds finds it; until then nothing is known to be older."""
    backlog.fall_behind()
    backlog.begin_scan()
    for path in ("held", "after"):
        share.write(path)
    backlog.handle_event(renamed_in("held"))
    backlog.abandon_scan()
    assert (backlog.order, backlog.dropped) == (Order.IN_ORDER, 1)
    backlog.handle_event(renamed_in("after"))
    assert list(inbox.take_complete(2)) == ["after"]


def test_letters_do_not_wait_for_a_quiet_time_that_is_long(share: Share, clock: Clock) -> None:
    inbox = InboxIndex(str(share.inbox), CompletionRule("renamed", MAX_ORDER_WAIT_S + 1), clock)
    backlog = ScanBacklog(inbox, clock, lambda: float("-inf"))
    backlog.fall_behind()
    oldest = backlog.begin_scan()
    for path in ("old", "young"):
        share.write(path)
    backlog.handle_event(renamed_in("young"))
    backlog.add_found([rank_of("old", 1)], by_full_scan=True)
    backlog.handle_event(renamed_in("old"))
    assert list(inbox.take_complete(1)) == ["old"]
    end_scan(backlog, oldest)
    assert backlog.order is Order.IN_ORDER
    assert list(inbox.take_complete(1)) == ["young"]


def test_the_first_file_that_was_passed_over_since_a_scan_began_is_kept(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    """What came after it, the scan may not have met in full: only the file itself and older ones are certain."""
    backlog.fall_behind()
    for path in ("before", "written", "first", "second"):
        share.write(path)
    backlog.handle_event(renamed_in("before"))
    oldest = backlog.begin_scan()
    # Its time of change need not be that of the event.
    backlog.handle_event(FileEvent("written", renamed_in=False, is_folder=False))
    for path in ("gone", "first", "second"):
        backlog.handle_event(renamed_in(path))
    assert path_of(backlog._first_missed or b"") == "first"
    backlog.fall_behind()
    first_ns = (share.inbox / "first").stat().st_ctime_ns
    oldest.add("first", first_ns)
    oldest.add("second", first_ns + 1)
    backlog.end_scan(oldest)
    assert inbox.paths() == {"first"}
    assert backlog.waiting == 1
