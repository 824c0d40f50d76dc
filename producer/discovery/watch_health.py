"""Never deaf: the watch over the inbox, the signs that it no longer hears everything, and its repair.

Several signs that do not depend on each other, looked at every second: its thread alive, the inbox still the folder
that is watched, the mount it lies on, a canary heard, the kernel's own word of an overflow, files that a scan found and
no event told of. Each alone is enough to watch anew and scan at once; each is counted by its cause.

The canary: a file of our own, made in the inbox and removed at once, whose event must come back to us.

It goes the whole way of every event: kernel, reader, watches, listener. Whatever is deaf on that way, for
whatever reason, the canary is not heard. Its name is hidden and that of a temporary file, it is empty, it exists for
microseconds and is counted nowhere. Where none can be made (read-only, disk full) it says nothing either way.

Time is counted in turns (calls, `SIGNS_S` apart) and not by a clock: a process that was stopped for an hour has not
listened for an hour, and is not deaf.
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
from worker.adapters.share.mounts import Way, mount_of, ways_of
from worker.contract.filenames import CANARY_PREFIX
from worker.contract.settings import Watch

log = logging.getLogger("imr.producer")

SIGNS_S: Final = 1.0
"""How often the signs are looked at: each takes a system call or none."""
UNANNOUNCED_REST_S: Final = 60.0
"""How often files that nothing announced are a reason to watch anew, at most: what did not help will not help soon."""

Cause = Literal["overflow", "thread", "root", "mount", "canary", "unannounced"]
"""Why events were lost: the kernel's queue overflowed, its thread died, the inbox is another folder, lies on another
mount, does not hear its canary, or held letters that no event had told of."""


class WatchSupervisor:
    """A watch that is made anew when it broke, for as long as that takes."""

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
        self._watcher: Watcher | None = None
        self._with_canary = with_canary
        self._canary = Canary(inbox)
        self._told_errno: int | None = None
        self._overflows = 0
        self._heard_unannounced, self._unannounced_s = 0, float("-inf")
        self._mount_id: int | None = None
        self.way = Way(by_events=False, reason="not looked at yet")
        self.repairs: Counter[Cause] = Counter()
        self._blind_s = float("inf")
        self._choose()

    def is_watching(self) -> bool:
        """Whether events come in, as far as is known."""
        return self._watcher is not None

    @property
    def why(self) -> str:
        """Why it watches as it does."""
        if self.way.by_events and self._watcher is None:
            return f"the inbox cannot be watched, errno={self._told_errno}"
        return self.way.reason

    @property
    def unwatched(self) -> int:
        """Folders of the inbox that the kernel would not watch."""
        return self._watcher.reader.unwatched if self._watcher is not None else 0

    def look(self, unannounced: int) -> bool:
        """Look at every sign, and put right what can be; whether something may have been missed, so that a scan is due.

        `unannounced` counts the files that a scan found although events should have told of them.
        """
        if self._table.version != self._chosen_at:
            self._choose()
        if not self.way.by_events:
            self.close()
            return False
        cause = self._cause(unannounced)
        if cause is not None:
            self._note(cause)
        # An overflow is told among the notices, in its place.
        return self._watcher is None and (self._watch() or cause is not None)

    def blind_s(self) -> float:
        """When events may last have failed to tell of a file, on the monotonic clock; infinite if they may now."""
        return float("inf") if self._has_inner or self.unwatched else self._blind_s

    def take(self) -> list[FileEvent]:
        """The notices so far, oldest first."""
        return self._watcher.take() if self._watcher is not None else []

    def close(self) -> None:
        """Stop watching."""
        self._blind_s = float("inf")
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _choose(self) -> None:
        """Decide anew how to watch."""
        mounts, self._chosen_at = self._table.mounts, self._table.version
        mount = mount_of(os.path.realpath(self._inbox), mounts)
        way, inner = ways_of(self._inbox, mounts, self._wanted)
        if way != self.way:
            log.info("new files are noticed by %s", way)
        if inner:
            log.warning("%d folders of the inbox are mounts of their own: nothing in them can be claimed", len(inner))
        self.way, self._has_inner = way, bool(inner)
        self._current_mount_id = mount.mount_id if mount is not None else None

    def _cause(self, unannounced: int) -> Cause | None:
        """Why something is not heard any more; None if everything is, as far as the signs tell."""
        if self._watcher is None:
            return None
        if not self._watcher.has_root():  # before its thread: what broke both is the folder
            return "root"
        if not self._watcher.has_thread():
            return "thread"
        if self._mount_id != self._current_mount_id:
            return "mount"
        if self._watcher.reader.overflows > self._overflows:
            self._overflows = self._watcher.reader.overflows
            return "overflow"
        if self._with_canary and self._canary.is_deaf(self._watcher.notices.canary, self._watcher.notices.events):
            return "canary"
        return "unannounced" if self._is_passed_over(unannounced) else None

    def _note(self, cause: Cause) -> None:
        self.repairs[cause] += 1
        log.error("events were lost (%s); scanning for what they did not tell", cause)
        if cause == "overflow":  # every folder is watched again already; a canary may be among what was lost
            self._blind_s = self._now_s()
            self._canary = Canary(self._inbox)
        else:
            self.close()

    def _is_passed_over(self, unannounced: int) -> bool:
        is_news = unannounced > self._heard_unannounced
        self._heard_unannounced = unannounced
        if is_news and self._now_s() - self._unannounced_s >= UNANNOUNCED_REST_S:
            self._unannounced_s = self._now_s()
            return True
        return False

    def _watch(self) -> bool:
        """Try to start a watch; whether there is one."""
        self._mount_id = self._current_mount_id
        try:
            self._watcher = Watcher(self._inbox, self._wake)
        except OSError as error:
            if error.errno != self._told_errno:
                log.warning("the inbox cannot be watched (errno=%s): scanning alone until it can", error.errno)
            self._told_errno = error.errno
            return False
        self._told_errno = None
        self._overflows = 0
        self._canary = Canary(self._inbox)
        self._blind_s = self._now_s()
        log.info("the inbox is watched")
        return True


REST_TURNS: Final = 3
"""Turns between one that was heard and the next."""
PATIENCE_TURNS: Final = 4
"""Turns in which it must be heard. With the rest that is 7 seconds from deafness to its discovery, at most."""
BUSY_PATIENCE_TURNS: Final = 30
"""The same while other events come in: in a flood it waits behind tens of thousands of them."""


class Canary:
    """Canaries of one watch."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._awaited: str | None = None
        self._events_before = 0
        self._turns = REST_TURNS

    def is_deaf(self, heard: str | None, events: int) -> bool:
        """One turn: whether the last canary should have been heard by now.

        `heard` is the name of the last canary that came back, `events` how many events came in so far.
        """
        self._turns += 1
        if self._awaited is not None and heard != self._awaited:
            is_busy = events != self._events_before
            return self._turns >= (BUSY_PATIENCE_TURNS if is_busy else PATIENCE_TURNS)
        if self._awaited is not None:
            self._awaited, self._turns = None, 0
        elif self._turns >= REST_TURNS:
            self._send(events)
        return False

    def _send(self, events: int) -> None:
        name = f"{CANARY_PREFIX}{secrets.token_hex(8)}"
        path = os.path.join(self._inbox, name)
        with suppress(OSError):
            os.mknod(path, 0o600)
            self._awaited, self._events_before, self._turns = name, events, 0
        with suppress(OSError):  # gone: another producer takes it for one that a crash left
            os.unlink(path)
