"""The port to the records: the values exchanged, and what an adapter must do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.contract.event import event_id
from worker.contract.names import ReviewNaming

State = Literal["waiting", "working", "published", "dead", "discarded"]
FinalState = Literal["published", "dead"]
COPY = "copy"


def own_outcome(digest: str, revision: int) -> str:
    """Recorded outcome of a claim whose file is that letter: the id of its event."""
    return event_id(digest, revision)


def copy_outcome(digest: str) -> str:
    """Recorded outcome of a claim whose file is a copy of that letter."""
    return f"{COPY}:{digest}"


class RecordsUnavailable(Exception):
    """The records cannot be reached or refuse to write. Whether the step was done is unknown; it is safe to repeat."""


class RecordDamaged(Exception):
    """A key of the records does not hold a record. Nothing was changed; an operator must look at it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A letter, the claim of its file, and the token of the worker that has it."""

    digest: str
    claim_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The answer to BEGIN; see begin.lua for the replies."""

    reply: Literal["go", "alone", "poison", "held", "done", "duplicate"]
    state: State | None
    revision: int
    attempts: int
    entry: str
    named: ReviewNaming
    earlier: str = ""
    """With `done` and `duplicate`: event id of the file's earlier content, still to be superseded; else empty."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The arguments of FINISH: the outcome to write."""

    lease: Lease
    revision: int
    outcome: FinalState
    code: str
    event: bytes
    named: ReviewNaming = "plain"
    review_path: str | None = None
    """Path to reserve in `review/`, relative to the share; None for a published letter."""
    earlier: str = ""
    """Id of the event of the file's earlier content, once it is superseded; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer to FINISH; see finish.lua for the replies."""

    reply: Literal["finished", "done", "fenced", "taken", "earlier"]
    entry: str
    """Id of the stream entry; with `earlier`, of the event that has to be superseded first."""
    state: State | None
    named: ReviewNaming


@dataclass(frozen=True, slots=True)
class Resolve:
    """The arguments of RESOLVE: a decision, and the state of the letter that the decider saw."""

    action: Literal["redrive", "discard", "restore", "supersede"]
    digest: str
    revision: int
    decisions: int
    review_path: str
    event: bytes
    named: ReviewNaming = "plain"
    token: str = ""
    """Token of this decision: a repeated call with it gets the first answer. Empty: the call is not repeatable."""
    by: Lease | None = None
    """To supersede: the letter that the file is now, and the claim of the file; None for other actions."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to RESOLVE; see resolve.lua for the replies."""

    reply: Literal["resolved", "conflict", "taken", "stands"]
    state: State | None
    revision: int
    decisions: int
    named: ReviewNaming


@dataclass(frozen=True, slots=True)
class Record:
    """What the records know about one letter."""

    digest: str
    state: State
    claim_id: str
    attempts: int
    revision: int
    decisions: int
    entry: str
    named: ReviewNaming
    code: str
    superseded: str = ""
    """Digest of the letter that its file became after it was finished; empty if the file was not written to."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters, and the claims that are not filed away: begun and not finished, or finished."""

    seen: int
    published: int
    dead: int
    discarded: int
    duplicate: int
    open_claims: frozenset[str]
    finished_claims: frozenset[str] = frozenset()
    internal: int = 0
    """Number of the dead letters that a fault of this software stopped."""


class Records(Protocol):
    """One small record per letter.

    The answers to a batch are in its order; `RecordDamaged` as the answer for one letter does not affect the others.
    Every method raises `RecordsUnavailable` if the store cannot be reached or refuses writes, and is safe to repeat.
    """

    def begin(
        self, leases: Sequence[Lease], *, lease_ms: int, max_attempts: int, alone: bool = False
    ) -> list[Begun | RecordDamaged]:
        """Take letters to work on; the attempt is counted before the work. `alone`: also letters tried before."""

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """Write outcomes: stream entry and state in one step, once per letter and revision."""

    def prolong(self, leases: Sequence[Lease], *, lease_ms: int) -> list[bool]:
        """Extend leases; False for a lease that is lost."""

    def release(self, leases: Sequence[Lease]) -> None:
        """Give letters back; the attempt is not counted."""

    def postpone(self, lease: Lease, *, patience_ms: int) -> bool:
        """Give an incomplete letter back, the attempt not counted, unless it has been incomplete for `patience_ms`.

        False if it has been, and the lease is still held; also if the lease is lost.
        """

    def resolve(self, decision: Resolve) -> Resolved:
        """Write a decision about a finished letter."""

    def record(self, digest: str) -> Record | None:
        """What is known about a letter; None if nothing is."""

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """The same for many letters, in one round trip."""

    def dead_letter_event(self, entry: str) -> bytes | None:
        """The event of an entry of the dead-letter stream; None if it was trimmed."""

    def counts(self) -> Counts:
        """The counters behind `imr status`."""


class Durability(Protocol):
    """Which recorded outcomes are on disk. Every method raises `RecordsUnavailable`, and is safe to repeat."""

    def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """Without waiting: those of the claims whose recorded outcome is the expected one, which is on disk.

        `outcomes`: claim id -> expected outcome. None if the store does not sync before it answers.
        """

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """The same after waiting for the disk; None if the outcomes are still not on disk."""

    def filed(self, claim_ids: Collection[str]) -> None:
        """Forget the outcomes of these claims: their files are filed away."""

    def finished(self) -> Collection[str]:
        """All claims that are finished and not known to be filed away."""
