"""What events and scans bring into the index: what counts as complete, and what is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from producer.discovery.backlog import Order, ScanBacklog
from producer.discovery.inbox import InboxIndex
from producer.discovery.inotify import FileEvent
from tests.producer.doubles import SETTLE_S, Clock, Share
from worker.adapters.share.completion_rule import CompletionRule


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(share: Share, clock: Clock) -> InboxIndex:
    return InboxIndex(str(share.inbox), CompletionRule("quiet", SETTLE_S), clock)


@pytest.fixture
def backlog(inbox: InboxIndex, clock: Clock) -> ScanBacklog:
    """Through which events come."""
    return ScanBacklog(inbox, clock, lambda: float("-inf"))


def renamed_in(path: str) -> FileEvent:
    return FileEvent(path, renamed_in=True, is_folder=False)


def written(path: str) -> FileEvent:
    return FileEvent(path, renamed_in=False, is_folder=False)


def find(inbox: InboxIndex, *paths: str, unannounced: bool = False) -> None:
    """What a scan that meets these files does."""
    inbox.add_found(paths, unannounced=unannounced)


def test_complete_files_are_taken_in_order_of_notice_as_many_as_are_wanted(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    for path in ("c", "a", "b"):
        share.write(path)
        backlog.handle_event(renamed_in(path))
    assert len(inbox) == 3
    assert list(inbox.take_complete(2)) == ["c", "a"]
    assert inbox.has_complete()
    assert list(inbox.take_complete(2)) == ["b"]
    assert not inbox.has_complete()
    assert len(inbox) == 0


@pytest.mark.parametrize("event", [renamed_in, written])
@pytest.mark.parametrize("path", ["gone", "gone/letter.pdf"])
def test_a_notice_of_what_is_gone_means_nothing(
    inbox: InboxIndex, backlog: ScanBacklog, event: Callable[[str], FileEvent], path: str
) -> None:
    backlog.handle_event(event(path))
    assert len(inbox) == 0


@pytest.mark.parametrize("path", [".hidden", "x.tmp", ".Trash-1000/files/x.pdf", "upload.part/x.pdf"])
@pytest.mark.parametrize("event", [renamed_in, written])
def test_a_notice_of_junk_means_nothing(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, event: Callable[[str], FileEvent], path: str
) -> None:
    share.write(path)
    backlog.handle_event(event(path))
    assert len(inbox) == 0


def test_a_notice_of_a_file_that_is_a_folder_by_now_means_nothing(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    (share.inbox / "letter.pdf").mkdir()
    backlog.handle_event(renamed_in("letter.pdf"))
    assert len(inbox) == 0


def test_a_complete_file_that_is_gone_when_a_scan_did_not_meet_it_waits_no_longer(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog
) -> None:
    share.write("letter.pdf")
    backlog.handle_event(renamed_in("letter.pdf"))
    inbox.forget_missing(["letter.pdf", "never seen"])
    assert inbox.has_complete(), "it is there all the same"
    (share.inbox / "letter.pdf").unlink()
    inbox.forget_missing(inbox.paths())
    assert not inbox.has_complete()


def test_a_settling_file_that_is_gone_when_a_scan_did_not_meet_it_is_forgotten(share: Share, inbox: InboxIndex) -> None:
    letter = share.write("letter.pdf")
    find(inbox, "letter.pdf")
    assert inbox.paths() == {"letter.pdf"}
    letter.unlink()
    inbox.forget_missing(inbox.paths())
    assert len(inbox) == 0


def test_a_scan_does_not_make_a_complete_file_wait_again(share: Share, inbox: InboxIndex, backlog: ScanBacklog) -> None:
    share.write("letter.pdf")
    backlog.handle_event(renamed_in("letter.pdf"))
    find(inbox, "letter.pdf")
    assert list(inbox.take_complete(1)) == ["letter.pdf"]


# --- Files of which events should have told ---------------------------------------------------------------------------


def test_a_file_that_settles_without_any_event_was_unannounced(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, clock: Clock
) -> None:
    for path in ("told-late.pdf", "silent.pdf", "unexpected.pdf"):
        share.write(path)
    find(inbox, "told-late.pdf", "silent.pdf", unannounced=True)
    find(inbox, "unexpected.pdf", "told-late.pdf")
    backlog.handle_event(written("told-late.pdf"))
    clock.advance(SETTLE_S)
    inbox.recheck()
    assert inbox.unannounced == 1
    assert sorted(inbox.take_complete(9)) == ["silent.pdf", "told-late.pdf", "unexpected.pdf"]


def test_a_file_that_goes_before_it_settles_was_not_unannounced(share: Share, inbox: InboxIndex, clock: Clock) -> None:
    letter = share.write("letter.pdf")
    find(inbox, "letter.pdf", unannounced=True)
    letter.unlink()
    clock.advance(SETTLE_S)
    inbox.recheck()
    share.write("letter.pdf")
    find(inbox, "letter.pdf")
    clock.advance(SETTLE_S)
    inbox.recheck()
    assert (inbox.unannounced, list(inbox.take_complete(1))) == (0, ["letter.pdf"])


# --- More files than are known at a time ------------------------------------------------------------------------------


def test_notices_beyond_the_limit_are_left_to_the_scan(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.discovery.inbox.MAX_KNOWN", 2)
    for path in ("a", "b", "c"):
        share.write(path)
        backlog.handle_event(renamed_in(path))
    assert (len(inbox), backlog.dropped, backlog.order) == (2, 1, Order.BEHIND)
    assert backlog.blind_s() == clock.now_s, "a scan that finds it proves nothing against the watch"
    assert list(inbox.take_complete(2)) == ["a", "b"]
    share.write("younger")
    backlog.handle_event(renamed_in("younger"))
    assert (len(inbox), backlog.dropped) == (0, 2), "c was there before it"
    find(inbox, "c")
    backlog.abandon_scan()
    backlog.handle_event(renamed_in("c"))
    assert list(inbox.take_complete(1)) == ["c"], "events of a known file go to the index"


def test_a_file_that_could_not_be_claimed_is_no_sign_of_a_deaf_watch(inbox: InboxIndex, clock: Clock) -> None:
    assert inbox.claim_failed_s < 0
    inbox.claim_failed()
    assert inbox.claim_failed_s == clock.now_s


def test_a_file_replaced_by_another_after_it_was_complete_settles_anew(
    share: Share, inbox: InboxIndex, backlog: ScanBacklog, clock: Clock
) -> None:
    share.write("letter.pdf")
    backlog.handle_event(renamed_in("letter.pdf"))
    os.unlink(share.write("letter.pdf", "being written"))
    share.write("letter.pdf", "being written")
    assert list(inbox.take_complete(1)) == []
    assert inbox.next_due_s() == clock.now_s + SETTLE_S
    clock.advance(SETTLE_S)
    inbox.recheck()
    assert list(inbox.take_complete(1)) == ["letter.pdf"]
