"""watchdog's inotify classes, with what they keep to themselves made known and what they do in vain left out.

The thread that reads from the kernel hands each event to a listener itself. Between them watchdog has two more threads
with a queue each, which grow without bounds in a flood; here it is the kernel that keeps what cannot be taken yet, and
says so when that is too much.

Events of the file system, by watchdog: hints that make intake quick, and nothing else.

The kernel drops events when its queue overflows, goes blind when a folder is unmounted or renamed, and says nothing of
remote writes to a network share; whatever is missed, the next scan finds. What the kernel tells becomes a notice on a
queue of bounded length, in watchdog's thread; the producer takes the notices in its own.
"""

from __future__ import annotations

import errno
import logging
import os
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from watchdog.observers.inotify import InotifyWatchGroup
from watchdog.observers.inotify_c import (
    DEFAULT_EVENT_BUFFER_SIZE,
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper, PathedInotifyEvent

from producer.wake import Wake
from worker.adapters.share.walk import Walk
from worker.contract.filenames import CANARY_PREFIX, may_be_letter

FULL_POLL_S: Final = 0.01
"""How soon a listener that is full is asked again."""

_CAME: Final = Mask(InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_CREATE | InotifyConstants.IN_CLOSE_WRITE)
"""What the kernel is asked for: what comes, not what goes. Each claim moves a file away."""
_NO_WATCH: Final = WatchDescriptor(-1)


class Listener(Protocol):
    """Is told by the reader's thread what happened; never raises."""

    @property
    def is_full(self) -> bool:
        """Whether it is to be told nothing more for now."""

    def came(self, path: bytes, *, by_rename: bool, is_folder: bool) -> None:
        """A file or folder came or was written."""

    def lost(self) -> None:
        """Events are missing here, of whatever files."""


class InotifyThread(InotifyFD):
    """The thread that reads from the kernel, as fast as the listener takes; counts what it can no longer tell."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener
        self.overflows = 0
        """How often the kernel's queue overflowed: events of whatever files are lost."""
        self.unwatched = 0
        """Folders that the kernel would not watch: its limit is reached, or they may not be read."""

    def read_events(self, *, event_buffer_size: int = DEFAULT_EVENT_BUFFER_SIZE) -> list[InotifyEvent]:
        """The next events, once there is room for them."""
        while self.listener.is_full and self.should_keep_running():
            self.stopped_event.wait(FULL_POLL_S)
        return super().read_events(event_buffer_size=event_buffer_size)

    def handle_event(self, event: InotifyEvent) -> None:
        """Pass an event on. After an overflow every folder is watched anew, and only then it is told.

        So a scan that begins because of it comes after the new watch, and whatever is told by that comes after it.
        """
        if not event.is_queue_overflow:
            super().handle_event(event)
            return
        self.unwatched = 0
        super().handle_event(event)
        self.overflows += 1
        self.listener.lost()

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        """Watch a folder. Raises OSError."""
        try:
            watch = super().add_callback(path, mask, callback, id_)
        except OSError as error:
            self.unwatched += error.errno in (errno.ENOSPC, errno.ENOMEM)
            raise
        self.unwatched += watch == _NO_WATCH  # watchdog takes one that may not be read for watched
        return watch


class _Passing(InotifyMoveEventGrouper):
    """Tells the listener at once.

    watchdog keeps back what was moved away for half a second, and everything behind it, to make pairs of it and what
    came.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def put_event(self, event: PathedInotifyEvent) -> None:
        """Tell of what came."""
        told = event.ev
        if told.mask & _CAME:
            self._listener.came(event.path, by_rename=told.is_moved_to, is_folder=told.is_directory)

    def get_queued_moved_from_event(self, cookie: int) -> None:
        """Nothing is asked for or kept of what goes."""


class WatchGroup(InotifyWatchGroup):
    """The watches of an inbox and the folders in it.

    Its own walks hold the names of all files in memory, and make an event of each file that they meet in a new folder.
    The scanner looks into new folders, so these walks look for folders alone.
    """

    def __init__(self, reader: InotifyThread, path: bytes) -> None:
        """Begins to watch. Raises OSError if the inbox cannot be watched or listed."""
        self._reader = reader
        super().__init__(reader, path, _CAME, is_recursive=True)

    def __post_init__(self) -> None:
        self._move_event_grouper = _Passing(self._reader.listener)
        super().__post_init__()

    def _add_all_callbacks(self, path: bytes) -> None:
        self._add_callback(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            for folder in self._folders_in(path):
                self._add_callback(folder)

    def _folders_in(self, path: bytes) -> Iterator[bytes]:
        """Folders in that one in which there may be letters, and in those. Raises OSError if it cannot be listed."""
        inner = os.path.relpath(path, self.path) if path != self.path else b""
        for met in Walk(os.fsdecode(self.path), os.fsdecode(inner)).steps():
            if met.is_folder and may_be_letter(met.path):
                yield os.path.join(self.path, os.fsencode(met.path))

    def _recursive_simulate(self, src_path: bytes) -> list[InotifyEvent]:  # noqa: ARG002 - watchdog's signature
        return []


MAX_NOTICES: Final = 2_000
"""With so many waiting no more events are read: the kernel keeps them, 16,384 as delivered, and says so if it cannot.
One read brings up to 2,560 more."""


@dataclass(frozen=True, slots=True)
class FileEvent:
    """Something happened to a path (relative to the inbox)."""

    path: str
    renamed_in: bool
    """True if the file itself came by a rename, and so is complete; one that came with its folder need not be."""
    is_folder: bool


OVERFLOW: Final = FileEvent("", renamed_in=False, is_folder=True)
"""In the place of events that are missing: there may be files, older than what is noticed next, of which none told."""


class EventBuffer:
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._below = os.fsencode(os.path.join(inbox, ""))
        self._wake = wake
        self._waiting: deque[FileEvent] = deque()
        self.events = 0
        """Events that came in so far."""
        self.canary: str | None = None
        """The last canary that was heard, of whichever producer."""

    @property
    def is_full(self) -> bool:
        """Whether no more are to be told for now."""
        return len(self._waiting) >= MAX_NOTICES

    def came(self, path: bytes, *, by_rename: bool, is_folder: bool) -> None:
        """Keep the notice; never raises."""
        if not path.startswith(self._below):
            return
        inner = os.fsdecode(path[len(self._below) :])
        if inner.startswith(CANARY_PREFIX):
            self.canary = inner
            return
        self.events += 1
        self._keep(FileEvent(inner, by_rename and not is_folder, is_folder))

    def lost(self) -> None:
        """Keep the place where events are missing."""
        self._keep(OVERFLOW)

    def take(self) -> list[FileEvent]:
        """The notices so far, oldest first."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _keep(self, notice: FileEvent) -> None:
        self._waiting.append(notice)
        self._wake.set()


class Watcher:
    """One watch over an inbox and its sub-folders, until closed."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, not readable, or the kernel's limits)."""
        _keep_names_out_of_logs()
        # Before the watch: a folder replaced in between is taken for another one, and watched anew.
        self._inbox, self._identity = inbox, _identity(inbox)
        self.notices = EventBuffer(inbox, wake)
        self.reader = InotifyThread(self.notices)
        try:
            self.reader.start()
            WatchGroup(self.reader, os.fsencode(inbox))
        except BaseException:
            self.close()
            raise

    def take(self) -> list[FileEvent]:
        """The notices so far, oldest first."""
        return self.notices.take()

    def has_thread(self) -> bool:
        """Whether the thread between the kernel and us runs."""
        return self.reader.is_alive()

    def has_root(self) -> bool:
        """Whether the inbox is still the folder that is watched."""
        return _identity(self._inbox) == self._identity

    def close(self) -> None:
        """Stop watching; leaves neither its thread nor a descriptor behind."""
        was_started = self.reader.ident is not None
        self.reader.stop()
        if was_started:
            self.reader.join()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_names_out_of_logs() -> None:
    """watchdog's lines and warnings quote names of files; `producer.discovery.watch_health` says the same without."""
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog|producer")
