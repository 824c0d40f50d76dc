"""File events of the inbox, by inotify: hints that make intake quick, and nothing more.

The kernel drops events when its queue overflows. It reports nothing after a folder was unmounted or renamed, and
nothing of what other machines write to a network share. Whatever is missed, the next scan finds.

watchdog's inotify classes make the system calls. Its thread that reads from the kernel puts each event into a buffer of
bounded length, and the producer takes the events out in its own thread. watchdog would have two more threads in
between, each with a queue that grows without bounds in a flood. Here the kernel keeps what cannot be taken yet, and
reports an overflow when that is too much.

Private methods of watchdog are overridden to count what it does not report, and to leave out work that serves nothing
here: walks that hold the names of all files, and the pairing of moves.
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
from typing import Final

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

MAX_BUFFERED: Final = 2_000
"""With this many events in the buffer no more are read. The kernel keeps them (16,384 by default) and reports an
overflow if it cannot. One read brings up to 2,560 more."""
FULL_POLL_S: Final = 0.01
"""How often the thread checks whether a full buffer has room again."""

_ARRIVALS: Final = Mask(InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_CREATE | InotifyConstants.IN_CLOSE_WRITE)
"""What the kernel is asked for: what comes, not what goes. Each claim moves a file away."""
_NO_WATCH: Final = WatchDescriptor(-1)


@dataclass(frozen=True, slots=True)
class FileEvent:
    """Something happened to a path (relative to the inbox)."""

    path: str
    renamed_in: bool
    """True if the file itself came by a rename, and so is complete. A file that came with its folder need not be."""
    is_folder: bool


OVERFLOW: Final = FileEvent("", renamed_in=False, is_folder=True)
"""Stands where events are missing: there may be files, older than that of the next event, which no event announced."""


class EventBuffer:
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._prefix = os.fsencode(os.path.join(inbox, ""))
        self._wake = wake
        self._events: deque[FileEvent] = deque()
        self.received = 0
        """Events that came in so far, canary files aside."""
        self.last_canary: str | None = None
        """The name of the last canary file that an event announced, of any producer."""

    @property
    def is_full(self) -> bool:
        """Whether no more events should be read for now."""
        return len(self._events) >= MAX_BUFFERED

    def add(self, path: bytes, *, by_rename: bool, is_folder: bool) -> None:
        """A file or folder came or was written. Never raises."""
        if not path.startswith(self._prefix):
            return
        inner = os.fsdecode(path[len(self._prefix) :])
        if inner.startswith(CANARY_PREFIX):
            self.last_canary = inner
            return
        self.received += 1
        self._append(FileEvent(inner, by_rename and not is_folder, is_folder))

    def add_overflow(self) -> None:
        """Mark the place where events are missing. Never raises."""
        self._append(OVERFLOW)

    def take(self) -> list[FileEvent]:
        """The events so far, oldest first; they leave the buffer."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def _append(self, event: FileEvent) -> None:
        self._events.append(event)
        self._wake.set()


class InotifyThread(InotifyFD):
    """The thread that reads from the kernel as fast as the buffer takes; counts overflows and folders not watched."""

    def __init__(self, buffer: EventBuffer) -> None:
        super().__init__()
        self.buffer = buffer
        self.overflows = 0
        """How often the kernel's queue overflowed: events of unknown files are lost."""
        self.unwatched = 0
        """Folders that the kernel would not watch: its limit is reached, or they may not be read."""

    def read_events(self, *, event_buffer_size: int = DEFAULT_EVENT_BUFFER_SIZE) -> list[InotifyEvent]:
        """The next events, once there is room for them."""
        while self.buffer.is_full and self.should_keep_running():
            self.stopped_event.wait(FULL_POLL_S)
        return super().read_events(event_buffer_size=event_buffer_size)

    def handle_event(self, event: InotifyEvent) -> None:
        """Pass an event on. After an overflow every folder is watched again first, and then the overflow is passed on.

        So the scan that begins because of it begins after the new watches, and their events come behind the overflow.
        """
        if not event.is_queue_overflow:
            super().handle_event(event)
            return
        self.unwatched = 0
        super().handle_event(event)
        self.overflows += 1
        self.buffer.add_overflow()

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        """Watch a folder. Raises OSError."""
        try:
            watch = super().add_callback(path, mask, callback, id_)
        except OSError as error:
            self.unwatched += error.errno in (errno.ENOSPC, errno.ENOMEM)
            raise
        self.unwatched += watch == _NO_WATCH  # watchdog takes a folder that may not be read for watched
        return watch


class _Unpaired(InotifyMoveEventGrouper):
    """Puts each event into the buffer at once.

    watchdog holds each move out of a folder for half a second, and everything behind it, to pair it with a move in.
    """

    def __init__(self, buffer: EventBuffer) -> None:
        super().__init__()
        self._buffer = buffer

    def put_event(self, event: PathedInotifyEvent) -> None:
        """Pass on what came."""
        arrival = event.ev
        if arrival.mask & _ARRIVALS:
            self._buffer.add(event.path, by_rename=arrival.is_moved_to, is_folder=arrival.is_directory)

    def get_queued_moved_from_event(self, cookie: int) -> None:
        """Moves out are neither asked for nor kept."""


class WatchGroup(InotifyWatchGroup):
    """The watches of an inbox and the folders in it.

    watchdog's own walks hold the names of all files in memory, and make an event of each file that they meet in a new
    folder. Here the scanner looks into new folders, so these walks look for folders alone.
    """

    def __init__(self, thread: InotifyThread, path: bytes) -> None:
        """Starts to watch. Raises OSError if the inbox cannot be watched or listed."""
        self._thread = thread
        super().__init__(thread, path, _ARRIVALS, is_recursive=True)

    def __post_init__(self) -> None:
        self._move_event_grouper = _Unpaired(self._thread.buffer)
        super().__post_init__()

    def _add_all_callbacks(self, path: bytes) -> None:
        self._add_callback(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            for folder in self._folders_in(path):
                self._add_callback(folder)

    def _folders_in(self, path: bytes) -> Iterator[bytes]:
        """Folders below that one in which there may be letters. Raises OSError if it cannot be listed."""
        inner = os.path.relpath(path, self.path) if path != self.path else b""
        for met in Walk(os.fsdecode(self.path), os.fsdecode(inner)).steps():
            if met.is_folder and may_be_letter(met.path):
                yield os.path.join(self.path, os.fsencode(met.path))

    def _recursive_simulate(self, src_path: bytes) -> list[InotifyEvent]:  # noqa: ARG002 - watchdog's signature
        return []


class Watcher:
    """One watch over an inbox and its sub-folders, until it is closed."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, not readable, or the kernel's limits)."""
        _keep_names_out_of_logs()
        # Before the watch: a folder that is replaced in between counts as another one, and is watched again.
        self._inbox, self._identity = inbox, _identity(inbox)
        self.buffer = EventBuffer(inbox, wake)
        self.thread = InotifyThread(self.buffer)
        try:
            self.thread.start()
            WatchGroup(self.thread, os.fsencode(inbox))
        except BaseException:
            self.close()
            raise

    def is_thread_alive(self) -> bool:
        """Whether the thread between the kernel and the buffer runs."""
        return self.thread.is_alive()

    def is_same_folder(self) -> bool:
        """Whether the inbox is still the folder that is watched."""
        return _identity(self._inbox) == self._identity

    def close(self) -> None:
        """Stop watching; leaves neither its thread nor a descriptor behind."""
        was_started = self.thread.ident is not None
        self.thread.stop()
        if was_started:
            self.thread.join()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _keep_names_out_of_logs() -> None:
    """watchdog's log lines and warnings quote names of files; `producer.discovery.watch_health` logs without them."""
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog|producer")
