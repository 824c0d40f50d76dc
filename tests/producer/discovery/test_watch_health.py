"""Never deaf: each sign that events are lost, alone, and what comes of it."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from producer.discovery.inotify import OVERFLOW, Watcher
from producer.discovery.mount_guard import MountTable
from producer.discovery.watch_health import UNANNOUNCED_REST_S, Cause, WatchSupervisor
from producer.wake import Wake
from tests.producer.doubles import Clock, Share
from tests.support.waiting import eventually
from worker.adapters.share.mounts import Mount
from worker.contract.settings import Watch


@pytest.fixture
def table() -> Iterator[MountTable]:
    """One that the test writes itself: everything lies on ext4."""
    table = MountTable("/nowhere")
    table.mounts, table.version = (Mount(1, 0, "/", "ext4"),), 1
    yield table
    table.close()


@contextmanager
def looking_out(
    share: Share, table: MountTable, *, wanted: Watch = "auto", canary: bool = False, clock: Clock | None = None
) -> Iterator[WatchSupervisor]:
    lookout = WatchSupervisor(str(share.inbox), Wake(), wanted, table, clock or Clock(), with_canary=canary)
    try:
        yield lookout
    finally:
        lookout.close()


@pytest.fixture
def lookout(share: Share, table: MountTable) -> Iterator[WatchSupervisor]:
    with looking_out(share, table) as lookout:
        assert lookout.look(0), "a scan is due once there is a watch"
        yield lookout


def is_noticed(lookout: WatchSupervisor, cause: Cause) -> None:
    """The sign is seen, a scan is due, and it is counted once."""
    before = lookout.repairs[cause]

    def look() -> bool:
        is_scan_due = lookout.look(0)
        assert is_scan_due == (lookout.repairs[cause] > before)
        return is_scan_due

    eventually(look, f"the loss of events by {cause} to be noticed")
    assert lookout.repairs[cause] == before + 1


def works_again(lookout: WatchSupervisor, share: Share) -> None:
    assert lookout.is_watching()
    assert not lookout.look(0), "one scan is enough"
    name = f"{os.urandom(4).hex()}.pdf"
    share.drop(name)
    eventually(lambda: [one for one in lookout.take() if one.path == name], f"a notice of {name}")


def test_a_healthy_watch_needs_nothing(share: Share, lookout: WatchSupervisor) -> None:
    share.write("a/b/letter.pdf")
    assert not any(lookout.look(0) for _ in range(100))
    assert lookout.repairs == {}
    works_again(lookout, share)


def test_an_inbox_removed_and_made_again(share: Share, lookout: WatchSupervisor) -> None:
    share.inbox.rmdir()
    is_noticed(lookout, "root")
    assert not lookout.is_watching()
    assert lookout.why == f"the inbox cannot be watched, errno={errno.ENOENT}"
    share.inbox.mkdir()
    assert lookout.look(0)
    works_again(lookout, share)


def test_an_inbox_renamed_away_and_replaced_breaks_the_watch_although_its_threads_live(
    share: Share, lookout: WatchSupervisor
) -> None:
    share.inbox.rename(share.root / "inbox-of-yesterday")
    share.inbox.mkdir()
    is_noticed(lookout, "root")
    works_again(lookout, share)


def test_a_thread_that_dies_breaks_the_watch(share: Share, lookout: WatchSupervisor) -> None:
    assert lookout._watcher is not None
    lookout._watcher.reader.stop()
    is_noticed(lookout, "thread")
    works_again(lookout, share)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_breaks_the_watch(
    share: Share, lookout: WatchSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lookout._watcher is not None
    monkeypatch.setattr(lookout._watcher.notices, "_waiting", None)
    share.drop("letter.pdf")
    is_noticed(lookout, "thread")
    works_again(lookout, share)


def test_another_mount_under_the_same_folder_breaks_the_watch(
    share: Share, lookout: WatchSupervisor, table: MountTable
) -> None:
    """A share unmounted and mounted again can have the same device and inode: the old watch is dead all the same."""
    table.mounts, table.version = (Mount(2, 0, "/", "ext4"),), 2
    is_noticed(lookout, "mount")
    works_again(lookout, share)


QUEUE_OVERFLOW = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")


def test_a_queue_that_overflowed_is_counted_and_folders_made_meanwhile_are_watched(
    share: Share, lookout: WatchSupervisor
) -> None:
    share.write("clinic/letter.pdf")
    assert lookout._watcher is not None
    watcher = lookout._watcher
    watcher.reader.handle_event(QUEUE_OVERFLOW)
    assert not lookout.look(0), "its notice is the reason for a scan"
    assert lookout.repairs == {"overflow": 1}
    assert OVERFLOW in lookout.take()
    assert lookout._watcher is watcher, "it is whole again without a new one"
    share.drop("clinic/after.pdf")
    eventually(lambda: [one for one in lookout.take() if one.path == "clinic/after.pdf"], "a notice of after.pdf")


def test_a_canary_that_is_not_heard_breaks_the_watch(share: Share, table: MountTable) -> None:
    with looking_out(share, table, canary=True) as lookout:
        lookout.look(0)
        assert lookout._watcher is not None
        deafen(lookout._watcher)
        turns = next(turn for turn in range(1, 100) if lookout.look(0))
        assert turns < 10, "seconds"
        assert lookout.repairs == {"canary": 1}
        lookout.look(0)
        assert lookout.is_watching()
        share.drop("letter.pdf")
        eventually(lambda: [one for one in lookout.take() if one.path == "letter.pdf"], "a notice of letter.pdf")


def test_a_canary_that_an_overflow_swallowed_says_nothing(share: Share, table: MountTable) -> None:
    with looking_out(share, table, canary=True) as lookout:
        lookout.look(0)
        assert lookout._watcher is not None
        lookout.look(0)
        swallowed = lookout._canary
        lookout._watcher.reader.handle_event(QUEUE_OVERFLOW)
        lookout.look(0)
        assert lookout._canary is not swallowed


def deafen(watcher: Watcher) -> None:
    """Its threads live, its folder is there, and nothing is heard: the kernel watches it no more."""
    with watcher.reader._lock:
        for watch in watcher.reader._watch_for_wd:
            inotify_c.inotify_rm_watch(watcher.reader._inotify_fd, watch)


def test_canaries_that_are_heard_need_nothing_and_are_never_seen(share: Share, table: MountTable) -> None:
    with looking_out(share, table, canary=True) as lookout:
        lookout.look(0)
        for _ in range(3):
            watcher = lookout._watcher
            assert watcher is not None
            while lookout._canary._awaited is None:
                assert not lookout.look(0)
            sent = lookout._canary._awaited
            eventually(lambda sent=sent, watcher=watcher: watcher.notices.canary == sent, "the canary to be heard")  # type: ignore[misc]
            assert not lookout.look(0)
        assert lookout.take() == []
        assert share.waiting_paths() == []


def test_files_that_nothing_announced_break_the_watch_but_not_again_and_again(share: Share, table: MountTable) -> None:
    clock = Clock()
    with looking_out(share, table, clock=clock) as lookout:
        lookout.look(0)
        assert lookout.look(1)
        assert lookout.repairs == {"unannounced": 1}
        clock.advance(UNANNOUNCED_REST_S - 1)
        assert not lookout.look(2)
        clock.advance(1)
        assert not lookout.look(2), "nothing new"
        assert lookout.look(3)
        assert lookout.repairs == {"unannounced": 2}


# --- When events can be relied on -------------------------------------------------------------------------------------


def test_events_are_relied_on_since_the_last_loss(share: Share, table: MountTable) -> None:
    clock = Clock()
    with looking_out(share, table, clock=clock) as lookout:
        assert lookout.blind_s() == float("inf")
        lookout.look(0)
        assert lookout.blind_s() == 1000.0
        clock.advance(5)
        assert lookout._watcher is not None
        lookout._watcher.reader.handle_event(QUEUE_OVERFLOW)
        lookout.look(0)
        assert lookout.blind_s() == 1005.0
        lookout.close()
        assert lookout.blind_s() == float("inf")


# --- What the file system allows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "wanted"), [("cifs", "auto"), ("nfs4", "auto"), ("newfs", "auto"), ("ext4", "scan")])
def test_where_events_cannot_be_relied_on_there_is_no_watch(
    share: Share, table: MountTable, kind: str, wanted: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table.mounts = (Mount(1, 0, "/", kind),)
    with looking_out(share, table, wanted=wanted, canary=True) as lookout:
        assert not any(lookout.look(0) for _ in range(30))
        assert not lookout.is_watching()
        assert lookout.take() == []
        assert share.waiting_paths() == []
    assert [record.getMessage() for record in caplog.records] == [f"new files are noticed by {lookout.way}"], "once"


def test_a_file_system_that_is_replaced_by_another_is_watched_its_way(
    share: Share, lookout: WatchSupervisor, table: MountTable
) -> None:
    table.mounts, table.version = (Mount(2, 0, "/", "cifs"),), 2
    assert not lookout.look(0)
    assert not lookout.is_watching()
    assert "cifs" in lookout.why
    table.mounts, table.version = (Mount(3, 0, "/", "ext4"),), 3
    assert lookout.look(0)
    works_again(lookout, share)


def test_an_inbox_with_mounts_in_it_is_said_and_proves_nothing(
    share: Share, table: MountTable, caplog: pytest.LogCaptureFixture
) -> None:
    table.mounts += (Mount(2, 1, str(share.inbox.resolve() / "sub"), "cifs"),)
    with looking_out(share, table) as lookout:
        lookout.look(0)
        assert lookout.blind_s() == float("inf")
    assert "1 folders of the inbox are mounts of their own: nothing in them can be claimed" in caplog.text


def test_an_inbox_that_is_not_there_cannot_be_watched(
    share: Share, table: MountTable, caplog: pytest.LogCaptureFixture
) -> None:
    share.inbox.rmdir()
    with looking_out(share, table) as lookout:
        assert not any(lookout.look(0) for _ in range(3))
        assert lookout.take() == []
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"the inbox cannot be watched (errno={errno.ENOENT}): scanning alone until it can"], "once"


def test_an_unreadable_inbox_cannot_be_watched(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog itself takes one for watched, and is deaf."""

    def refuse(_: int) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        Watcher(str(share.inbox), Wake())


def no_room(_: int, path: bytes, __: int) -> int:
    """The kernel's limit of watches is reached, except for the inbox itself."""
    if path.endswith(b"/inbox"):
        return 1
    ctypes.set_errno(errno.ENOSPC)
    return -1


def test_sub_folders_beyond_the_limit_of_watches_are_counted(
    share: Share, table: MountTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (share.inbox / f"{number}").mkdir()
    monkeypatch.setattr(inotify_c, "inotify_add_watch", no_room)
    with looking_out(share, table) as lookout:
        lookout.look(0)
        assert (lookout.is_watching(), lookout.unwatched) == (True, 3)
        assert lookout.blind_s() == float("inf"), "what a scan finds in them proves nothing"


# --- The table of mounts ----------------------------------------------------------------------------------------------


def test_the_table_of_this_machine_is_read_again_only_when_it_changes() -> None:
    table = MountTable()
    try:
        first = table.mounts
        assert first
        table.look()
        assert (table.mounts, table.version) == (first, 1)
    finally:
        table.close()
    table.look()
    assert table.version == 1


def test_a_table_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    table = MountTable(str(tmp_path / "none"))
    table.look()
    assert table.mounts == ()


# --- What a watch leaves behind ---------------------------------------------------------------------------------------


def descriptors() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the listing's own
            continue
    return sorted(found)


@contextmanager
def nothing_left() -> Iterator[None]:
    threads, open_before = set(threading.enumerate()), descriptors()
    yield
    eventually(lambda: set(threading.enumerate()) <= threads, "the watch's threads to end")
    assert descriptors() == open_before


def test_a_closed_watch_leaves_no_thread_and_no_descriptor(share: Share) -> None:
    with nothing_left():
        for number in range(5):
            watcher = Watcher(str(share.inbox), Wake())
            share.write(f"{number}/letter.pdf")
            watcher.close()


def test_a_watch_that_cannot_be_started_leaves_nothing_however_often_it_is_tried(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's limit of watches: it fails late, when threads and descriptors are there already."""

    def refuse(*_: object) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refuse)
    with nothing_left():
        for _ in range(20):
            with pytest.raises(OSError, match="inotify watch limit reached"):
                Watcher(str(share.inbox), Wake())


def test_a_broken_watch_leaves_nothing_when_it_is_made_anew(share: Share, table: MountTable) -> None:
    with nothing_left(), looking_out(share, table) as lookout:
        for _ in range(5):
            lookout.look(0)
            share.inbox.rename(share.root / "outside" / f"inbox-{os.urandom(4).hex()}")
            share.inbox.mkdir()
        assert lookout.repairs["root"] == 4
