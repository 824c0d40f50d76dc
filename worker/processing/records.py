"""The port to the records: values, and what an adapter must do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.contract.names import ReviewNaming

State = Literal["waiting", "working", "published", "dead", "discarded"]
FinalState = Literal["published", "dead"]
COPY = "copy"


def own_outcome(digest: str, revision: int) -> str:
    """What a claim was finished as whose file is that letter: the id of its event."""
    return f"{digest}:{revision}"


def copy_outcome(digest: str) -> str:
    """What a claim was finished as whose file is a copy of that letter."""
    return f"{COPY}:{digest}"


class RecordsUnavailable(Exception):
    """The records cannot be reached or refuse to write; nothing is known of the step, which is safe to repeat."""


class RecordDamaged(Exception):
    """A key of the records holds something else than a record; nothing was changed, and an operator must look."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A letter, the claim it was taken under, and the token of whoever works on it."""

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
    """With `done` and `duplicate`: event of what the file was before it was written to, still to be superseded."""


@dataclass(frozen=True, slots=True)
class Finish:
    """What FINISH is asked to write."""

    lease: Lease
    revision: int
    outcome: FinalState
    code: str
    event: bytes
    named: ReviewNaming = "plain"
    review_path: str | None = None
    """Path wanted in `review/`, relative to the share; None for a published letter."""
    earlier: str = ""
    """Event of what the file was before it was written to, once that is settled."""


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
    """What RESOLVE is asked to do, and what whoever decided saw when they did."""

    action: Literal["redrive", "discard", "restore", "supersede"]
    digest: str
    revision: int
    decisions: int
    review_path: str
    event: bytes
    named: ReviewNaming = "plain"
    token: str = ""
    """Of this decision: a call that is repeated with it gets the first one's answer. None is nobody's."""
    by: Lease | None = None
    """To supersede: the letter that the file is now, and its claim."""


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
    """What is known of one letter."""

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
    """Digest of the letter that its file became after it was finished."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters, the claims that are begun and not finished, and those finished and not filed away."""

    seen: int
    published: int
    dead: int
    discarded: int
    duplicate: int
    open_claims: frozenset[str]
    finished_claims: frozenset[str] = frozenset()
    internal: int = 0
    """Those of the dead letters that a fault of this software stopped."""


class Records(Protocol):
    """One small record per letter.

    Batches are answered in their order; an answer may be `RecordDamaged` for one letter while the others stand. Every
    method raises `RecordsUnavailable` when the store cannot be reached or does not take writes, and is safe to repeat.
    """

    def begin(
        self, leases: Sequence[Lease], *, lease_ms: int, max_attempts: int, alone: bool = False
    ) -> list[Begun | RecordDamaged]:
        """Take letters to work on, counting the attempt before the work."""

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """Write outcomes: stream entry and state in one step, once per letter and revision."""

    def prolong(self, leases: Sequence[Lease], *, lease_ms: int) -> list[bool]:
        """Keep letters longer; False for one that is no longer held."""

    def release(self, leases: Sequence[Lease]) -> None:
        """Give letters back untried."""

    def postpone(self, lease: Lease, *, patience_ms: int) -> bool:
        """Give an incomplete letter back untried, unless its bytes have been incomplete for longer than that.

        False if they have, and the letter is still held.
        """

    def resolve(self, decision: Resolve) -> Resolved:
        """Take a decision about a finished letter."""

    def record(self, digest: str) -> Record | None:
        """What is known of a letter; None if nothing is."""

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """The same for many letters, in one round trip."""

    def dead_letter_event(self, entry: str) -> bytes | None:
        """The event of an entry of the dead-letter stream; None if it was trimmed."""

    def counts(self) -> Counts:
        """The counters behind `imr status`."""


class Durability(Protocol):
    """What the store has on disk. Every method raises `RecordsUnavailable`, and is safe to repeat."""

    def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """The claims of these that stand as finished so, if whatever the store answers is on disk already.

        `outcomes`: claim id -> what it was finished as. None if the store does not sync before it answers.
        """

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """The claims of these that stand as finished so, after waiting until that is on disk; None if it is not yet."""

    def filed(self, claim_ids: Collection[str]) -> None:
        """These are filed away."""

    def finished(self) -> Collection[str]:
        """All claims that are finished and not known to be filed away."""
