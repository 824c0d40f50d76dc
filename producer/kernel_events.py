"""watchdog's inotify classes, with what they keep to themselves made known and what they do in vain left out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from watchdog.events import DirMovedEvent
from watchdog.observers.inotify import InotifyFullEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import (
    GroupedInotifyEvent,
    InotifyMoveEventGrouper,
    PathedInotifyEvent,
)

from producer.waking import Wake
from producer.walking import Walk
from worker.contract.junk import may_be_letter

_NO_WATCH: Final = WatchDescriptor(-1)


class Reader(InotifyFD):
    """The thread that reads from the kernel; counts what it can no longer tell."""

    def __init__(self, wake: Wake) -> None:
        super().__init__()
        self._wake = wake
        self.overflows = 0
        """How often the kernel's queue overflowed: events of whatever files are lost."""
        self.unwatched = 0
        """Folders that the kernel would not watch: its limit is reached, or they may not be read."""

    def handle_event(self, event: InotifyEvent) -> None:
        """Pass an event on. After an overflow every folder is watched anew, and only then it is counted."""
        if not event.is_queue_overflow:
            super().handle_event(event)
            return
        self.unwatched = 0
        super().handle_event(event)
        self.overflows += 1
        self._wake.set()

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
    """Passes events on. watchdog's searches all that wait for the other half of each move, which we do not ask for."""

    def put_event(self, event: PathedInotifyEvent) -> None:
        """Hand the event over."""
        self._queue.put(event, delay=False)


class Group(InotifyWatchGroup):
    """The watches of an inbox.

    Its own walks hold the names of all files in memory, and make an event of each file that they meet in a new folder.
    The scanner looks into new folders, so these walks look for folders alone.
    """

    def __post_init__(self) -> None:
        self._move_event_grouper = _Passing()
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


class Emitter(InotifyFullEmitter):
    """Hears of what comes and not of what goes.

    watchdog keeps back what was moved away for half a second, and everything behind it, to make pairs of it and what
    came. Each claim moves a file away.
    """

    def on_thread_start(self) -> None:
        """Begin to watch. Raises OSError."""
        mask = self.get_event_mask_from_filter()
        path = os.fsencode(self.watch.path)
        self._inotify = Group(self._inotify_fd, path, is_recursive=True, event_mask=mask)

    def build_and_queue_event(self, event: GroupedInotifyEvent, *, full_events: bool = True) -> None:
        """Make watchdog's event of the kernel's; a folder that came is one event, whatever lies in it."""
        if isinstance(event, PathedInotifyEvent) and event.ev.is_moved_to and event.ev.is_directory:
            self.queue_event(DirMovedEvent("", os.fsdecode(event.path)))
        else:
            super().build_and_queue_event(event, full_events=full_events)

    def get_event_mask_from_filter(self) -> Mask:
        """What the kernel is asked for."""
        return Mask(super().get_event_mask_from_filter() & ~InotifyConstants.IN_MOVED_FROM)
