"""A worker under test: a real share in a temporary folder, records in memory, a clock, and functions for the ports."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson

from tests.support.determinations import NOW, determination
from tests.support.failpoints import Failpoints
from tests.support.letters import NOON_2024_MS
from tests.support.memory_durability import MemoryDurability
from tests.support.memory_records import MemoryRecords
from worker.adapters.redis.durability import RedisDurability
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.spool import Spool
from worker.contract.claim_ids import SEPARATOR, new_claim_id
from worker.contract.names import CLAIMED, EXTRACTED_SUFFIX, FOLDERS, SIDECAR_SUFFIXES, stored_name
from worker.extraction import Text
from worker.letter.errors import LetterError, Violation
from worker.letter.model import Determination
from worker.processing.filing_queue import FilingQueue
from worker.processing.pipeline import Pipeline
from worker.processing.records import Durability, Records
from worker.processing.work_item import BatchReport, ProcessingLimits

PACIFIC = ZoneInfo("America/Los_Angeles")
LEASE_S = 30.0
MOST = 3

Determines = Callable[[Text, date], Determination]


class FakeExtractor:
    """The bytes are the text; content that begins like a PDF has pages."""

    def to_text(self, content: bytes, following: bytes | None = None) -> Text:
        """The text of a letter."""
        text = content.decode("utf-8", "replace")
        paged = content.startswith(b"%PDF")
        return Text(text, paged=paged, page_count=1 if paged else None, kind="pdf" if paged else "text")


def determine(text: Text, received_on: date) -> Determination:
    """Any text is a letter, except one that holds the word `broken`."""
    if "broken" in text.text:
        raise LetterError((Violation("issue_without_decision", "The letter decides nothing.", line=1, column=1),))
    return determination()


class OnDiskAtOnce(RedisDurability):
    """Treats every answer of the server as on disk; lost answers are tested with servers that have a disk."""

    def now(self, outcomes: Mapping[str, str]) -> Collection[str]:
        """See `Durability.now`."""
        recorded_outcomes = cast("list[bytes | None]", self._client.hmget(self._keys.finished, list(outcomes)))
        pairs = zip(outcomes.items(), recorded_outcomes, strict=True)
        return {claim_id for (claim_id, outcome), recorded in pairs if recorded == outcome.encode()}


def on_disk_at_once(records: Records) -> OnDiskAtOnce | None:
    """The durability that belongs to records in Redis; None for the records in memory."""
    return OnDiskAtOnce(records._client, records._keys) if isinstance(records, RedisRecords) else None


class Rig:
    """One share, its records, and any number of workers one after another."""

    def __init__(
        self, folder: Path, records: Records | None = None, durability: Durability | None = None, *, always: bool = True
    ) -> None:
        self.share = folder / "share"
        for name in FOLDERS:
            (self.share / name).mkdir(parents=True)
        self.now_s = 0.0
        self.memory = MemoryRecords(lambda: int(self.now_s * 1000))
        self.records: Records = records or self.memory
        self.disk = MemoryDurability(self.memory, always=always)
        self.durability: Durability = durability or on_disk_at_once(self.records) or self.disk
        self.patience_s = 0.0
        self._claims = 0

    def claim(self, name: str, content: bytes, folder: str = "") -> str:
        """Put a file into `claimed/` as a producer does; its claim id."""
        claim_id = self.new_claim_id()
        path = self.claimed_path(claim_id, name, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return claim_id

    def new_claim_id(self) -> str:
        """A fresh claim id."""
        self._claims += 1
        return new_claim_id(NOON_2024_MS + self._claims)

    def claimed_path(self, claim_id: str, name: str, folder: str = "") -> Path:
        """Where a claimed file lies."""
        return self.share / CLAIMED / folder / stored_name(name, claim_id + SEPARATOR)

    def pipeline(self, failpoints: Failpoints | None = None, **given: Any) -> Pipeline:
        """A new worker."""
        watch = (failpoints or Failpoints()).watch
        ports: dict[str, Any] = {
            "spool": Spool(self.share),
            "records": self.records,
            "extractor": FakeExtractor(),
            "determine": determine,
            "durability": self.durability,
            **given,
        }
        is_stopping = ports.pop("is_stopping", lambda: False)
        watched = {name: watch(port) for name, port in ports.items()}
        self.filing = FilingQueue(
            spool=watched["spool"], durability=watched.pop("durability"), monotonic_s=lambda: self.now_s
        )
        return Pipeline(
            **{"filing": self.filing, **watched},
            is_stopping=is_stopping,
            limits=ProcessingLimits("site", PACIFIC, LEASE_S, MOST, 1_000_000, self.patience_s),
            wall_clock=lambda: NOW + timedelta(seconds=self.now_s),
            monotonic_s=lambda: self.now_s,
        )

    def run(self, *claim_ids: str, **given: Any) -> BatchReport:
        """Have a new worker run these claims, or all that are there."""
        report = self.pipeline(**given).run(claim_ids or self.claimed())
        self.filing.round()
        return report

    def claimed(self) -> list[str]:
        """The ids that a reaper would hint."""
        return sorted(file.claim_id for file in Spool(self.share).claimed())

    def wait_for_leases(self) -> None:
        """Let every lease run out."""
        self.now_s += LEASE_S + 1

    def files(self) -> dict[str, bytes]:
        """Path in the share -> content, of every file that is there."""
        paths = (Path(folder) / name for folder, _, names in os.walk(self.share) for name in names)
        return {str(path.relative_to(self.share)): path.read_bytes() for path in paths}

    def letters(self) -> dict[str, bytes]:
        """The same without sidecar files and extracted texts."""
        ours = (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX)
        return {path: content for path, content in self.files().items() if not path.endswith(ours)}

    def published(self) -> list[dict[str, Any]]:
        """The events of the stream of results."""
        return [orjson.loads(event) for event in self.memory.determinations]

    def dead(self) -> list[dict[str, Any]]:
        """The events of the stream of dead letters."""
        return [orjson.loads(event) for event in self.memory.dead_letters.values()]

    def assert_counts_close(self) -> None:
        """`seen = published + dead + discarded + duplicate + open`."""
        counts = self.records.counts()
        done = counts.published + counts.dead + counts.discarded + counts.duplicate
        assert counts.seen == done + len(counts.open_claims), counts
