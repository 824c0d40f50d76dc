"""What stands around the producer in tests: a clock that the test moves, a queue and gauges that it sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import redis

from producer.discovery.discovery import DiscoverySettings
from producer.policy import AdmissionLimits, Load
from producer.reaper import LeaseStates
from producer.service import Producer, Timing
from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.redis.producer_reports import ProducerReport
from worker.adapters.share.walk import readable_files_below
from worker.contract.claim_ids import split_claimed_name
from worker.contract.names import FOLDERS

SETTLE_S, SCAN_S, REAP_S, HINT_TIMEOUT_S = 2.0, 5.0, 5.0, 20.0
DISCOVERY = DiscoverySettings(watch="events", settle_s=SETTLE_S, scan_s=SCAN_S, max_scan_s=SCAN_S, with_canary=False)
"""Events whatever file system the temporary folder is on, and scans that never become rarer."""
LIMITS = AdmissionLimits(max_claimed_letters=1_000_000, min_free_disk_bytes=0, max_redis_memory_percent=90)


@dataclass
class Clock:
    """A monotonic clock that stands still until it is moved."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Queue:
    """The client half of a queue that the test takes down and fills."""

    sent: list[list[str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    messages: int = 0
    is_down: bool = False

    @property
    def hinted(self) -> list[str]:
        return [claim_id for message in self.sent for claim_id in message]

    def send(self, claim_ids: Sequence[str]) -> None:
        self._answer()
        self.sent.append(list(claim_ids))

    def start_task(self, task: str) -> None:
        self._answer()
        self.asked.append(task)

    def depth(self) -> int:
        self._answer()
        return self.messages

    def _answer(self) -> None:
        if self.is_down:
            raise QueueUnavailable("the broker is down")


@dataclass
class Leased:
    """Claims that workers hold."""

    claim_ids: set[str] = field(default_factory=set)
    given_back: set[str] = field(default_factory=set)
    is_down: bool = False

    def states(self, claim_ids: Sequence[str]) -> LeaseStates:
        if self.is_down:
            raise redis.ConnectionError
        asked = set(claim_ids)
        return LeaseStates(frozenset(self.claim_ids & asked), frozenset(self.given_back & asked))


@dataclass
class Dials:
    """Gauges that show what the test sets, and keep what is reported."""

    free_disk_bytes: int | None = 10**12
    redis_used_bytes: int | None = 0
    redis_is_down: bool = False
    paused: bool = False
    reports: list[ProducerReport] = field(default_factory=list)
    load_takes_s: float = 0.0
    looks: int = 0
    clock: Clock | None = None

    def load(self, claimed_letters: int | None) -> Load:
        self.looks += 1
        if self.clock is not None:
            self.clock.advance(self.load_takes_s)
        figures = (claimed_letters, self.free_disk_bytes, self.redis_used_bytes, 0)
        return Load(*figures, redis_writable=True, paused=self.paused)

    def report(self, report: ProducerReport) -> None:
        if self.redis_is_down:
            raise redis.ConnectionError
        self.reports.append(report)


@dataclass
class Share:
    """A share in a temporary folder, and what people do with it."""

    root: Path

    def __post_init__(self) -> None:
        for folder in (*FOLDERS, "outside"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    def write(self, path: str, content: str = "a letter") -> Path:
        """Write a file in place."""
        file = self.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def drop(self, path: str, content: str = "a letter") -> Path:
        """Rename a finished file into the inbox."""
        outside = self.root / "outside" / "being-written"
        outside.write_text(content)
        return outside.rename(self.inbox / path)

    def claimed(self) -> dict[str, str]:
        """Claim id -> the path that the file had in the inbox."""
        claims = {}
        for folder, name in readable_files_below(str(self.root / "claimed")):
            split = split_claimed_name(name)
            assert split is not None, f"no claimed name: {name!r}"
            claims[split[0]] = os.path.join(folder, split[1])
        return claims

    def claimed_paths(self) -> list[str]:
        """The paths that the claimed files had in the inbox, sorted."""
        return sorted(self.claimed().values())

    def waiting_paths(self) -> list[str]:
        """Files in the inbox, sorted."""
        return sorted(os.path.join(*file) for file in readable_files_below(str(self.inbox)))


@dataclass
class Site:
    """A producer on a share, stepped by the test, and everything around it."""

    share: Share
    clock: Clock = field(default_factory=Clock)
    queue: Queue = field(default_factory=Queue)
    leases: Leased = field(default_factory=Leased)
    dials: Dials = field(default_factory=Dials)
    limits: AdmissionLimits = LIMITS
    discovery: DiscoverySettings = DISCOVERY
    batch_letters: int = 100
    producers: list[Producer] = field(default_factory=list)

    def start(self) -> Producer:
        """A producer that knows nothing yet."""
        producer = Producer(
            share=str(self.share.root),
            queue=self.queue,
            leases=self.leases,
            gauges=self.dials,
            discovery=self.discovery,
            timing=Timing(REAP_S, HINT_TIMEOUT_S),
            limits=self.limits,
            batch_letters=self.batch_letters,
            wall_clock_ms=lambda: 1_700_000_000_000 + int(self.clock.now_s * 1000),
            monotonic_s=self.clock,
        )
        self.producers.append(producer)
        return producer

    def close(self) -> None:
        for producer in self.producers:
            producer.close()
