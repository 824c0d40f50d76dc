"""File events on a real file system: which come, which do not, and how the buffer is bounded."""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from watchdog.observers import inotify_c

from producer.discovery.inotify import MAX_BUFFERED, OVERFLOW, EventBuffer, FileEvent, Watcher
from producer.wake import Wake
from tests.producer.doubles import Share
from tests.support.waiting import eventually

See = Callable[[str], list[FileEvent]]
QUEUE_OVERFLOW = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")


@contextmanager
def watched(share: Share) -> Iterator[See]:
    """All events so far, once there is one of the named path."""
    watcher, events = Watcher(str(share.inbox), Wake()), list[FileEvent]()

    def see(path: str) -> list[FileEvent]:
        def look() -> list[FileEvent]:
            events.extend(watcher.buffer.take())
            return events if any(event.path == path for event in events) else []

        return eventually(look, f"an event of {path!r}; so far {events}")

    try:
        yield see
    finally:
        watcher.close()


def of(events: list[FileEvent], path: str) -> set[tuple[bool, bool]]:
    """(renamed in, is a folder) of each event of that path."""
    return {(event.renamed_in, event.is_folder) for event in events if event.path == path}


RENAMED_IN, WRITTEN, FOLDER = {(True, False)}, {(False, False)}, {(False, True)}


def test_a_file_renamed_in_from_outside(share: Share) -> None:
    with watched(share) as see:
        share.drop("letter.pdf")
        assert of(see("letter.pdf"), "letter.pdf") == RENAMED_IN


def test_a_file_renamed_from_a_temporary_name_in_the_inbox(share: Share) -> None:
    with watched(share) as see:
        share.write(".letter.tmp").rename(share.inbox / "letter.pdf")
        events = see("letter.pdf")
        assert of(events, "letter.pdf") == RENAMED_IN
        assert of(events, ".letter.tmp") <= WRITTEN


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
        assert {event.path for event in see("last.pdf")} == {"last.pdf"}


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
        events = see("last.pdf")
        assert of(events, "batch") == FOLDER
        assert {event.path for event in events} == {"batch", "last.pdf"}


def test_a_folder_that_is_renamed_within_the_inbox_is_one_notice(share: Share) -> None:
    share.write("New Folder/letter.pdf")
    with watched(share) as see:
        (share.inbox / "New Folder").rename(share.inbox / "clinic")
        assert of(see("clinic"), "clinic") == FOLDER
        share.drop("clinic/after.pdf")
        events = see("clinic/after.pdf")
        assert of(events, "clinic/after.pdf") == RENAMED_IN
        assert of(events, "clinic/letter.pdf") == set()


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
        assert {event.path for event in see("last.pdf")} == {"last.pdf"}


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
        assert not [event for event in see("last.pdf") if "foreign" in event.path]


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


# --- The event buffer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/s/inbox", b"/s/inbox-of-others/x", b"/elsewhere/\xff", b""], ids=repr)
def test_an_event_that_concerns_nothing_in_the_inbox_gives_no_notice(path: bytes) -> None:
    buffer = EventBuffer("/s/inbox", Wake())
    buffer.add(path, by_rename=True, is_folder=False)
    assert buffer.take() == []


def test_names_of_bytes_are_understood() -> None:
    buffer = EventBuffer("/s/inbox", Wake())
    buffer.add(b"/s/inbox/\xff/x", by_rename=True, is_folder=False)
    assert buffer.take() == [FileEvent("\udcff/x", renamed_in=True, is_folder=False)]


def test_a_folder_that_was_renamed_is_not_taken_for_complete() -> None:
    buffer = EventBuffer("/s/inbox", Wake())
    buffer.add(b"/s/inbox/folder", by_rename=True, is_folder=True)
    assert buffer.take() == [FileEvent("folder", renamed_in=False, is_folder=True)]


def test_with_as_many_as_may_wait_no_more_are_read_and_none_is_lost(share: Share) -> None:
    """The kernel keeps them in the meantime."""
    files = MAX_BUFFERED + 3_000  # one read brings at most 2,560
    watcher = Watcher(str(share.inbox), Wake())
    try:
        for number in range(files):
            (share.root / "outside" / f"{number}").touch()
        for number in range(files):
            (share.root / "outside" / f"{number}").rename(share.inbox / f"{number}")
        eventually(lambda: watcher.buffer.is_full, "the buffer to be full")
        events = watcher.buffer.take()
        assert len(events) < files, "not all are read"

        def all_noticed() -> bool:
            events.extend(watcher.buffer.take())
            return len(events) == files

        eventually(all_noticed, f"events of {files}")
        assert [event.path for event in events] == [f"{number}" for number in range(files)]
    finally:
        watcher.close()


def test_a_watch_whose_notices_nobody_takes_can_be_closed(share: Share) -> None:
    watcher = Watcher(str(share.inbox), Wake())
    for number in range(MAX_BUFFERED):
        share.drop(f"{number}")
    eventually(lambda: watcher.buffer.is_full, "the buffer to be full")
    watcher.close()
    assert not watcher.is_thread_alive()


def test_what_is_lost_is_told_in_its_place_and_behind_the_new_watch(share: Share) -> None:
    (share.inbox / "made-unheard").mkdir()
    watcher = Watcher(str(share.inbox), Wake())
    try:
        share.drop("before.pdf")
        events = list[FileEvent]()

        def is_announced(path: str) -> bool:
            events.extend(watcher.buffer.take())
            return path in [event.path for event in events]

        eventually(lambda: is_announced("before.pdf"), "an event of before.pdf")
        watcher.thread.handle_event(QUEUE_OVERFLOW)
        share.drop("made-unheard/after.pdf")
        eventually(lambda: is_announced("made-unheard/after.pdf"), "an event of after.pdf")
        assert [event.path for event in events] == ["before.pdf", OVERFLOW.path, "made-unheard/after.pdf"]
    finally:
        watcher.close()
