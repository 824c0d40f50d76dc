"""The producer's one loop: notice, settle, admit, claim, send, reap.

One thread does everything; watchdog's threads only leave notices and wake it. Nothing that it remembers matters: killed
at any point and started again, it finds every file in the inbox or in `claimed/`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import redis

from producer.claim import Claimer, ClaimGate
from producer.discovery.discovery import Discovery, DiscoverySettings
from producer.discovery.mount_guard import MountTable
from producer.discovery.watch_health import SIGNS_S
from producer.dispatch import Outbox, Queue
from producer.maintenance import PeriodicTask, PeriodicTasks
from producer.policy import AdmissionLimits, RetryBackoff
from producer.reaper import Leases, Reaper
from producer.reporting import Gauges
from producer.wake import Wake
from worker.adapters.redis.producer_reports import ProducerReport

log = logging.getLogger("imr.producer")

REPORT_S: Final = 2.0
"""How often the producer reports, for `imr status` and health checks."""
NEVER_S: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the loop does what, in seconds."""

    reap_s: float
    hint_timeout_s: float
    retry_max_s: float = 60.0
    report_s: float = REPORT_S

    def of_each(self) -> dict[str, float]:
        """The interval of everything that the loop does by the clock."""
        return {"signs": SIGNS_S, "reap": self.reap_s, "report": self.report_s}


class Producer:
    """Feeds one share to the queue until told to stop."""

    def __init__(
        self,
        *,
        share: str,
        hints: Queue,
        leases: Leases,
        gauges: Gauges,
        manner: DiscoverySettings,
        timing: Timing,
        limits: AdmissionLimits,
        batch_letters: int,
        wall_clock_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        chores: Sequence[PeriodicTask] = (),
    ) -> None:
        self._gauges = gauges
        self._now_s = monotonic_s
        self._wake = Wake()
        self._stopping = False
        claimer = Claimer(share, wall_clock_ms, with_done_files=manner.complete == "done-file")
        self._noticing = Discovery(share, claimer.inbox, manner, self._wake, monotonic_s, MountTable())
        self._inbox = self._noticing.inbox
        self._intake = ClaimGate(
            share=share, inbox=self._inbox, claimer=claimer, gauges=gauges, limits=limits, monotonic_s=monotonic_s
        )
        self._chores = PeriodicTasks(chores, hints, monotonic_s)
        self._outbox = Outbox(hints, monotonic_s, batch_letters)
        self._reaper = Reaper(
            share=share,
            outbox=self._outbox,
            hints=hints,
            leases=leases,
            pauses=RetryBackoff(timing.hint_timeout_s, timing.retry_max_s),
            monotonic_s=monotonic_s,
            wall_clock_ms=wall_clock_ms,
        )
        self._told_hold: str | None = None
        self._was_hindered = False
        self._every_s = timing.of_each()
        self._done_s = dict.fromkeys(self._every_s, NEVER_S)

    def stop(self) -> None:
        """End `run` after the step it is in. Safe to call from a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._stopping:
                self.step()
                self._wake.wait(self.idle_s())
        finally:
            self.close()

    def close(self) -> None:
        """Stop watching."""
        self._noticing.close()

    def step(self) -> None:
        """Everything that is due now, and one message with what waits for one."""
        if self._is_due("signs"):
            self._noticing.look()
            self._intake.told = self._noticing.absence
        self._noticing.work()
        if self._is_due("reap") and self._noticing.absence is None:
            self._reaper.reap()
        self._outbox.add(self._intake.claim())
        self._outbox.send()
        if self._is_due("report"):
            self._report()

    def idle_s(self) -> float:
        """How long nothing is due, if nothing wakes us."""
        due_s = min(self._done_s[what] + every_s for what, every_s in self._every_s.items())
        parts = (self._noticing, self._intake, self._outbox)
        return max(0.0, min(due_s - self._now_s(), *(part.idle_s() for part in parts)))

    def _report(self) -> None:
        self._intake.ask()
        self._tell_hold()
        report = ProducerReport(claimed=self._intake.claimed, hold=self._intake.hold, **self._noticing.report())
        try:
            self._gauges.report(report)
        except redis.RedisError as error:
            log.warning("not reported (%s)", type(error).__name__)
        else:
            self._chores.ask_for_due()

    def _tell_hold(self) -> None:
        """Narrate a change, at the pace of reports: a full `claimed/` holds and admits many times a second."""
        hold = self._intake.hold
        if hold != self._told_hold:
            log.log(logging.WARNING if hold else logging.INFO, "intake %s", f"held: {hold}" if hold else "open")
        self._told_hold = hold
        if self._was_hindered and not self._intake.is_hindered:
            self._outbox.begin_anew()
        self._was_hindered = self._intake.is_hindered

    def _is_due(self, what: str) -> bool:
        """Whether it is time for that; if so it counts as done."""
        now_s = self._now_s()
        if now_s - self._done_s[what] < self._every_s[what]:
            return False
        self._done_s[what] = now_s
        return True
