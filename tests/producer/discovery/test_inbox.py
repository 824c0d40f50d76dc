"""Notices and scans put together: what counts as complete, and what is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from producer.discovery.arrival_order import path_of
from producer.discovery.inbox import MAX_TURN_S, InboxIndex
from producer.discovery.inotify import FileEvent
from tests.producer.doubles import SETTLE_S, Clock, Share
from worker.adapters.share.completion_rule import CompletionRule


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(share: Share, clock: Clock) -> InboxIndex:
    return InboxIndex(str(share.inbox), CompletionRule("quiet", SETTLE_S), clock)


def renamed_in(path: str) -> FileEvent:
    return FileEvent(path, renamed_in=True, is_folder=False)


def written(path: str) -> FileEvent:
    return FileEvent(path, renamed_in=False, is_folder=False)


def find(inbox: InboxIndex, *paths: str, unannounced: bool = False) -> None:
    """What a scan that meets these files does."""
    inbox.found(paths, unannounced=unannounced)


def test_complete_files_are_taken_in_order_of_notice_as_many_as_are_wanted(share: Share, inbox: InboxIndex) -> None:
    for path in ("c", "a", "b"):
        share.write(path)
        inbox.notice(renamed_in(path))
    assert len(inbox) == 3
    assert list(inbox.take(2)) == ["c", "a"]
    assert inbox.has_complete()
    assert list(inbox.take(2)) == ["b"]
    assert not inbox.has_complete()
    assert len(inbox) == 0


@pytest.mark.parametrize("notice", [renamed_in, written])
@pytest.mark.parametrize("path", ["gone", "gone/letter.pdf"])
def test_a_notice_of_what_is_gone_means_nothing(
    inbox: InboxIndex, notice: Callable[[str], FileEvent], path: str
) -> None:
    inbox.notice(notice(path))
    assert len(inbox) == 0


@pytest.mark.parametrize("path", [".hidden", "x.tmp", ".Trash-1000/files/x.pdf", "upload.part/x.pdf"])
@pytest.mark.parametrize("notice", [renamed_in, written])
def test_a_notice_of_junk_means_nothing(
    share: Share, inbox: InboxIndex, notice: Callable[[str], FileEvent], path: str
) -> None:
    share.write(path)
    inbox.notice(notice(path))
    assert len(inbox) == 0


def test_a_notice_of_a_file_that_is_a_folder_by_now_means_nothing(share: Share, inbox: InboxIndex) -> None:
    (share.inbox / "letter.pdf").mkdir()
    inbox.notice(renamed_in("letter.pdf"))
    assert len(inbox) == 0


def test_a_complete_file_that_is_gone_when_a_scan_did_not_meet_it_waits_no_longer(
    share: Share, inbox: InboxIndex
) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    inbox.check(["letter.pdf", "never seen"])
    assert inbox.has_complete(), "it is there all the same"
    (share.inbox / "letter.pdf").unlink()
    inbox.check(inbox.paths())
    assert not inbox.has_complete()


def test_a_settling_file_that_is_gone_when_a_scan_did_not_meet_it_is_forgotten(share: Share, inbox: InboxIndex) -> None:
    letter = share.write("letter.pdf")
    find(inbox, "letter.pdf")
    assert inbox.paths() == {"letter.pdf"}
    letter.unlink()
    inbox.check(inbox.paths())
    assert len(inbox) == 0


def test_a_scan_does_not_make_a_complete_file_wait_again(share: Share, inbox: InboxIndex) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    find(inbox, "letter.pdf")
    assert list(inbox.take(1)) == ["letter.pdf"]


# --- Files of which events should have told ---------------------------------------------------------------------------


def test_a_file_that_settles_without_any_event_was_unannounced(share: Share, inbox: InboxIndex, clock: Clock) -> None:
    for path in ("told-late.pdf", "silent.pdf", "unexpected.pdf"):
        share.write(path)
    find(inbox, "told-late.pdf", "silent.pdf", unannounced=True)
    find(inbox, "unexpected.pdf", "told-late.pdf")
    inbox.notice(written("told-late.pdf"))
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert inbox.unannounced == 1
    assert sorted(inbox.take(9)) == ["silent.pdf", "told-late.pdf", "unexpected.pdf"]


def test_a_file_that_goes_before_it_settles_was_not_unannounced(share: Share, inbox: InboxIndex, clock: Clock) -> None:
    letter = share.write("letter.pdf")
    find(inbox, "letter.pdf", unannounced=True)
    letter.unlink()
    clock.advance(SETTLE_S)
    inbox.look_again()
    share.write("letter.pdf")
    find(inbox, "letter.pdf")
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert (inbox.unannounced, list(inbox.take(1))) == (0, ["letter.pdf"])


# --- More files than are known at a time ------------------------------------------------------------------------------


def test_notices_beyond_the_limit_are_left_to_the_scan(
    share: Share, inbox: InboxIndex, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.discovery.inbox.MAX_KNOWN", 2)
    for path in ("a", "b", "c"):
        share.write(path)
        inbox.notice(renamed_in(path))
    assert (len(inbox), inbox.dropped, inbox.has_backlog) == (2, 1, True)
    assert inbox.gave_up_s == clock.now_s, "a scan that finds it proves nothing against the watch"
    assert list(inbox.take(2)) == ["a", "b"]
    share.write("younger")
    inbox.notice(renamed_in("younger"))
    assert (len(inbox), inbox.dropped) == (0, 2), "c was there before it"
    find(inbox, "c")
    inbox.has_backlog = False
    inbox.notice(renamed_in("c"))
    assert list(inbox.take(1)) == ["c"], "of a file that is known more can be told"


def test_a_file_that_could_not_be_claimed_is_no_sign_of_a_deaf_watch(inbox: InboxIndex, clock: Clock) -> None:
    assert inbox.gave_up_s < 0
    inbox.give_up()
    assert inbox.gave_up_s == clock.now_s


def test_a_file_replaced_by_another_after_it_was_complete_settles_anew(
    share: Share, inbox: InboxIndex, clock: Clock
) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    os.unlink(share.write("letter.pdf", "being written"))
    share.write("letter.pdf", "being written")
    assert list(inbox.take(1)) == []
    assert inbox.next_due_s() == clock.now_s + SETTLE_S
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert list(inbox.take(1)) == ["letter.pdf"]


# --- Older letters first ----------------------------------------------------------------------------------------------


def test_what_is_noticed_while_a_scan_catches_up_has_its_turn_behind_what_that_finds(
    share: Share, inbox: InboxIndex, clock: Clock
) -> None:
    inbox.fall_behind()
    inbox.begin_to_catch_up()
    for path in ("old", "young"):
        share.write(path)
    inbox.notice(renamed_in("young"))
    find(inbox, "old")
    assert not inbox.may_catch_up(), "the old one has not settled"
    clock.advance(SETTLE_S)
    assert inbox.may_catch_up()
    inbox.catch_up(is_all_known=True)
    assert (inbox.has_backlog, inbox.dropped) == (False, 0)
    assert list(inbox.take(2)) == ["old", "young"]


def test_what_a_scan_found_settles_in_its_turn_although_an_event_tells_that_it_is_complete(
    share: Share, inbox: InboxIndex, clock: Clock
) -> None:
    inbox.fall_behind()
    for path in ("old", "young"):
        share.write(path)
    find(inbox, "old", "young")
    inbox.notice(renamed_in("young"))
    assert not inbox.has_complete()
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert list(inbox.take(2)) == ["old", "young"]


def test_what_is_held_is_dropped_when_the_scan_left_others_out(share: Share, inbox: InboxIndex) -> None:
    inbox.fall_behind()
    inbox.begin_to_catch_up()
    share.write("young")
    inbox.notice(renamed_in("young"))
    inbox.catch_up(is_all_known=False)
    assert (inbox.has_backlog, inbox.dropped, len(inbox)) == (True, 1, 0)


def test_more_than_may_be_held_are_left_to_another_scan(
    share: Share, inbox: InboxIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.discovery.inbox.MAX_HELD", 2)
    inbox.fall_behind()
    inbox.begin_to_catch_up()
    for path in ("a", "b", "c"):
        share.write(path)
        inbox.notice(renamed_in(path))
    assert (inbox.will_catch_up(), inbox.may_catch_up(), inbox.dropped) == (False, True, 3)
    inbox.catch_up(is_all_known=True)
    assert inbox.has_backlog


def test_a_loss_while_a_scan_catches_up_is_left_to_another_scan(share: Share, inbox: InboxIndex) -> None:
    inbox.fall_behind()
    inbox.begin_to_catch_up()
    inbox.fall_behind()
    assert not inbox.will_catch_up()
    inbox.catch_up(is_all_known=True)
    assert inbox.has_backlog


def test_letters_do_not_wait_for_a_quiet_time_that_is_long(share: Share, clock: Clock) -> None:
    inbox = InboxIndex(str(share.inbox), CompletionRule("renamed", MAX_TURN_S + 1), clock)
    inbox.fall_behind()
    inbox.begin_to_catch_up()
    share.write("old")
    find(inbox, "old")
    assert inbox.may_catch_up()
    inbox.notice(renamed_in("old"))
    assert inbox.has_complete()


def test_the_first_file_that_was_passed_over_since_a_scan_began_is_kept(share: Share, inbox: InboxIndex) -> None:
    inbox.fall_behind()
    for path in ("before", "written", "first", "second"):
        share.write(path)
    inbox.notice(renamed_in("before"))
    inbox.begin_to_catch_up()
    inbox.notice(written("written"))  # its time of change need not be that of the event
    for path in ("gone", "first", "second"):
        inbox.notice(renamed_in(path))
    assert path_of(inbox.passed_over or b"") == "first"
