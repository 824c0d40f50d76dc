"""Events of the file system, by watchdog: hints that make intake quick, and nothing else.

The kernel drops events when its queue overflows, goes blind when a folder is unmounted, and says nothing of remote
writes to a network share; whatever is missed, the next scan finds. watchdog's dispatcher thread dies of a handler that
raises while the observer keeps looking alive, so the handler here only puts a notice on a queue.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from threading import Event
from typing import Final

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

MAX_NOTICES: Final = 100_000
"""Beyond this the oldest are dropped, which bounds memory in a flood; the scan finds their files."""

_EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened to a path (relative to the inbox)."""

    path: str
    renamed_in: bool
    """True if the file came by a rename, and so is complete."""
    is_folder: bool


class Notices(FileSystemEventHandler):
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Event) -> None:
        self._inbox = inbox
        self._wake = wake
        self._waiting: deque[Notice] = deque(maxlen=MAX_NOTICES)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Keep the notice; never raises."""
        moved = isinstance(event, FileMovedEvent | DirMovedEvent)
        path = os.fsdecode(event.dest_path if moved else event.src_path)
        # A file moved out has no destination, one moved elsewhere in the share is none of the inbox's.
        if path.startswith(self._inbox + os.sep):
            self._waiting.append(Notice(path[len(self._inbox) + 1 :], moved, event.is_directory))
            self._wake.set()

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken


class Watcher:
    """Watches an inbox and its sub-folders until closed."""

    def __init__(self, inbox: str, wake: Event) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, or the kernel's watch limit)."""
        self._notices = Notices(inbox, wake)
        self._inbox = inbox
        # Full events tell a file renamed in from outside the inbox from one created in it.
        self._observer = InotifyObserver(generate_full_events=True)
        self._observer.schedule(self._notices, inbox, recursive=True, event_filter=_EVENTS)
        self._observer.start()

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return self._notices.take()

    def is_alive(self) -> bool:
        """Whether every thread between the kernel and us is running."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join()
