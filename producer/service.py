"""The producer's one loop: notice, settle, admit, claim, send, reap.

One thread does everything; watchdog's threads only leave notices and wake it. Nothing that it remembers matters: killed
at any point and started again, it finds every file in the inbox or in `claimed/`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event
from typing import Final

import redis

from producer.admission import Admission, Limits, admit
from producer.claiming import Claimer
from producer.enqueueing import Outbox, SendsHints
from producer.reaping import SHALLOW_MESSAGES, Leases, claimed_ids, orphans
from producer.reporting import Gauges, Report
from producer.scanning import sample_of, scan
from producer.settling import Settling
from producer.watching import Notice, Watcher
from worker.contract.junk import is_junk
from worker.hints import QueueUnavailable

log = logging.getLogger("imr.producer")

BUSY_POLL_S: Final = 0.05
"""How soon a full `claimed/` is looked at again while the inbox waits."""
REPORT_S: Final = 2.0
"""How often the producer reports, for `imr status` and health checks."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the loop does what, in seconds."""

    settle_s: float
    scan_s: float
    reap_s: float
    hint_timeout_s: float


class Producer:
    """Feeds one share to the queue until told to stop."""

    def __init__(
        self,
        *,
        share: str,
        hints: SendsHints,
        leases: Leases,
        gauges: Gauges,
        timing: Timing,
        limits: Limits,
        batch_letters: int,
        wall_clock_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._share = share
        self._leases = leases
        self._hints = hints
        self._gauges = gauges
        self._timing = timing
        self._limits = limits
        self._now_s = monotonic_s
        self._claimer = Claimer(share, wall_clock_ms)
        self._settling = Settling(timing.settle_s)
        self._outbox = Outbox(hints, monotonic_s, batch_letters)
        self._wake = Event()
        self._stopping = False
        self._watcher: Watcher | None = None
        self._complete: dict[str, None] = {}
        self._ignored = 0
        self._claimed = 0
        self._admission = Admission(0, "starting")
        self._due_s = dict.fromkeys(("scan", "reap", "report", "admit"), float("-inf"))

    def stop(self) -> None:
        """End `run` after the step it is in. Safe to call from a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._stopping:
                self.step()
                self._wake.wait(self._idle_s())
                self._wake.clear()
        finally:
            if self._watcher is not None:
                self._watcher.close()

    def step(self) -> None:
        """Everything that can be done now; returns when nothing is left to send."""
        self._keep_watching()
        self._take_notices()
        if self._is_due("scan", self._timing.scan_s):
            self._scan()
        self._look_again_at_settled()
        if self._is_due("reap", self._timing.reap_s):
            self._reap()
        more = True
        while more and not self._stopping:
            self._claim_what_is_complete()
            more = self._outbox.send()
            self._take_notices()
        if self._is_due("report", REPORT_S):
            self._report()

    def _keep_watching(self) -> None:
        """Start the watch, or a new one when a thread of the old has died; without one the scan still works."""
        if self._watcher is not None and self._watcher.is_alive():
            return
        if self._watcher is not None:
            log.error("the watch died; starting another, and scanning for what it missed")
            self._watcher.close()
            self._watcher = None
        if self._is_due("watch", self._timing.scan_s):
            try:
                self._watcher = Watcher(self._claimer.inbox, self._wake)
            except OSError as error:
                log.warning("the inbox cannot be watched (errno=%s): scanning alone", error.errno)
            # First the watch, then the scan: what arrives in between is noticed by one of them.
            self._due_s["scan"] = float("-inf")

    def _take_notices(self) -> None:
        for notice in self._watcher.take() if self._watcher else ():
            self._notice(notice)

    def _notice(self, notice: Notice) -> None:
        if notice.is_folder:
            # Files may have come with it, or before its own watch: no event tells of those.
            self._due_s["scan"] = float("-inf")
        elif not is_junk(os.path.basename(notice.path)):
            if notice.renamed_in and self._has_one_link(notice.path):
                self._complete[notice.path] = None
            else:
                self._observe([notice.path])

    def _has_one_link(self, path: str) -> bool:
        """A file that is being linked into place has two names for a moment; it settles before it is judged."""
        sample = sample_of(os.path.join(self._claimer.inbox, path))
        return sample is not None and sample.links == 1

    def _observe(self, paths: Iterable[str]) -> None:
        for path in paths:
            sample = sample_of(os.path.join(self._claimer.inbox, path))
            if sample is None:
                self._settling.forget(path)
            elif self._settling.observe(path, sample, self._now_s()):
                self._complete[path] = None

    def _scan(self) -> None:
        try:
            found = dict(scan(self._claimer.inbox))
        except OSError as error:
            log.error("the inbox cannot be listed (errno=%s); letters wait until it can", error.errno)
            return
        self._ignored = sum(sample is None for sample in found.values())
        letters = {path: sample for path, sample in found.items() if sample is not None}
        self._settling.keep_only(letters)
        for path, sample in letters.items():
            if path not in self._complete and self._settling.observe(path, sample, self._now_s()):
                self._complete[path] = None

    def _look_again_at_settled(self) -> None:
        self._observe(self._settling.due(self._now_s()))

    def _claim_what_is_complete(self) -> None:
        """Claim in order of completion, as far as admission allows; the rest stays in the inbox."""
        if not self._complete:
            return
        self._admit()
        claimed = []
        for path in list(self._complete)[: self._admission.letters]:
            del self._complete[path]
            self._settling.forget(path)
            claim_id = self._claim(path)
            if claim_id is not None:
                claimed.append(claim_id)
        self._claimed += len(claimed)
        self._admission = Admission(self._admission.letters - len(claimed), self._admission.reason)
        self._outbox.add(claimed)

    def _claim(self, path: str) -> str | None:
        try:
            return self._claimer.claim(path)
        except OSError as error:
            # Still in the inbox: permission, a sharing violation, a full disk. The next scan finds it again.
            log.warning("not claimed (errno=%s); it stays in the inbox and is tried again", error.errno)
            return None

    def _admit(self) -> None:
        """Ask afresh when the last answer is used up or old; each question lists a folder and asks Redis."""
        if self._admission.letters > 0 and not self._is_due("admit", REPORT_S):
            return
        if self._admission.letters <= 0 and not self._is_due("admit", BUSY_POLL_S):
            return
        held = self._admission.reason
        self._admission = admit(self._gauges.load(self._count_claimed()), self._limits)
        if self._admission.reason != held:
            log.log(
                logging.WARNING if self._admission.reason else logging.INFO,
                "intake %s",
                f"held: {self._admission.reason}" if self._admission.reason else "open",
            )

    def _count_claimed(self) -> int | None:
        try:
            self._claimed = len(claimed_ids(self._share))
        except OSError:
            return None
        return self._claimed

    def _reap(self) -> None:
        try:
            claimed = claimed_ids(self._share)
            self._claimed = len(claimed)
            self._outbox.keep_only(set(claimed))
            late = orphans(claimed, self._outbox, self._now_s(), self._timing.hint_timeout_s)
            if late and self._hints.depth() <= SHALLOW_MESSAGES:
                leased = self._leases.leased(late)
                self._outbox.add([one for one in late if one not in leased])
        except OSError as error:
            log.error("claimed/ cannot be listed (errno=%s); letters in it wait until it can", error.errno)
        except (QueueUnavailable, redis.RedisError) as error:
            log.warning("not reaped (%s); tried again", type(error).__name__)

    def _report(self) -> None:
        watching = "events and scan" if self._watcher else "scan"
        waiting = len(self._complete) + len(self._settling)
        try:
            self._gauges.report(Report(waiting, self._ignored, self._claimed, self._admission.reason, watching))
        except redis.RedisError as error:
            log.warning("not reported (%s)", type(error).__name__)

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = self._now_s()
        if now_s - self._due_s.get(what, float("-inf")) < every_s:
            return False
        self._due_s[what] = now_s
        return True

    def _idle_s(self) -> float:
        """How long nothing is due, if nothing wakes us."""
        if self._complete:
            return BUSY_POLL_S
        now_s = self._now_s()
        every = {"scan": self._timing.scan_s, "reap": self._timing.reap_s, "report": REPORT_S}
        waits = [self._due_s[what] + seconds - now_s for what, seconds in every.items()]
        settled = self._settling.next_due_s()
        if settled is not None:
            waits.append(settled - now_s)
        return max(0.0, min(waits))
