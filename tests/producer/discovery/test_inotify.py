"""Events, on a real file system: which notices come, which do not, and how a broken watch is noticed."""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from watchdog.observers import inotify_c

from producer.discovery.inotify import MAX_NOTICES, OVERFLOW, EventBuffer, FileEvent, Watcher
from producer.wake import Wake
from tests.producer.doubles import Share
from tests.support.waiting import eventually

See = Callable[[str], list[FileEvent]]
QUEUE_OVERFLOW = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")


@contextmanager
def watched(share: Share) -> Iterator[See]:
    """Everything noticed so far, once a notice of the named path is among it."""
    watcher, noticed = Watcher(str(share.inbox), Wake()), list[FileEvent]()

    def see(path: str) -> list[FileEvent]:
        def look() -> list[FileEvent]:
            noticed.extend(watcher.take())
            return noticed if any(one.path == path for one in noticed) else []

        return eventually(look, f"a notice of {path!r}; noticed {noticed}")

    try:
        yield see
    finally:
        watcher.close()


def of(notices: list[FileEvent], path: str) -> set[tuple[bool, bool]]:
    """(renamed in, is a folder) of each notice of that path."""
    return {(one.renamed_in, one.is_folder) for one in notices if one.path == path}


RENAMED_IN, WRITTEN, FOLDER = {(True, False)}, {(False, False)}, {(False, True)}


def test_a_file_renamed_in_from_outside(share: Share) -> None:
    with watched(share) as see:
        share.drop("letter.pdf")
        assert of(see("letter.pdf"), "letter.pdf") == RENAMED_IN


def test_a_file_renamed_from_a_temporary_name_in_the_inbox(share: Share) -> None:
    with watched(share) as see:
        share.write(".letter.tmp").rename(share.inbox / "letter.pdf")
        noticed = see("letter.pdf")
        assert of(noticed, "letter.pdf") == RENAMED_IN
        assert of(noticed, ".letter.tmp") <= WRITTEN


def test_a_file_renamed_over_another(share: Share) -> None:
    share.write("letter.pdf", "old")
    with watched(share) as see:
        share.drop("letter.pdf", "new")
        assert of(see("letter.pdf"), "letter.pdf") == RENAMED_IN


def test_a_file_written_in_place(share: Share) -> None:
    with watched(share) as see:
        share.write("letter.pdf")
        assert of(see("letter.pdf"), "letter.pdf") == WRITTEN


def test_a_file_linked_into_place_is_not_renamed_in(share: Share) -> None:
    outside = share.root / "outside" / "letter.pdf"
    outside.write_text("a letter")
    with watched(share) as see:
        os.link(outside, share.inbox / "letter.pdf")
        assert of(see("letter.pdf"), "letter.pdf") == WRITTEN


def test_a_file_moved_out_or_claimed_gives_no_notice(share: Share) -> None:
    for name in ("claimed.pdf", "taken-back.pdf"):
        share.write(name)
    with watched(share) as see:
        (share.inbox / "claimed.pdf").rename(share.root / "claimed" / "claimed.pdf")
        (share.inbox / "taken-back.pdf").rename(share.root / "outside" / "taken-back.pdf")
        share.drop("last.pdf")
        assert {one.path for one in see("last.pdf")} == {"last.pdf"}


def test_claims_do_not_hold_up_the_notices_of_what_comes_after(share: Share) -> None:
    """By default watchdog keeps what was moved out for half a second, to pair it, and everything behind it too."""
    waits_s = []
    with watched(share) as see:
        for number in range(5):
            share.write(f".{number}")
            see(f".{number}")
            (share.inbox / f".{number}").rename(share.root / "claimed" / f"{number}")
            begun_s = time.monotonic()
            share.drop(f"{number}.pdf")
            see(f"{number}.pdf")
            waits_s.append(time.monotonic() - begun_s)
    assert statistics.median(waits_s) < 0.3, waits_s


def test_a_folder_moved_in_is_one_notice_whatever_lies_in_it(share: Share) -> None:
    """Its files are found by a scan of the folder: none of them is taken for complete, one may be being written."""
    batch = share.root / "outside" / "batch"
    (batch / "sub").mkdir(parents=True)
    for number in range(100):
        (batch / "sub" / f"{number}.pdf").write_text("a letter")
    with watched(share) as see:
        batch.rename(share.inbox / "batch")
        share.drop("last.pdf")
        noticed = see("last.pdf")
        assert of(noticed, "batch") == FOLDER
        assert {one.path for one in noticed} == {"batch", "last.pdf"}


def test_a_folder_that_is_renamed_within_the_inbox_is_one_notice(share: Share) -> None:
    share.write("New Folder/letter.pdf")
    with watched(share) as see:
        (share.inbox / "New Folder").rename(share.inbox / "clinic")
        assert of(see("clinic"), "clinic") == FOLDER
        share.drop("clinic/after.pdf")
        noticed = see("clinic/after.pdf")
        assert of(noticed, "clinic/after.pdf") == RENAMED_IN
        assert of(noticed, "clinic/letter.pdf") == set()


def test_files_in_the_folders_of_a_folder_that_was_moved_in_are_noticed(share: Share) -> None:
    (share.root / "outside" / "batch" / "a" / "b").mkdir(parents=True)
    with watched(share) as see:
        (share.root / "outside" / "batch").rename(share.inbox / "batch")
        see("batch")
        share.drop("batch/a/b/letter.pdf")
        assert of(see("batch/a/b/letter.pdf"), "batch/a/b/letter.pdf") == RENAMED_IN


def test_of_a_tree_made_and_filled_at_once_each_file_is_told_or_lies_in_a_folder_that_is(share: Share) -> None:
    with watched(share) as see:
        for number in range(20):
            share.write(f"{number}/a/b/letter.pdf")
        for number in range(20):
            assert of(see(f"{number}"), f"{number}") == FOLDER


@pytest.mark.parametrize("folder", [".stversions", "upload.tmp"])
def test_folders_in_which_nothing_is_a_letter_are_not_watched(share: Share, folder: str) -> None:
    (share.inbox / folder).mkdir()
    with watched(share) as see:
        share.write(f"{folder}/letter.pdf")
        share.drop("last.pdf")
        assert {one.path for one in see("last.pdf")} == {"last.pdf"}


@pytest.mark.parametrize("folder", [b"\xff\xfe", b"line\nbreak", b"d" * 255], ids=repr)
def test_files_in_folders_of_any_name(share: Share, folder: bytes) -> None:
    name = os.fsdecode(folder)
    with watched(share) as see:
        (share.inbox / name).mkdir()
        see(name)
        share.drop(f"{name}/letter.pdf")
        assert of(see(f"{name}/letter.pdf"), f"{name}/letter.pdf") & RENAMED_IN


def test_links_are_not_followed(share: Share) -> None:
    outside = share.root / "outside"
    with watched(share) as see:
        (share.inbox / "link").symlink_to(outside)
        see("link")
        (outside / "foreign.pdf").write_text("not for us")
        share.drop("last.pdf")
        assert not [one for one in see("last.pdf") if "foreign" in one.path]


def test_neither_logs_nor_warnings_show_names(
    share: Share, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """watchdog's own lines quote paths; a folder or a file may be named after a person."""
    caplog.set_level(logging.DEBUG)
    with watched(share) as see:
        for number in range(50):
            share.write(f"Canary {number}/Jane/Canary.pdf")
            (share.inbox / f"Canary {number}").rename(share.inbox / f"Moved Canary {number}")
        share.drop("last.pdf")
        see("last.pdf")
    assert "Canary" not in caplog.text
    assert "Canary" not in "".join(capfd.readouterr())


# --- The queue of notices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/s/inbox", b"/s/inbox-of-others/x", b"/elsewhere/\xff", b""], ids=repr)
def test_an_event_that_concerns_nothing_in_the_inbox_gives_no_notice(path: bytes) -> None:
    notices = EventBuffer("/s/inbox", Wake())
    notices.came(path, by_rename=True, is_folder=False)
    assert notices.take() == []


def test_names_of_bytes_are_understood() -> None:
    notices = EventBuffer("/s/inbox", Wake())
    notices.came(b"/s/inbox/\xff/x", by_rename=True, is_folder=False)
    assert notices.take() == [FileEvent("\udcff/x", renamed_in=True, is_folder=False)]


def test_a_folder_that_was_renamed_is_not_taken_for_complete() -> None:
    notices = EventBuffer("/s/inbox", Wake())
    notices.came(b"/s/inbox/folder", by_rename=True, is_folder=True)
    assert notices.take() == [FileEvent("folder", renamed_in=False, is_folder=True)]


def test_with_as_many_as_may_wait_no_more_are_read_and_none_is_lost(share: Share) -> None:
    """The kernel keeps them in the meantime."""
    files = MAX_NOTICES + 3_000  # one read brings at most 2,560
    watcher = Watcher(str(share.inbox), Wake())
    try:
        for number in range(files):
            (share.root / "outside" / f"{number}").touch()
        for number in range(files):
            (share.root / "outside" / f"{number}").rename(share.inbox / f"{number}")
        eventually(lambda: watcher.notices.is_full, "the queue to be full")
        noticed = watcher.take()
        assert len(noticed) < files, "not all are read"

        def all_noticed() -> bool:
            noticed.extend(watcher.take())
            return len(noticed) == files

        eventually(all_noticed, f"notices of {files}")
        assert [one.path for one in noticed] == [f"{number}" for number in range(files)]
    finally:
        watcher.close()


def test_a_watch_whose_notices_nobody_takes_can_be_closed(share: Share) -> None:
    watcher = Watcher(str(share.inbox), Wake())
    for number in range(MAX_NOTICES):
        share.drop(f"{number}")
    eventually(lambda: watcher.notices.is_full, "the queue to be full")
    watcher.close()
    assert not watcher.has_thread()


def test_what_is_lost_is_told_in_its_place_and_behind_the_new_watch(share: Share) -> None:
    (share.inbox / "made-unheard").mkdir()
    watcher = Watcher(str(share.inbox), Wake())
    try:
        share.drop("before.pdf")
        noticed = list[FileEvent]()

        def told(path: str) -> bool:
            noticed.extend(watcher.take())
            return path in [one.path for one in noticed]

        eventually(lambda: told("before.pdf"), "a notice of before.pdf")
        watcher.reader.handle_event(QUEUE_OVERFLOW)
        share.drop("made-unheard/after.pdf")
        eventually(lambda: told("made-unheard/after.pdf"), "a notice of after.pdf")
        assert [one.path for one in noticed] == ["before.pdf", OVERFLOW.path, "made-unheard/after.pdf"]
    finally:
        watcher.close()
