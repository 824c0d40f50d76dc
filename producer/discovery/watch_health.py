"""Detecting lost file events, and repairing the watch over the inbox.

Six signs that do not depend on each other are checked every second; see `Cause`. Each of them alone is enough to watch
again and to scan at once, and is counted by its cause.

Two of them probe the watch from end to end, and each finds what the other does not: a canary file finds within seconds
that nothing comes in, also where no letter arrives; unannounced files show that events of one sub-folder or of one kind
are missing, which a canary file in the inbox itself cannot show, or that events are lost where none can be created.

A canary file is an empty file that the producer creates in the inbox and removes at once. Its event must come back all
the way that events take: kernel, thread, watches, buffer. If something on that way is broken, for whatever reason, it
does not. Its name is hidden and that of a temporary file, it exists for microseconds, and it is counted nowhere. Where
it cannot be created (read-only, disk full) it proves nothing either way.

A canary file's time is counted in turns (calls, `SIGNS_S` apart) and not by a clock: a process that was stopped for an
hour has received nothing for an hour, and its watch is not broken.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from producer.discovery.inotify import FileEvent, Watcher
from producer.discovery.mount_guard import MountTable
from producer.wake import Wake
from worker.adapters.logs import LogOnChange
from worker.adapters.share.mounts import mount_of, watch_methods
from worker.contract.filenames import CANARY_PREFIX
from worker.contract.settings import Watch

log = logging.getLogger("imr.producer")

SIGNS_S: Final = 1.0
"""How often the signs are checked: each takes a system call or none."""
UNANNOUNCED_REST_S: Final = 60.0
"""Shortest time between two repairs because of unannounced files: what did not help will not help soon."""
REST_TURNS: Final = 3
"""Turns between a canary file whose event came and the next one."""
PATIENCE_TURNS: Final = 4
"""Turns within which its event must come. With the rest that is 7 seconds until a broken watch is detected, at most."""
BUSY_PATIENCE_TURNS: Final = 30
"""The same while other events come in: in a flood its event waits behind tens of thousands of them."""

Cause = Literal["overflow", "thread", "root", "mount", "canary", "unannounced"]
"""Why events were lost: the kernel's queue overflowed, its thread died, the inbox is another folder, lies on another
mount, the event of a canary file did not come, or a scan found files that an event should have announced."""


class Canary:
    """The canary files of one watch, one at a time."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._awaited: str | None = None
        self._received_before = 0
        self._turns = REST_TURNS

    def is_overdue(self, last_canary: str | None, received: int) -> bool:
        """One turn: whether the event of the last canary file should have come by now.

        `last_canary` is the name of the last one whose event came, `received` how many other events came in so far.
        """
        self._turns += 1
        if self._awaited is not None and last_canary != self._awaited:
            is_busy = received != self._received_before
            return self._turns >= (BUSY_PATIENCE_TURNS if is_busy else PATIENCE_TURNS)
        if self._awaited is not None:
            self._awaited, self._turns = None, 0
        elif self._turns >= REST_TURNS:
            self._create(received)
        return False

    def _create(self, received: int) -> None:
        name = f"{CANARY_PREFIX}{secrets.token_hex(8)}"
        path = os.path.join(self._inbox, name)
        with suppress(OSError):
            os.mknod(path, 0o600)
            self._awaited, self._received_before, self._turns = name, received, 0
        with suppress(OSError):  # gone: another producer took it for one that a crash left
            os.unlink(path)


class WatchSupervisor:
    """Keeps a watch over the inbox: starts it, checks it, and starts it again when it broke."""

    def __init__(
        self,
        inbox: str,
        wake: Wake,
        wanted: Watch,
        table: MountTable,
        monotonic_s: Callable[[], float],
        *,
        with_canary: bool = True,
    ) -> None:
        self._inbox = inbox
        self._wake = wake
        self._wanted = wanted
        self._table = table
        self._now_s = monotonic_s
        self._with_canary = with_canary
        self._watcher: Watcher | None = None
        self._watched_mount_id: int | None = None
        self._canary = Canary(inbox)
        self._overflows = 0
        """Overflows of this watch that were counted already."""
        self._unannounced, self._unannounced_s = 0, float("-inf")
        """Unannounced files that were counted already; when they were last a reason for a repair."""
        self._blind_s = float("inf")
        self.repairs: Counter[Cause] = Counter()
        self._start_errors, self._ways = LogOnChange(log), LogOnChange(log)
        self._choose_way()

    def is_watching(self) -> bool:
        """Whether events come in, as far as is known."""
        return self._watcher is not None

    @property
    def why(self) -> str:
        """Why the inbox is watched as it is."""
        if self.way.by_events and self._watcher is None:
            return f"the inbox cannot be watched, errno={self._start_errors.state}"
        return self.way.reason

    @property
    def unwatched(self) -> int:
        """Folders of the inbox that the kernel would not watch."""
        return self._watcher.thread.unwatched if self._watcher is not None else 0

    def check(self, unannounced: int) -> bool:
        """Check every sign and repair the watch if need be; whether events may have been missed, so a scan is due.

        `unannounced` counts the files that a scan found although events should have announced them.
        """
        if self._table.version != self._way_version:
            self._choose_way()
        if not self.way.by_events:
            self.close()
            return False
        cause = self._find_cause(unannounced)
        if cause is not None:
            self._repair(cause)
        # After an overflow the watch stands, and `OVERFLOW` among the events makes the scan due.
        return self._watcher is None and (self._start() or cause is not None)

    def blind_s(self) -> float:
        """When the watch may last have missed an event, on the monotonic clock; infinite if it may miss one now."""
        return float("inf") if self._has_inner_mounts or self.unwatched else self._blind_s

    def take_events(self) -> list[FileEvent]:
        """The events so far, oldest first; they leave the buffer."""
        return self._watcher.buffer.take() if self._watcher is not None else []

    def close(self) -> None:
        """Stop watching."""
        self._blind_s = float("inf")
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _choose_way(self) -> None:
        """Decide by the table of mounts how to watch."""
        mounts, self._way_version = self._table.mounts, self._table.version
        mount = mount_of(os.path.realpath(self._inbox), mounts)
        self.way, inner = watch_methods(self._inbox, mounts, self._wanted)
        self._ways.log(self.way, logging.INFO, "new files are noticed by %s", self.way)
        if inner:
            log.warning("%d folders of the inbox are mounts of their own: nothing in them can be claimed", len(inner))
        self._has_inner_mounts = bool(inner)
        self._mount_id = mount.mount_id if mount is not None else None

    def _find_cause(self, unannounced: int) -> Cause | None:
        """Why events are lost; None if they are not, as far as the signs show."""
        watcher = self._watcher
        if watcher is None:
            return None
        if not watcher.is_same_folder():  # before its thread: if both are broken, the folder is the cause
            return "root"
        if not watcher.is_thread_alive():
            return "thread"
        if self._watched_mount_id != self._mount_id:
            return "mount"
        if watcher.thread.overflows > self._overflows:
            self._overflows = watcher.thread.overflows
            return "overflow"
        if self._with_canary and self._canary.is_overdue(watcher.buffer.last_canary, watcher.buffer.received):
            return "canary"
        return "unannounced" if self._is_new(unannounced) else None

    def _repair(self, cause: Cause) -> None:
        self.repairs[cause] += 1
        log.error("events were lost (%s); a scan finds their files", cause)
        if cause == "overflow":  # every folder is watched again already; the lost events may include the canary file's
            self._blind_s = self._now_s()
            self._canary = Canary(self._inbox)
        else:
            self.close()

    def _is_new(self, unannounced: int) -> bool:
        """Whether there are more unannounced files than before, and the last repair because of them is long past."""
        has_more, self._unannounced = unannounced > self._unannounced, unannounced
        if has_more and self._now_s() - self._unannounced_s >= UNANNOUNCED_REST_S:
            self._unannounced_s = self._now_s()
            return True
        return False

    def _start(self) -> bool:
        """Try to start a watch; whether there is one."""
        self._watched_mount_id = self._mount_id
        try:
            self._watcher = Watcher(self._inbox, self._wake)
        except OSError as error:
            message = "the inbox cannot be watched (errno=%s): scanning alone until it can"
            self._start_errors.log(error.errno, logging.WARNING, message, error.errno)
            return False
        self._start_errors.reset()
        self._overflows = 0
        self._canary = Canary(self._inbox)
        self._blind_s = self._now_s()
        log.info("the inbox is watched")
        return True
