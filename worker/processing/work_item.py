"""One letter on its way through a worker, what became of it, and the limits that the worker keeps."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Literal

from worker.adapters.share.safe_read import FileContent
from worker.adapters.share.spool import ClaimedFile
from worker.processing.disposition import Disposition
from worker.processing.records import Lease

Result = Literal["published", "dead", "duplicate", "filed", "held", "fenced", "retry", "gone"]
"""What became of a claim in one hint: `filed` was finished before; `held` and `fenced` belong to another worker."""


@dataclass(frozen=True, slots=True)
class ProcessingLimits:
    """Limits and names that the pipeline works by; see the settings of the same names."""

    site: str
    zone: tzinfo
    lease_seconds: float
    max_attempts: int
    max_letter_bytes: int
    incomplete_seconds: float = 60.0

    @property
    def incomplete_ms(self) -> int:
        """How long an incomplete letter is waited for, in milliseconds."""
        return int(self.incomplete_seconds * 1000)

    @property
    def lease_ms(self) -> int:
        """The length of a lease in milliseconds."""
        return int(self.lease_seconds * 1000)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One letter as it was read from the share; BEGIN adds revision and attempts."""

    file: ClaimedFile
    lease: Lease
    content: FileContent | None = None
    """None for a file that cannot be read; `refusal` says why."""
    refusal: Disposition | None = None
    """Why the letter is not to be parsed: its file cannot be read, or its attempts are used up."""
    revision: int = 1
    attempts: int = 0

    @property
    def claim_id(self) -> str:
        """The claim under which the file lies in `claimed/`."""
        return self.file.claim_id

    @property
    def to_extract(self) -> bytes | None:
        """The bytes whose text is wanted; None where the letter is not to be parsed."""
        return self.content.content if self.content is not None and self.refusal is None else None

    @property
    def must_be_empty(self) -> bool:
        """Whether the file was refused for being empty: it has no signature, but must still be empty when filed."""
        return self.content is None and self.refusal is not None and self.refusal.code == "empty"

    @property
    def size_bytes(self) -> int | None:
        """Size of the file; None where it could not be read."""
        return len(self.content.content) if self.content is not None else None

    def received_on(self, zone: tzinfo) -> date:
        """The day the file arrived in the share."""
        return self.file.received_on(zone)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of the claims of one hint."""

    results: Mapping[str, Result] = field(default_factory=dict)

    def counted(self) -> dict[Result, int]:
        """How many claims had each result."""
        return dict(Counter(self.results.values()))


def letter_id(claim_id: str, content: FileContent | None) -> str:
    """What a letter is known by: the SHA-256 of its bytes, or of its claim where its bytes could not be read whole."""
    if content is not None:
        return content.digest
    return hashlib.sha256(b"unread:" + claim_id.encode()).hexdigest()
