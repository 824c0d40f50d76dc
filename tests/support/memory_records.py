"""The in-memory twin of the records: the same answers from plain values, and a clock that the test moves.

It states the rules a second time, in another way: where the scripts keep counters, the twin counts its letters.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from worker.contract.names import ReviewNaming
from worker.processing.records import (
    Begun,
    Counts,
    Finish,
    Finished,
    Lease,
    Record,
    RecordDamaged,
    Resolve,
    Resolved,
    State,
    copy_outcome,
    own_outcome,
)

BegunReply = Literal["go", "alone", "poison", "held", "done", "duplicate"]
ResolvedReply = Literal["resolved", "conflict", "taken", "stands"]

DONE: Final[tuple[State, ...]] = ("published", "dead", "discarded")
_ALLOWED: Final[dict[str, tuple[State, ...]]] = {
    "redrive": ("dead", "discarded"),
    "discard": ("dead",),
    "restore": ("discarded",),
    "supersede": DONE,
}


@dataclass(slots=True)
class _Letter:
    state: State = "waiting"
    claim_id: str = ""
    attempts: int = 0
    counted: bool = False
    token: str | None = None
    lease_ends_ms: int = 0
    revision: int = 1
    decisions: int = 0
    entry: str = ""
    named: ReviewNaming = "plain"
    code: str = ""
    superseded: str = ""
    decided: str = ""
    incomplete_ms: int | None = None
    copies: set[str] = field(default_factory=set)

    def is_done(self) -> bool:
        return self.state in DONE

    def end_lease(self) -> None:
        self.token, self.counted, self.lease_ends_ms = None, False, 0


class MemoryRecords:
    """`Records` without a server."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self._now_ms = clock_ms
        self._letters: dict[str, _Letter] = {}
        self._open: dict[str, str] = {}
        """Claim id -> digest."""
        self.finished: dict[str, str] = {}
        """Claim id -> recorded outcome, until the file is filed away."""
        self._review_names: dict[str, str] = {}
        self._entries = 0
        self.determinations: list[bytes] = []
        """Events published, in order."""
        self.dead_letters: dict[str, bytes] = {}
        """Entry -> event of a dead letter or of a decision, in order."""

    def snapshot(self) -> dict[str, Any]:
        """Everything that is there, apart from the clock."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "_now_ms"})

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Replace everything with the content of the snapshot."""
        vars(self).update(snapshot)

    def begin(
        self, leases: Sequence[Lease], *, lease_ms: int, max_attempts: int, alone: bool = False
    ) -> list[Begun | RecordDamaged]:
        """See `Records.begin`."""
        return [self._begin(lease, lease_ms, max_attempts, alone=alone) for lease in leases]

    def _begin(self, lease: Lease, lease_ms: int, max_attempts: int, *, alone: bool) -> Begun:
        letter = self._letters.get(lease.digest)
        if letter is not None and letter.is_done():
            return self._begin_done(lease, letter)
        if letter is not None and letter.lease_ends_ms > self._now_ms():
            return _begun("held", letter)
        if letter is not None and letter.attempts and not alone:
            return _begun("alone", letter)
        before = letter.state if letter is not None else None
        letter = self._letters.setdefault(lease.digest, _Letter())
        self._take_over(letter, lease)
        letter.counted = letter.attempts < max_attempts
        letter.attempts += letter.counted
        letter.state, letter.token, letter.lease_ends_ms = "working", lease.token, self._now_ms() + lease_ms
        reply: BegunReply = "go" if letter.counted else "poison"
        return Begun(reply, before, letter.revision, letter.attempts, letter.entry, letter.named)

    def _begin_done(self, lease: Lease, letter: _Letter) -> Begun:
        self._open.pop(lease.claim_id, None)
        own = letter.claim_id == lease.claim_id
        if not own:
            letter.copies.add(lease.claim_id)
        earlier = self._earlier(lease)
        if not earlier:
            outcome = own_outcome(lease.digest, letter.revision) if own else copy_outcome(lease.digest)
            self.finished[lease.claim_id] = outcome
        return dataclasses.replace(_begun("done" if own else "duplicate", letter), earlier=earlier)

    def _earlier(self, lease: Lease) -> str:
        outcome = self.finished.get(lease.claim_id, "")
        return "" if outcome.partition(":")[0] in ("", "copy", lease.digest) else outcome

    def _take_over(self, letter: _Letter, lease: Lease) -> None:
        if self._open.get(letter.claim_id) == lease.digest and letter.claim_id != lease.claim_id:
            del self._open[letter.claim_id]
        letter.copies.discard(lease.claim_id)
        letter.claim_id = lease.claim_id
        self._open[lease.claim_id] = lease.digest

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """See `Records.finish`."""
        return [self._finish(finish) for finish in finishes]

    def _finish(self, finish: Finish) -> Finished:
        letter = self._letters.get(finish.lease.digest, _Letter())
        same = letter.revision == finish.revision
        if letter.is_done() and same and letter.claim_id == finish.lease.claim_id:
            return Finished("done", letter.entry, letter.state, letter.named)
        if letter.state != "working" or letter.token != finish.lease.token or not same:
            return Finished("fenced", "", letter.state if letter.claim_id else None, "plain")
        earlier = self._earlier(finish.lease)
        if earlier and earlier != finish.earlier:
            return Finished("earlier", earlier, letter.state, "plain")
        if not self._reserve_name(finish.review_path, finish.named, finish.lease.digest):
            return Finished("taken", "", letter.state, "plain")
        letter.entry = self._append(finish.event, dead=finish.outcome == "dead")
        letter.state, letter.code, letter.named = finish.outcome, finish.code, finish.named
        letter.end_lease()
        letter.superseded = ""
        self.finished[finish.lease.claim_id] = own_outcome(finish.lease.digest, finish.revision)
        if self._open.get(finish.lease.claim_id) == finish.lease.digest:
            del self._open[finish.lease.claim_id]
        return Finished("finished", letter.entry, letter.state, letter.named)

    def _reserve_name(self, path: str | None, named: ReviewNaming, digest: str) -> bool:
        if path is None or named == "claim":
            return True
        return self._review_names.setdefault(path, digest) == digest

    def _append(self, event: bytes, *, dead: bool) -> str:
        self._entries += 1
        entry = f"0-{self._entries}"
        if dead:
            self.dead_letters[entry] = event
        else:
            self.determinations.append(event)
        return entry

    def prolong(self, leases: Sequence[Lease], *, lease_ms: int) -> list[bool]:
        """See `Records.prolong`."""
        held = [self._held(lease) for lease in leases]
        for letter in held:
            if letter is not None:
                letter.lease_ends_ms = self._now_ms() + lease_ms
        return [letter is not None for letter in held]

    def release(self, leases: Sequence[Lease]) -> None:
        """See `Records.release`."""
        for letter in (self._held(lease) for lease in leases):
            if letter is not None:
                letter.state, letter.attempts = "waiting", letter.attempts - letter.counted
                letter.end_lease()

    def postpone(self, lease: Lease, *, patience_ms: int) -> bool:
        """See `Records.postpone`."""
        letter = self._held(lease)
        if letter is None:
            return False
        since_ms = self._now_ms() if letter.incomplete_ms is None else letter.incomplete_ms
        if self._now_ms() - since_ms >= patience_ms:
            return False
        letter.incomplete_ms = since_ms
        self.release([lease])
        return True

    def _held(self, lease: Lease) -> _Letter | None:
        letter = self._letters.get(lease.digest)
        is_held = letter is not None and letter.state == "working" and letter.token == lease.token
        return letter if is_held else None

    def resolve(self, decision: Resolve) -> Resolved:
        """See `Records.resolve`."""
        letter = self._letters.get(decision.digest)
        if letter is not None and decision.token and letter.decided == decision.token:
            return _resolved("resolved", letter)
        if not self._is_allowed(decision, letter):
            self._forget_earlier(decision)
            return _resolved("conflict", letter) if letter else Resolved("conflict", None, 1, 0, "plain")
        assert letter is not None
        if letter.decisions != decision.decisions:
            return _resolved("conflict", letter)
        self._forget_earlier(decision)
        if decision.action == "supersede" and letter.state == "published" and letter.copies:
            return _resolved("stands", letter)
        return self._decide(decision, letter)

    def _is_allowed(self, decision: Resolve, letter: _Letter | None) -> bool:
        return letter is not None and letter.state in _ALLOWED[decision.action] and letter.revision == decision.revision

    def _forget_earlier(self, decision: Resolve) -> None:
        if decision.by is not None and decision.by.claim_id not in self._open:
            self.finished.pop(decision.by.claim_id, None)

    def _decide(self, decision: Resolve, letter: _Letter) -> Resolved:
        if decision.action == "restore":
            if not self._reserve_name(decision.review_path, decision.named, decision.digest):
                return _resolved("taken", letter)
        elif decision.named == "plain" and self._review_names.get(decision.review_path) == decision.digest:
            del self._review_names[decision.review_path]
        if letter.state != "published":
            self._append(decision.event, dead=True)
        self._apply(decision, letter)
        return _resolved("resolved", letter)

    def _apply(self, decision: Resolve, letter: _Letter) -> None:
        letter.decisions += 1
        letter.named, letter.decided = decision.named, decision.token
        if decision.by is not None:
            letter.superseded = decision.by.digest
        if decision.action in ("redrive", "supersede"):
            letter.state, letter.revision, letter.decisions = "waiting", letter.revision + 1, 0
            letter.attempts, letter.entry, letter.code = 0, "", ""
            if decision.action == "redrive" and letter.claim_id not in self._open:
                self._open[letter.claim_id] = decision.digest
                self.finished.pop(letter.claim_id, None)
        else:
            letter.state = "discarded" if decision.action == "discard" else "dead"

    def record(self, digest: str) -> Record | None:
        """See `Records.record`."""
        letter = self._letters.get(digest)
        if letter is None:
            return None
        figures = (letter.attempts, letter.revision, letter.decisions)
        outcome = (letter.entry, letter.named, letter.code)
        return Record(digest, letter.state, letter.claim_id, *figures, *outcome, letter.superseded)

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """See `Records.records`."""
        return [self.record(digest) for digest in digests]

    def holder(self, digest: str) -> tuple[str, str] | None:
        """(claim id, token) of the lease of a letter; None if no worker has it."""
        letter = self._letters.get(digest)
        return (letter.claim_id, letter.token) if letter is not None and letter.token is not None else None

    def dead_letter_event(self, entry: str) -> bytes | None:
        """See `Records.dead_letter_event`."""
        return self.dead_letters.get(entry)

    def counts(self) -> Counts:
        """See `Records.counts`: counted from the letters."""
        states = [letter.state for letter in self._letters.values()]
        done = {state: states.count(state) for state in DONE}
        duplicate = sum(len(letter.copies) for letter in self._letters.values())
        return Counts(
            seen=sum(done.values()) + duplicate + len(self._open),
            published=done["published"],
            dead=done["dead"],
            discarded=done["discarded"],
            duplicate=duplicate,
            open_claims=frozenset(self._open),
            finished_claims=frozenset(self.finished),
            internal=sum(letter.state == "dead" and letter.code == "internal" for letter in self._letters.values()),
        )


def _begun(reply: BegunReply, letter: _Letter) -> Begun:
    return Begun(reply, letter.state, letter.revision, letter.attempts, letter.entry, letter.named)


def _resolved(reply: ResolvedReply, letter: _Letter) -> Resolved:
    return Resolved(reply, letter.state, letter.revision, letter.decisions, letter.named)
