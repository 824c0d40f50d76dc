"""Never deaf: the watch over the inbox, the signs that it no longer hears everything, and its repair.

Several signs that do not depend on each other, looked at every second: its thread alive, the inbox still the folder
that is watched, the mount it lies on, a canary heard, the kernel's own word of an overflow, files that a scan found and
no event told of. Each alone is enough to watch anew and scan at once; each is counted by its cause.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

from producer.canary import Canary
from producer.mount_table import MountTable
from producer.waking import Wake
from producer.watching import Notice, Watcher
from worker.adapters.share.mounts import Way, mount_of, ways_of
from worker.contract.settings import Watch

log = logging.getLogger("imr.producer")

SIGNS_S: Final = 1.0
"""How often the signs are looked at: each takes a system call or none."""
UNANNOUNCED_REST_S: Final = 60.0
"""How often files that nothing announced are a reason to watch anew, at most: what did not help will not help soon."""

Cause = Literal["overflow", "thread", "root", "mount", "canary", "unannounced"]
"""Why events were lost: the kernel's queue overflowed, its thread died, the inbox is another folder, lies on another
mount, does not hear its canary, or held letters that no event had told of."""


class Lookout:
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

    def take(self) -> list[Notice]:
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
