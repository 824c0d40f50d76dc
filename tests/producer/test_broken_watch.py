"""A watch that breaks: how it is noticed, made anew, and what it leaves behind."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from watchdog.observers import inotify_c

from producer.waking import Wake
from producer.watching import Lookout, Watcher
from tests.producer.doubles import Share
from tests.support.waiting import eventually


@pytest.fixture
def lookout(share: Share) -> Iterator[Lookout]:
    lookout = Lookout(str(share.inbox), Wake())
    lookout.renew()
    yield lookout
    lookout.close()


def stops_watching(lookout: Lookout) -> None:
    eventually(lambda: not lookout.is_watching(), "the watch to be known as broken")


def works_again(lookout: Lookout, share: Share) -> None:
    lookout.renew()
    assert lookout.is_watching()
    share.drop("after.pdf")
    eventually(lambda: [one for one in lookout.take() if one.path == "after.pdf"], "a notice of after.pdf")


def test_a_healthy_watch_is_alive(share: Share, lookout: Lookout) -> None:
    share.write("a/b/letter.pdf")
    assert lookout.is_watching()


def test_an_inbox_removed_and_made_again(share: Share, lookout: Lookout) -> None:
    share.inbox.rmdir()
    stops_watching(lookout)
    share.inbox.mkdir()
    works_again(lookout, share)


def test_an_inbox_renamed_away_and_replaced_breaks_the_watch_although_its_threads_live(
    share: Share, lookout: Lookout
) -> None:
    share.inbox.rename(share.root / "inbox-of-yesterday")
    stops_watching(lookout)
    share.inbox.mkdir()
    stops_watching(lookout)
    works_again(lookout, share)


def kill_emitter(watcher: Watcher) -> None:
    for emitter in watcher._observer.emitters:
        emitter.stop()


def kill_dispatcher(watcher: Watcher) -> None:
    watcher._observer.event_queue.put("not an event")


def kill_reader(watcher: Watcher) -> None:
    watcher._reader.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kill", [kill_emitter, kill_dispatcher, kill_reader])
def test_a_thread_that_dies_breaks_the_watch(share: Share, lookout: Lookout, kill: Callable[[Watcher], None]) -> None:
    assert lookout._watcher is not None
    kill(lookout._watcher)
    stops_watching(lookout)
    works_again(lookout, share)


def test_an_inbox_that_is_not_there_cannot_be_watched(share: Share, caplog: pytest.LogCaptureFixture) -> None:
    share.inbox.rmdir()
    lookout = Lookout(str(share.inbox), Wake())
    for _ in range(3):
        lookout.renew()
    assert not lookout.is_watching()
    assert lookout.take() == []
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"the inbox cannot be watched (errno={errno.ENOENT}): scanning alone until it can"], "once"


def test_an_unreadable_inbox_cannot_be_watched(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog itself takes one for watched, and is deaf."""

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        Watcher(str(share.inbox), Wake())


def test_a_queue_that_overflowed_does_not_break_the_watch(share: Share, lookout: Lookout) -> None:
    """What it lost, the next scan finds; folders that were made meanwhile are watched all the same."""
    share.write("clinic/letter.pdf")
    assert lookout._watcher is not None
    overflow = inotify_c.InotifyEvent(inotify_c.WatchDescriptor(-1), inotify_c.InotifyConstants.IN_Q_OVERFLOW, 0, b"")
    lookout._watcher._reader.handle_event(overflow)
    assert lookout.is_watching()
    share.drop("clinic/after.pdf")
    eventually(lambda: [one for one in lookout.take() if one.path == "clinic/after.pdf"], "a notice of after.pdf")


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

    def no_room(*_: object) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", no_room)
    with nothing_left():
        for _ in range(20):
            with pytest.raises(OSError, match="inotify watch limit reached"):
                Watcher(str(share.inbox), Wake())


def test_a_broken_watch_leaves_nothing_when_it_is_made_anew(share: Share) -> None:
    with nothing_left():
        lookout = Lookout(str(share.inbox), Wake())
        for _ in range(5):
            lookout.renew()
            share.inbox.rename(share.root / "outside" / f"inbox-{os.urandom(4).hex()}")
            share.inbox.mkdir()
            stops_watching(lookout)
        lookout.close()
