"""Detecting lost file events: each sign alone, and what comes of it."""

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
def supervised(
    share: Share, table: MountTable, *, wanted: Watch = "auto", canary: bool = False, clock: Clock | None = None
) -> Iterator[WatchSupervisor]:
    supervisor = WatchSupervisor(str(share.inbox), Wake(), wanted, table, clock or Clock(), with_canary=canary)
    try:
        yield supervisor
    finally:
        supervisor.close()


@pytest.fixture
def supervisor(share: Share, table: MountTable) -> Iterator[WatchSupervisor]:
    with supervised(share, table) as supervisor:
        assert supervisor.check(0), "a scan is due once there is a watch"
        yield supervisor


def is_noticed(supervisor: WatchSupervisor, cause: Cause) -> None:
    """The sign is seen, a scan is due, and it is counted once."""
    before = supervisor.repairs[cause]

    def is_scan_due() -> bool:
        is_due = supervisor.check(0)
        assert is_due == (supervisor.repairs[cause] > before)
        return is_due

    eventually(is_scan_due, f"the loss of events by {cause} to be noticed")
    assert supervisor.repairs[cause] == before + 1


def works_again(supervisor: WatchSupervisor, share: Share) -> None:
    assert supervisor.is_watching()
    assert not supervisor.check(0), "one scan is enough"
    name = f"{os.urandom(4).hex()}.pdf"
    share.drop(name)
    eventually(lambda: [event for event in supervisor.take_events() if event.path == name], f"an event of {name}")


def test_a_healthy_watch_needs_nothing(share: Share, supervisor: WatchSupervisor) -> None:
    share.write("a/b/letter.pdf")
    assert not any(supervisor.check(0) for _ in range(100))
    assert supervisor.repairs == {}
    works_again(supervisor, share)


def test_an_inbox_removed_and_made_again(share: Share, supervisor: WatchSupervisor) -> None:
    share.inbox.rmdir()
    is_noticed(supervisor, "root")
    assert not supervisor.is_watching()
    assert supervisor.why == f"the inbox cannot be watched, errno={errno.ENOENT}"
    share.inbox.mkdir()
    assert supervisor.check(0)
    works_again(supervisor, share)


def test_an_inbox_renamed_away_and_replaced_breaks_the_watch_although_its_threads_live(
    share: Share, supervisor: WatchSupervisor
) -> None:
    share.inbox.rename(share.root / "inbox-of-yesterday")
    share.inbox.mkdir()
    is_noticed(supervisor, "root")
    works_again(supervisor, share)


def test_a_thread_that_dies_breaks_the_watch(share: Share, supervisor: WatchSupervisor) -> None:
    assert supervisor._watcher is not None
    supervisor._watcher.thread.stop()
    is_noticed(supervisor, "thread")
    works_again(supervisor, share)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_breaks_the_watch(
    share: Share, supervisor: WatchSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert supervisor._watcher is not None
    monkeypatch.setattr(supervisor._watcher.buffer, "_events", None)
    share.drop("letter.pdf")
    is_noticed(supervisor, "thread")
    works_again(supervisor, share)


def test_another_mount_under_the_same_folder_breaks_the_watch(
    share: Share, supervisor: WatchSupervisor, table: MountTable
) -> None:
    """A share unmounted and mounted again can have the same device and inode: the old watch is dead all the same."""
    table.mounts, table.version = (Mount(2, 0, "/", "ext4"),), 2
    is_noticed(supervisor, "mount")
    works_again(supervisor, share)


QUEUE_OVERFLOW = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")


def test_a_queue_that_overflowed_is_counted_and_folders_made_meanwhile_are_watched(
    share: Share, supervisor: WatchSupervisor
) -> None:
    share.write("clinic/letter.pdf")
    assert supervisor._watcher is not None
    watcher = supervisor._watcher
    watcher.thread.handle_event(QUEUE_OVERFLOW)
    assert not supervisor.check(0), "its place among the events is the reason for a scan"
    assert supervisor.repairs == {"overflow": 1}
    assert OVERFLOW in supervisor.take_events()
    assert supervisor._watcher is watcher, "it is whole again without a new one"
    share.drop("clinic/after.pdf")
    eventually(
        lambda: [event for event in supervisor.take_events() if event.path == "clinic/after.pdf"],
        "an event of after.pdf",
    )


def test_a_canary_that_is_not_heard_breaks_the_watch(share: Share, table: MountTable) -> None:
    with supervised(share, table, canary=True) as supervisor:
        supervisor.check(0)
        assert supervisor._watcher is not None
        deafen(supervisor._watcher)
        turns = next(turn for turn in range(1, 100) if supervisor.check(0))
        assert turns < 10, "seconds"
        assert supervisor.repairs == {"canary": 1}
        supervisor.check(0)
        assert supervisor.is_watching()
        share.drop("letter.pdf")
        eventually(
            lambda: [event for event in supervisor.take_events() if event.path == "letter.pdf"],
            "an event of letter.pdf",
        )


def test_a_canary_that_an_overflow_swallowed_says_nothing(share: Share, table: MountTable) -> None:
    with supervised(share, table, canary=True) as supervisor:
        supervisor.check(0)
        assert supervisor._watcher is not None
        supervisor.check(0)
        swallowed = supervisor._canary
        supervisor._watcher.thread.handle_event(QUEUE_OVERFLOW)
        supervisor.check(0)
        assert supervisor._canary is not swallowed


def deafen(watcher: Watcher) -> None:
    """Its threads live, its folder is there, and nothing is heard: the kernel watches it no more."""
    with watcher.thread._lock:
        for watch in watcher.thread._watch_for_wd:
            inotify_c.inotify_rm_watch(watcher.thread._inotify_fd, watch)


def test_canaries_that_are_heard_need_nothing_and_are_never_seen(share: Share, table: MountTable) -> None:
    with supervised(share, table, canary=True) as supervisor:
        supervisor.check(0)
        for _ in range(3):
            watcher = supervisor._watcher
            assert watcher is not None
            while supervisor._canary._awaited is None:
                assert not supervisor.check(0)
            sent = supervisor._canary._awaited
            eventually(lambda sent=sent, watcher=watcher: watcher.buffer.last_canary == sent, "the canary to be heard")  # type: ignore[misc]
            assert not supervisor.check(0)
        assert supervisor.take_events() == []
        assert share.waiting_paths() == []


def test_files_that_nothing_announced_break_the_watch_but_not_again_and_again(share: Share, table: MountTable) -> None:
    clock = Clock()
    with supervised(share, table, clock=clock) as supervisor:
        supervisor.check(0)
        assert supervisor.check(1)
        assert supervisor.repairs == {"unannounced": 1}
        clock.advance(UNANNOUNCED_REST_S - 1)
        assert not supervisor.check(2)
        clock.advance(1)
        assert not supervisor.check(2), "nothing new"
        assert supervisor.check(3)
        assert supervisor.repairs == {"unannounced": 2}


# --- When events can be relied on -------------------------------------------------------------------------------------


def test_events_are_relied_on_since_the_last_loss(share: Share, table: MountTable) -> None:
    clock = Clock()
    with supervised(share, table, clock=clock) as supervisor:
        assert supervisor.blind_s() == float("inf")
        supervisor.check(0)
        assert supervisor.blind_s() == 1000.0
        clock.advance(5)
        assert supervisor._watcher is not None
        supervisor._watcher.thread.handle_event(QUEUE_OVERFLOW)
        supervisor.check(0)
        assert supervisor.blind_s() == 1005.0
        supervisor.close()
        assert supervisor.blind_s() == float("inf")


# --- What the file system allows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "wanted"), [("cifs", "auto"), ("nfs4", "auto"), ("newfs", "auto"), ("ext4", "scan")])
def test_where_events_cannot_be_relied_on_there_is_no_watch(
    share: Share, table: MountTable, kind: str, wanted: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table.mounts = (Mount(1, 0, "/", kind),)
    with supervised(share, table, wanted=wanted, canary=True) as supervisor:
        assert not any(supervisor.check(0) for _ in range(30))
        assert not supervisor.is_watching()
        assert supervisor.take_events() == []
        assert share.waiting_paths() == []
    assert [record.getMessage() for record in caplog.records] == [f"new files are noticed by {supervisor.way}"], "once"


def test_a_file_system_that_is_replaced_by_another_is_watched_its_way(
    share: Share, supervisor: WatchSupervisor, table: MountTable
) -> None:
    table.mounts, table.version = (Mount(2, 0, "/", "cifs"),), 2
    assert not supervisor.check(0)
    assert not supervisor.is_watching()
    assert "cifs" in supervisor.why
    table.mounts, table.version = (Mount(3, 0, "/", "ext4"),), 3
    assert supervisor.check(0)
    works_again(supervisor, share)


def test_an_inbox_with_mounts_in_it_is_said_and_proves_nothing(
    share: Share, table: MountTable, caplog: pytest.LogCaptureFixture
) -> None:
    table.mounts += (Mount(2, 1, str(share.inbox.resolve() / "sub"), "cifs"),)
    with supervised(share, table) as supervisor:
        supervisor.check(0)
        assert supervisor.blind_s() == float("inf")
    assert "1 folders of the inbox are mounts of their own: nothing in them can be claimed" in caplog.text


def test_an_inbox_that_is_not_there_cannot_be_watched(
    share: Share, table: MountTable, caplog: pytest.LogCaptureFixture
) -> None:
    share.inbox.rmdir()
    with supervised(share, table) as supervisor:
        assert not any(supervisor.check(0) for _ in range(3))
        assert supervisor.take_events() == []
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
    with supervised(share, table) as supervisor:
        supervisor.check(0)
        assert (supervisor.is_watching(), supervisor.unwatched) == (True, 3)
        assert supervisor.blind_s() == float("inf"), "what a scan finds in them proves nothing"


# --- The table of mounts ----------------------------------------------------------------------------------------------


def test_the_table_of_this_machine_is_read_again_only_when_it_changes() -> None:
    table = MountTable()
    try:
        first = table.mounts
        assert first
        table.refresh()
        assert (table.mounts, table.version) == (first, 1)
    finally:
        table.close()
    table.refresh()
    assert table.version == 1


def test_a_table_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    table = MountTable(str(tmp_path / "none"))
    table.refresh()
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
    with nothing_left(), supervised(share, table) as supervisor:
        for _ in range(5):
            supervisor.check(0)
            share.inbox.rename(share.root / "outside" / f"inbox-{os.urandom(4).hex()}")
            share.inbox.mkdir()
        assert supervisor.repairs["root"] == 4
