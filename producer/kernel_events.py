"""watchdog's inotify classes, with what they keep to themselves made known and what they do in vain left out.

The thread that reads from the kernel hands each event to a listener itself. Between them watchdog has two more threads
with a queue each, which grow without bounds in a flood; here it is the kernel that keeps what cannot be taken yet, and
says so when that is too much.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
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

from worker.adapters.share.walk import Walk
from worker.contract.filenames import may_be_letter

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


class Reader(InotifyFD):
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


class Group(InotifyWatchGroup):
    """The watches of an inbox and the folders in it.

    Its own walks hold the names of all files in memory, and make an event of each file that they meet in a new folder.
    The scanner looks into new folders, so these walks look for folders alone.
    """

    def __init__(self, reader: Reader, path: bytes) -> None:
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
