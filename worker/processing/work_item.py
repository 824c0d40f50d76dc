"""One letter on its way through a worker, and what the worker may do with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Literal

from worker.adapters.share.safe_read import FileContent
from worker.adapters.share.spool import ClaimedFile
from worker.contract.names import ReviewNaming
from worker.extraction import Text
from worker.processing.disposition import Disposition
from worker.processing.records import FinalState, Finish, Lease

Result = Literal["published", "dead", "duplicate", "filed", "held", "fenced", "retry", "gone"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and names that the pipeline works by."""

    site: str
    zone: tzinfo
    lease_seconds: float
    max_attempts: int
    max_letter_bytes: int

    incomplete_seconds: float = 60.0

    @property
    def patience_ms(self) -> int:
        """How long an incomplete letter is waited for, as the records take it."""
        return int(self.incomplete_seconds * 1000)

    @property
    def lease_ms(self) -> int:
        """The lease as the records take it."""
        return int(self.lease_seconds * 1000)


@dataclass(slots=True)
class Work:
    """One letter on its way; filled in as it goes."""

    file: ClaimedFile
    lease: Lease
    taken: FileContent | None = None
    failed: Disposition | None = None
    revision: int = 1
    attempts: int = 0
    text: Text | None = None

    @property
    def to_read(self) -> bytes | None:
        """What its text is read from; None where that is not to be tried, or not any more."""
        return self.taken.content if self.taken is not None and self.failed is None else None

    def received_on(self, zone: tzinfo) -> date:
        """The day the file arrived in the share."""
        return self.file.received_on(zone)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the worker found out about a letter, ready to be written."""

    work: Work
    outcome: FinalState
    code: str
    event: bytes
    named: ReviewNaming = "plain"
    earlier: str = ""
    """Event of what the file was before it was written to, once that is settled."""

    def finish(self) -> Finish:
        """The verdict as the records take it."""
        path = self.work.file.review_path(self.named) if self.outcome == "dead" else None
        return Finish(
            lease=self.work.lease,
            revision=self.work.revision,
            outcome=self.outcome,
            code=self.code,
            event=self.event,
            named=self.named,
            review_path=path,
            earlier=self.earlier,
        )


def digest_of_unread(claim_id: str) -> str:
    """The id of a letter whose bytes could not be read whole: it is known by its claim instead."""
    return hashlib.sha256(b"unread:" + claim_id.encode()).hexdigest()


@dataclass(slots=True)
class Report:
    """What became of the claims of one hint."""

    results: dict[str, Result] = field(default_factory=dict)

    def counted(self) -> dict[Result, int]:
        """How many claims had each result."""
        return dict(Counter(self.results.values()))
