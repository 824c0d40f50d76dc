"""The producer's one loop: discover, claim, send hints, reap, report.

One thread does everything; watchdog's threads only queue file events and wake it. Nothing that it remembers matters:
killed at any point and started again, it finds every file in the inbox or in `claimed/`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import redis

from producer.claim import Claimer, ClaimGate
from producer.discovery.discovery import Discovery, DiscoverySettings
from producer.discovery.mount_guard import MountTable
from producer.discovery.watch_health import SIGNS_S
from producer.dispatch import HintQueue, Outbox
from producer.maintenance import PeriodicTask, PeriodicTasks, TaskQueue
from producer.policy import AdmissionLimits, RetryBackoff
from producer.reaper import Leases, Reaper, Recovery
from producer.reporting import Gauges
from producer.wake import Wake
from worker.adapters.logs import LogOnChange
from worker.adapters.redis.producer_reports import ProducerReport

log = logging.getLogger("imr.producer")

REPORT_S: Final = 2.0
"""How often the producer reports, for `imr status` and health checks."""


class Queue(HintQueue, TaskQueue, Protocol):
    """All that the producer needs of the queue."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals and timeouts of the loop, in seconds; see the settings of the same names."""

    reap_s: float
    hint_timeout_s: float
    retry_max_s: float = 60.0
    report_s: float = REPORT_S


Job = Literal["signs", "reap", "report"]
"""What the loop does by the clock; "signs" is the look at share and watch."""


class Schedule:
    """When each job of the loop is due; at first all are."""

    def __init__(self, intervals_s: dict[Job, float], monotonic_s: Callable[[], float]) -> None:
        self._intervals_s = intervals_s
        self._now_s = monotonic_s
        self._last_s = dict.fromkeys(intervals_s, float("-inf"))

    def is_due(self, job: Job) -> bool:
        """Whether it is time for that job; if so it counts as done."""
        now_s = self._now_s()
        if now_s - self._last_s[job] < self._intervals_s[job]:
            return False
        self._last_s[job] = now_s
        return True

    def idle_s(self) -> float:
        """How long no job is due, in seconds; negative if one is late."""
        return min(self._last_s[job] + every_s for job, every_s in self._intervals_s.items()) - self._now_s()


class Producer:
    """Feeds one share to the queue until it is stopped."""

    def __init__(
        self,
        *,
        share: str,
        queue: Queue,
        leases: Leases,
        gauges: Gauges,
        discovery: DiscoverySettings,
        timing: Timing,
        limits: AdmissionLimits,
        batch_letters: int,
        wall_clock_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        tasks: Sequence[PeriodicTask] = (),
    ) -> None:
        self._gauges = gauges
        self._wake = Wake()
        self._is_stopping = False
        claimer = Claimer(share, wall_clock_ms, with_done_files=discovery.complete == "done-file")
        self._discovery = Discovery(share, claimer.inbox, discovery, self._wake, monotonic_s, MountTable())
        self._inbox = self._discovery.inbox
        self._gate = ClaimGate(
            share=share, inbox=self._inbox, claimer=claimer, gauges=gauges, limits=limits, monotonic_s=monotonic_s
        )
        self._tasks = PeriodicTasks(tasks, queue, monotonic_s)
        self._outbox = Outbox(queue, monotonic_s, batch_letters)
        self._recovery = Recovery(self._outbox)
        self._reaper = Reaper(
            share=share,
            outbox=self._outbox,
            queue=queue,
            leases=leases,
            recovery=self._recovery,
            backoff=RetryBackoff(timing.hint_timeout_s, timing.retry_max_s),
            monotonic_s=monotonic_s,
            wall_clock_ms=wall_clock_ms,
        )
        self._hold_changes = LogOnChange(log)
        intervals_s: dict[Job, float] = {"signs": SIGNS_S, "reap": timing.reap_s, "report": timing.report_s}
        self._schedule = Schedule(intervals_s, monotonic_s)

    def stop(self) -> None:
        """End `run` after the step it is in. Safe to call from a signal handler."""
        self._is_stopping = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._is_stopping:
                self.step()
                self._wake.wait(self.idle_s())
        finally:
            self.close()

    def close(self) -> None:
        """Stop watching."""
        self._discovery.close()

    def step(self) -> None:
        """Everything that is due now, and one message with what waits for a hint."""
        if self._schedule.is_due("signs"):
            self._discovery.check_signs()
            self._gate.absence = self._discovery.absence
        self._discovery.work()
        if self._schedule.is_due("reap") and self._discovery.absence is None:
            self._reaper.reap()
        self._outbox.add(self._gate.claim())
        self._outbox.send()
        if self._schedule.is_due("report"):
            self._report()

    def idle_s(self) -> float:
        """How long nothing is due, in seconds, if nothing wakes the loop."""
        return max(0.0, min(part.idle_s() for part in (self._schedule, self._discovery, self._gate, self._outbox)))

    def _report(self) -> None:
        self._gate.refresh()
        self._log_hold()
        self._observe_recovery()
        report = ProducerReport(claimed=self._gate.claimed, hold=self._gate.hold, **self._discovery.report())
        try:
            self._gauges.report(report)
        except redis.RedisError as error:
            log.warning("not reported (%s)", type(error).__name__)
        else:
            self._tasks.request_due()

    def _log_hold(self) -> None:
        """At the pace of reports: a full `claimed/` holds and admits many times a second."""
        hold = self._gate.hold
        if hold is None:
            self._hold_changes.log(None, logging.INFO, "intake open")
        else:
            self._hold_changes.log(hold, logging.WARNING, "intake held: %s", hold)

    def _observe_recovery(self) -> None:
        if self._gate.blocks_workers:
            self._recovery.trouble("admission")
        else:
            self._recovery.works("admission")
