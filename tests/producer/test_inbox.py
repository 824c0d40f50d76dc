"""Notices and scans put together: what counts as complete, and what is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from producer.completing import Completion
from producer.inbox import Inbox
from producer.walking import sample_of
from producer.watching import Notice
from tests.producer.doubles import SETTLE_S, Clock, Share


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(share: Share, clock: Clock) -> Inbox:
    return Inbox(str(share.inbox), Completion("quiet", SETTLE_S), clock)


def renamed_in(path: str) -> Notice:
    return Notice(path, renamed_in=True, is_folder=False)


def written(path: str) -> Notice:
    return Notice(path, renamed_in=False, is_folder=False)


def find(inbox: Inbox, share: Share, *paths: str, unannounced: bool = False) -> None:
    """What a scan that meets these files does."""
    samples = {path: sample_of(str(share.inbox / path)) for path in paths}
    inbox.found([(path, sample) for path, sample in samples.items() if sample is not None], unannounced=unannounced)


def test_complete_files_are_taken_in_order_of_notice_as_many_as_are_wanted(share: Share, inbox: Inbox) -> None:
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
def test_a_notice_of_what_is_gone_means_nothing(inbox: Inbox, notice: Callable[[str], Notice], path: str) -> None:
    inbox.notice(notice(path))
    assert len(inbox) == 0


@pytest.mark.parametrize("path", [".hidden", "x.tmp", ".Trash-1000/files/x.pdf", "upload.part/x.pdf"])
@pytest.mark.parametrize("notice", [renamed_in, written])
def test_a_notice_of_junk_means_nothing(share: Share, inbox: Inbox, notice: Callable[[str], Notice], path: str) -> None:
    share.write(path)
    inbox.notice(notice(path))
    assert len(inbox) == 0


def test_a_notice_of_a_file_that_is_a_folder_by_now_means_nothing(share: Share, inbox: Inbox) -> None:
    (share.inbox / "letter.pdf").mkdir()
    inbox.notice(renamed_in("letter.pdf"))
    assert len(inbox) == 0


def test_a_complete_file_that_is_gone_when_a_scan_did_not_meet_it_waits_no_longer(share: Share, inbox: Inbox) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    inbox.check(["letter.pdf", "never seen"])
    assert inbox.has_complete(), "it is there all the same"
    (share.inbox / "letter.pdf").unlink()
    inbox.check(inbox.paths())
    assert not inbox.has_complete()


def test_a_settling_file_that_is_gone_when_a_scan_did_not_meet_it_is_forgotten(share: Share, inbox: Inbox) -> None:
    letter = share.write("letter.pdf")
    find(inbox, share, "letter.pdf")
    assert inbox.paths() == {"letter.pdf"}
    letter.unlink()
    inbox.check(inbox.paths())
    assert len(inbox) == 0


def test_a_scan_does_not_make_a_complete_file_wait_again(share: Share, inbox: Inbox) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    find(inbox, share, "letter.pdf")
    assert list(inbox.take(1)) == ["letter.pdf"]


# --- Files of which events should have told ---------------------------------------------------------------------------


def test_a_file_that_settles_without_any_event_was_unannounced(share: Share, inbox: Inbox, clock: Clock) -> None:
    for path in ("told-late.pdf", "silent.pdf", "unexpected.pdf"):
        share.write(path)
    find(inbox, share, "told-late.pdf", "silent.pdf", unannounced=True)
    find(inbox, share, "unexpected.pdf", "told-late.pdf")
    inbox.notice(written("told-late.pdf"))
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert inbox.unannounced == 1
    assert sorted(inbox.take(9)) == ["silent.pdf", "told-late.pdf", "unexpected.pdf"]


def test_a_file_that_goes_before_it_settles_was_not_unannounced(share: Share, inbox: Inbox, clock: Clock) -> None:
    letter = share.write("letter.pdf")
    find(inbox, share, "letter.pdf", unannounced=True)
    letter.unlink()
    clock.advance(SETTLE_S)
    inbox.look_again()
    share.write("letter.pdf")
    find(inbox, share, "letter.pdf")
    clock.advance(SETTLE_S)
    inbox.look_again()
    assert (inbox.unannounced, list(inbox.take(1))) == (0, ["letter.pdf"])


# --- More files than are known at a time ------------------------------------------------------------------------------


def test_notices_beyond_the_limit_are_left_to_the_scan(
    share: Share, inbox: Inbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.inbox.MAX_KNOWN", 2)
    for path in ("a", "b", "c"):
        share.write(path)
        inbox.notice(renamed_in(path))
    assert (len(inbox), inbox.dropped, inbox.has_backlog) == (2, 1, True)
    assert inbox.gave_up_s == clock.now_s, "a scan that finds it proves nothing against the watch"
    assert list(inbox.take(2)) == ["a", "b"]
    share.write("younger")
    inbox.notice(renamed_in("younger"))
    assert (len(inbox), inbox.dropped) == (0, 2), "c was there before it"
    find(inbox, share, "c")
    inbox.notice(renamed_in("c"))
    assert list(inbox.take(1)) == ["c"], "of a file that is known more can be told"


def test_a_file_that_could_not_be_claimed_is_no_sign_of_a_deaf_watch(inbox: Inbox, clock: Clock) -> None:
    assert inbox.gave_up_s < 0
    inbox.give_up()
    assert inbox.gave_up_s == clock.now_s


def test_a_file_replaced_by_another_after_it_was_complete_settles_anew(
    share: Share, inbox: Inbox, clock: Clock
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
