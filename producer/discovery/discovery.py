"""Discovery of letters: the inbox, the watch over it, the scan, and the guard that says whether the share is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    """How letters are noticed; see the settings of the same names."""

    watch: Watch = "auto"
    complete: Complete = "quiet"
    settle_s: float = 2.0
    renamed_quiet_s: float = 60.0
    scan_s: float = 5.0
    max_scan_s: float = 30.0
    share_id: str | None = None
    """What the share is known by; None if it has no id."""
    with_canary: bool = True
    """Whether the watch is tried with canaries; a clock that does not go by itself has none."""

    @property
    def completion(self) -> CompletionRule:
        """When a file is complete."""
        return CompletionRule.choose(self.complete, settle_s=self.settle_s, renamed_quiet_s=self.renamed_quiet_s)


class Discovery:
    """Everything that tells of letters in one inbox."""

    def __init__(
        self,
        share: str,
        folder: str,
        manner: DiscoverySettings,
        wake: Wake,
        monotonic_s: Callable[[], float],
        table: MountTable,
    ) -> None:
        self._now_s = monotonic_s
        self._table = table
        self.inbox = InboxIndex(folder, manner.completion, monotonic_s)
        self._watch = WatchSupervisor(folder, wake, manner.watch, table, monotonic_s, with_canary=manner.with_canary)
        pace = ScanInterval(manner.scan_s, manner.max_scan_s)
        self._scanner = Scanner(folder, self.inbox, pace, monotonic_s, self._blind_s)
        self._guard = MountGuard(share, manner.share_id, table)

    @property
    def absence(self) -> str | None:
        """Why the share cannot be used; None if it is there."""
        return self._guard.trouble

    def look(self) -> None:
        """Look at the signs: whether the share is there, and whether its events are heard."""
        self._table.refresh()
        is_back = self._guard.check()
        if self.absence is not None:
            self._watch.close()
        # First the watch, then the scan: what arrives in between is noticed by one of them.
        elif self._watch.check(self.inbox.unannounced) or is_back:
            self._fall_behind()

    def work(self) -> None:
        """Take in what events told, scan on, and see what has settled; nothing while the share is not there."""
        if self.absence is not None:
            return
        for notice in self._watch.take_events():
            self._take_in(notice)
        self._scanner.work()
        self.inbox.look_again()

    def idle_s(self) -> float:
        """How long nothing is to be done, if no event comes and no sign changes."""
        if self.absence is not None:
            return float("inf")
        settled_s = self.inbox.next_due_s()
        settling_s = max(0.0, settled_s - self._now_s()) if settled_s is not None else float("inf")
        return min(self._scanner.idle_s(), settling_s)

    def report(self) -> dict[str, Any]:
        """Its part of a `ProducerReport`."""
        tally = self._scanner.tally
        return {
            "waiting": len(self.inbox) + self._scanner.waiting,
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
        """Stop watching, and leave every folder."""
        self._watch.close()
        self._scanner.close()
        self._table.close()

    def _blind_s(self) -> float:
        """When an event may last have failed to tell of a file, or may have been passed over."""
        return max(self._watch.blind_s(), self.inbox.gave_up_s)

    def _take_in(self, notice: FileEvent) -> None:
        if notice == OVERFLOW:
            self._fall_behind()
            self.inbox.give_up()  # of whatever file
        elif not notice.is_folder:
            self.inbox.notice(notice)
        elif may_be_letter(notice.path):
            self._scanner.look_into(notice.path)

    def _fall_behind(self) -> None:
        """Letters may be there of which nothing told: they are older than what comes from now on."""
        self.inbox.fall_behind()
        self._scanner.request()
