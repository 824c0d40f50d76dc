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
from watchdog.observers.inotify import InotifyFullEmitter
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

from producer.waking import Wake

log = logging.getLogger("imr.producer")

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
    """True if the file itself came by a rename, and so is complete; one that came with its folder need not be."""
    is_folder: bool


class Notices(FileSystemEventHandler):
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._below = os.path.join(inbox, "")
        self._wake = wake
        self._waiting: deque[Notice] = deque(maxlen=MAX_NOTICES)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Keep the notice; never raises."""
        moved = isinstance(event, FileMovedEvent | DirMovedEvent)
        path = os.fsdecode(event.dest_path if moved else event.src_path)
        # A file moved out has no destination, one moved elsewhere in the share is none of the inbox's.
        if path.startswith(self._below):
            renamed_in = moved and not event.is_directory and not event.is_synthetic
            self._waiting.append(Notice(path[len(self._below) :], renamed_in, event.is_directory))
            self._wake.set()

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


class _Emitter(InotifyFullEmitter):
    """Hears of what comes and not of what goes.

    watchdog keeps back what was moved away for half a second, and everything behind it, to make pairs of it and what
    came. Each claim moves a file away.
    """

    def get_event_mask_from_filter(self) -> Mask:
        return Mask(super().get_event_mask_from_filter() & ~InotifyConstants.IN_MOVED_FROM)


class Watcher:
    """One watch over an inbox and its sub-folders, until closed."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, not readable, or the kernel's limits)."""
        _keep_names_out_of_logs()
        os.scandir(inbox).close()  # watchdog takes an unreadable folder for watched
        # Before the watch: a folder replaced in between is taken for another one, and watched anew.
        self._inbox, self._identity = inbox, _identity(inbox)
        self._notices = Notices(inbox, wake)
        self._reader = InotifyFD()
        # Full events tell a file renamed in from one created in place.
        self._observer = BaseObserver(_Emitter, inotify_fd=self._reader)
        self._observer.schedule(self._notices, inbox, recursive=True, event_filter=_EVENTS)
        try:
            self._reader.start()
            self._observer.start()
        except BaseException:
            self.close()
            raise

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return self._notices.take()

    def is_alive(self) -> bool:
        """Whether every thread between the kernel and us runs, and the inbox is still the folder that is watched."""
        threads = (self._reader, self._observer, *self._observer.emitters)
        return all(thread.is_alive() for thread in threads) and _identity(self._inbox) == self._identity

    def close(self) -> None:
        """Stop watching; leaves no thread and no descriptor behind."""
        for thread in (self._observer, self._reader):
            was_started = thread.ident is not None
            thread.stop()
            if was_started:
                thread.join()


class Lookout:
    """A watch that is made anew when it broke, for as long as that takes."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._inbox = inbox
        self._wake = wake
        self._watcher: Watcher | None = None
        self._told_errno: int | None = None

    def is_watching(self) -> bool:
        """Whether events come in."""
        return self._watcher is not None and self._watcher.is_alive()

    def renew(self) -> None:
        """Start a watch in place of the old one; the caller scans for what came in between."""
        if self._watcher is not None:
            log.error("the watch broke; starting another, and scanning for what it missed")
            self.close()
        try:
            self._watcher = Watcher(self._inbox, self._wake)
        except OSError as error:
            if error.errno != self._told_errno:
                log.warning("the inbox cannot be watched (errno=%s): scanning alone until it can", error.errno)
            self._told_errno = error.errno
        else:
            self._told_errno = None
            log.info("the inbox is watched")

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return self._watcher.take() if self._watcher is not None else []

    def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_names_out_of_logs() -> None:
    """watchdog's debug lines and warnings quote names of files and folders."""
    logging.getLogger("watchdog").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog")
