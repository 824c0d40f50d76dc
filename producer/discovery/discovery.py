"""Discovery of letters in one inbox: the mount guard, the watch, the scan and the index put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from producer.discovery.backlog import ScanBacklog
from producer.discovery.inbox import InboxIndex
from producer.discovery.inotify import OVERFLOW, FileEvent
from producer.discovery.mount_guard import MountGuard, MountTable
from producer.discovery.scanner import Scanner
from producer.discovery.watch_health import WatchSupervisor
from producer.policy import ScanInterval
from producer.wake import Wake
from worker.adapters.share.completion_rule import CompletionRule
from worker.contract.filenames import may_be_letter
from worker.contract.settings import Complete, Watch


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """How letters are discovered; see the settings of the same names."""

    watch: Watch = "auto"
    complete: Complete = "quiet"
    settle_s: float = 2.0
    renamed_quiet_s: float = 60.0
    scan_s: float = 5.0
    max_scan_s: float = 30.0
    share_id: str | None = None
    """The id of the share, by which it is recognized; None if it has none."""
    with_canary: bool = True
    """Whether canary files probe the watch. False where a test moves the clock: they count turns, not seconds."""

    @property
    def completion(self) -> CompletionRule:
        """When a file is complete."""
        return CompletionRule.choose(self.complete, settle_s=self.settle_s, renamed_quiet_s=self.renamed_quiet_s)


class Discovery:
    """Finds the letters of one inbox."""

    def __init__(
        self,
        share: str,
        folder: str,
        settings: DiscoverySettings,
        wake: Wake,
        monotonic_s: Callable[[], float],
        mounts: MountTable,
    ) -> None:
        """`folder` is the inbox of `share`, `mounts` is closed with the discovery."""
        self._now_s = monotonic_s
        self._mounts = mounts
        self._guard = MountGuard(share, settings.share_id, mounts)
        self._watch = WatchSupervisor(
            folder, wake, settings.watch, mounts, monotonic_s, with_canary=settings.with_canary
        )
        self.inbox = InboxIndex(folder, settings.completion, monotonic_s)
        self._backlog = ScanBacklog(self.inbox, monotonic_s, self._watch.blind_s)
        interval = ScanInterval(settings.scan_s, settings.max_scan_s)
        self._scanner = Scanner(folder, self.inbox, self._backlog, interval, monotonic_s)

    @property
    def absence(self) -> str | None:
        """Why the share cannot be used; None if it is there."""
        return self._guard.trouble

    def check_signs(self) -> None:
        """Check whether the share is there, and whether its events come in; repair the watch if they do not."""
        self._mounts.refresh()
        is_back = self._guard.check()
        if self.absence is not None:
            self._watch.close()
        # First the watch, then the scan: what arrives in between is found by one of them.
        elif self._watch.check(self.inbox.unannounced) or is_back:
            self._backlog.fall_behind()

    def work(self) -> None:
        """Take in events, scan on, and see which files have settled; nothing while the share is away."""
        if self.absence is not None:
            return
        for event in self._watch.take_events():
            self._handle(event)
        self._scanner.work()
        self.inbox.recheck()

    def idle_s(self) -> float:
        """How long there is nothing to do, in seconds, if no event comes and no sign changes."""
        if self.absence is not None:
            return float("inf")
        due_s = self.inbox.next_due_s()
        settling_s = max(0.0, due_s - self._now_s()) if due_s is not None else float("inf")
        return min(self._scanner.idle_s(), settling_s)

    def report(self) -> dict[str, Any]:
        """Its fields of a `ProducerReport`."""
        tally = self._scanner.tally
        return {
            "waiting": len(self.inbox) + self._backlog.waiting,
            "ignored": tally.ignored,
            "trouble": self.absence or self._scanner.trouble,
            "watching": "events and scan" if self._watch.is_watching() else "scan",
            "why": self._watch.why,
            "repairs": dict(self._watch.repairs),
            "too_deep": tally.too_deep,
            "unreadable": tally.unreadable,
            "unwatched": self._watch.unwatched,
            "scan_entries": tally.entries,
            "scan_busy_s": round(tally.busy_s, 3),
            "scan_every_s": round(self._scanner.interval_s, 3),
        }

    def close(self) -> None:
        """Stop watching, and close every folder."""
        self._watch.close()
        self._scanner.close()
        self._mounts.close()

    def _handle(self, event: FileEvent) -> None:
        if event == OVERFLOW:
            self._backlog.fall_behind()
        elif not event.is_folder:
            self._backlog.handle_event(event)
        elif may_be_letter(event.path):
            self._scanner.scan_folder(event.path)
