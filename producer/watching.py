"""Events of the file system, by watchdog: hints that make intake quick, and nothing else.

The kernel drops events when its queue overflows, goes blind when a folder is unmounted or renamed, and says nothing of
remote writes to a network share; whatever is missed, the next scan finds. watchdog's dispatcher thread dies of a
handler that raises while the observer keeps looking alive, so the handler here only puts a notice on a queue.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from dataclasses import dataclass
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
from watchdog.observers.api import BaseObserver

from producer.canary import CANARY_PREFIX
from producer.kernel_events import Emitter, Reader
from producer.waking import Wake

MAX_NOTICES: Final = 20_000
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
    """True if the file itself came by a rename, and so is complete; one that came with its folder need not be."""
    is_folder: bool


class Notices(FileSystemEventHandler):
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._below = os.path.join(inbox, "")
        self._wake = wake
        self._waiting: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self.events = 0
        """Events that came in so far."""
        self.dropped = 0
        """Notices that gave way to newer ones."""
        self.canary: str | None = None
        """The last canary that was heard, of whichever producer."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Keep the notice; never raises."""
        moved = isinstance(event, FileMovedEvent | DirMovedEvent)
        path = os.fsdecode(event.dest_path if moved else event.src_path)
        # A file moved out has no destination, one moved elsewhere in the share is none of the inbox's.
        if not path.startswith(self._below):
            return
        path = path[len(self._below) :]
        if path.startswith(CANARY_PREFIX):
            self.canary = path
            return
        self.events += 1
        self.dropped += len(self._waiting) == MAX_NOTICES
        renamed_in = moved and not event.is_directory and not event.is_synthetic
        self._waiting.append(Notice(path, renamed_in, event.is_directory))
        self._wake.set()

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


class Watcher:
    """One watch over an inbox and its sub-folders, until closed."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, not readable, or the kernel's limits)."""
        _keep_names_out_of_logs()
        # Before the watch: a folder replaced in between is taken for another one, and watched anew.
        self._inbox, self._identity = inbox, _identity(inbox)
        self.notices = Notices(inbox, wake)
        self.reader = Reader(wake)
        # Full events tell a file renamed in from one created in place.
        self._observer = BaseObserver(Emitter, inotify_fd=self.reader)
        self._observer.schedule(self.notices, inbox, recursive=True, event_filter=_EVENTS)
        try:
            self.reader.start()
            self._observer.start()
        except BaseException:
            self.close()
            raise

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return self.notices.take()

    def has_threads(self) -> bool:
        """Whether every thread between the kernel and us runs."""
        return all(thread.is_alive() for thread in (self.reader, self._observer, *self._observer.emitters))

    def has_root(self) -> bool:
        """Whether the inbox is still the folder that is watched."""
        return _identity(self._inbox) == self._identity

    def close(self) -> None:
        """Stop watching; leaves no thread and no descriptor behind."""
        for thread in (self._observer, self.reader):
            was_started = thread.ident is not None
            thread.stop()
            if was_started:
                thread.join()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_names_out_of_logs() -> None:
    """watchdog's lines and warnings quote names of files and folders; what they tell is told by `producer.lookout`."""
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog|producer")
