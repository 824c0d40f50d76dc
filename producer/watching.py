"""Events of the file system, by watchdog: hints that make intake quick, and nothing else.

The kernel drops events when its queue overflows, goes blind when a folder is unmounted or renamed, and says nothing of
remote writes to a network share; whatever is missed, the next scan finds. What the kernel tells becomes a notice on a
queue of bounded length, in watchdog's thread; the producer takes the notices in its own.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from dataclasses import dataclass
from typing import Final

from producer.canary import CANARY_PREFIX
from producer.kernel_events import Group, Reader
from producer.waking import Wake

MAX_NOTICES: Final = 2_000
"""With so many waiting no more events are read: the kernel keeps them, 16,384 as delivered, and says so if it cannot.
One read brings up to 2,560 more."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened to a path (relative to the inbox)."""

    path: str
    renamed_in: bool
    """True if the file itself came by a rename, and so is complete; one that came with its folder need not be."""
    is_folder: bool


LOST: Final = Notice("", renamed_in=False, is_folder=True)
"""In the place of events that are missing: there may be files, older than what is noticed next, of which none told."""


class Notices:
    """Takes events from watchdog's thread and keeps them for the producer's."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        self._below = os.fsencode(os.path.join(inbox, ""))
        self._wake = wake
        self._waiting: deque[Notice] = deque()
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
        self._keep(Notice(inner, by_rename and not is_folder, is_folder))

    def lost(self) -> None:
        """Keep the place where events are missing."""
        self._keep(LOST)

    def take(self) -> list[Notice]:
        """The notices so far, oldest first."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _keep(self, notice: Notice) -> None:
        self._waiting.append(notice)
        self._wake.set()


class Watcher:
    """One watch over an inbox and its sub-folders, until closed."""

    def __init__(self, inbox: str, wake: Wake) -> None:
        """Raises OSError if the folder cannot be watched (no such folder, not readable, or the kernel's limits)."""
        _keep_names_out_of_logs()
        # Before the watch: a folder replaced in between is taken for another one, and watched anew.
        self._inbox, self._identity = inbox, _identity(inbox)
        self.notices = Notices(inbox, wake)
        self.reader = Reader(self.notices)
        try:
            self.reader.start()
            Group(self.reader, os.fsencode(inbox))
        except BaseException:
            self.close()
            raise

    def take(self) -> list[Notice]:
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
    """watchdog's lines and warnings quote names of files and folders; what they tell is told by `producer.lookout`."""
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog|producer")
