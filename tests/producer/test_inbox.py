"""Notices and scans put together: what counts as complete, and what is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from producer.inbox import Inbox
from producer.watching import Notice
from tests.producer.doubles import SETTLE_S, Clock, Share


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(share: Share, clock: Clock) -> Inbox:
    return Inbox(str(share.inbox), SETTLE_S, clock)


def renamed_in(path: str) -> Notice:
    return Notice(path, renamed_in=True, is_folder=False)


def written(path: str) -> Notice:
    return Notice(path, renamed_in=False, is_folder=False)


def folder(path: str) -> Notice:
    return Notice(path, renamed_in=False, is_folder=True)


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


@pytest.mark.parametrize("notice", [renamed_in, written, folder])
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


def test_a_folder_is_looked_into_and_one_that_became_a_link_is_not(share: Share, inbox: Inbox) -> None:
    share.write("clinic/2014/letter.pdf")
    (share.root / "outside" / "foreign.pdf").write_text("not for us")
    (share.inbox / "link").symlink_to(share.root / "outside")
    inbox.notice(folder("link"))
    assert len(inbox) == 0
    inbox.notice(folder("clinic"))
    assert len(inbox) == 1


def test_a_complete_file_that_is_gone_at_the_next_scan_waits_no_longer(share: Share, inbox: Inbox) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    (share.inbox / "letter.pdf").unlink()
    inbox.scan()
    assert not inbox.has_complete()


def test_a_settling_file_that_is_gone_at_the_next_scan_is_forgotten(share: Share, inbox: Inbox) -> None:
    letter = share.write("letter.pdf")
    inbox.scan()
    assert len(inbox) == 1
    letter.unlink()
    inbox.scan()
    assert len(inbox) == 0


def test_a_scan_does_not_make_a_complete_file_wait_again(share: Share, inbox: Inbox) -> None:
    share.write("letter.pdf")
    inbox.notice(renamed_in("letter.pdf"))
    inbox.scan()
    assert list(inbox.take(1)) == ["letter.pdf"]


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
