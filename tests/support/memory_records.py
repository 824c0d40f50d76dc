"""The in-memory twin of the records: the same answers from plain values, and a clock that the test moves.

It says the rules a second time, differently: where the scripts keep counters, the twin counts what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from worker.records.model import (
    Begun,
    Counts,
    Finish,
    Finished,
    Lease,
    Naming,
    Record,
    RecordDamaged,
    Resolve,
    Resolved,
    State,
)

BegunVerdict = Literal["go", "alone", "poison", "held", "done", "duplicate"]
ResolvedVerdict = Literal["resolved", "conflict", "taken"]

DONE: Final[tuple[State, ...]] = ("published", "dead", "discarded")
_ALLOWED: Final[dict[str, tuple[State, ...]]] = {
    "redrive": ("dead", "discarded"),
    "discard": ("dead",),
    "restore": ("discarded",),
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
    named: Naming = "plain"
    code: str = ""
    copies: set[str] = field(default_factory=set)

    def is_done(self) -> bool:
        return self.state in DONE

    def let_go(self) -> None:
        self.token, self.counted, self.lease_ends_ms = None, False, 0


class MemoryRecords:
    """`Records` without a server."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self._now_ms = clock_ms
        self._letters: dict[str, _Letter] = {}
        self._open: dict[str, str] = {}
        """Claim id -> digest."""
        self._review_names: dict[str, str] = {}
        self._entries = 0
        self.determinations: list[bytes] = []
        """Events published, in order."""
        self.dead_letters: dict[str, bytes] = {}
        """Entry -> event of a dead letter or of a decision, in order."""

    def begin(
        self, leases: Sequence[Lease], *, lease_ms: int, max_attempts: int, alone: bool = False
    ) -> list[Begun | RecordDamaged]:
        """See `Records.begin`."""
        return [self._begin(lease, lease_ms, max_attempts, alone=alone) for lease in leases]

    def _begin(self, lease: Lease, lease_ms: int, most: int, *, alone: bool) -> Begun:
        letter = self._letters.get(lease.digest)
        if letter is not None and letter.is_done():
            self._open.pop(lease.claim_id, None)
            if letter.claim_id == lease.claim_id:
                return _begun("done", letter)
            letter.copies.add(lease.claim_id)
            return _begun("duplicate", letter)
        if letter is not None and letter.lease_ends_ms > self._now_ms():
            return _begun("held", letter)
        if letter is not None and letter.attempts and not alone:
            return _begun("alone", letter)
        before = letter.state if letter is not None else None
        letter = self._letters.setdefault(lease.digest, _Letter())
        self._take_over(letter, lease)
        letter.counted = letter.attempts < most
        letter.attempts += letter.counted
        letter.state, letter.token, letter.lease_ends_ms = "working", lease.token, self._now_ms() + lease_ms
        verdict: BegunVerdict = "go" if letter.counted else "poison"
        return Begun(verdict, before, letter.revision, letter.attempts, letter.entry, letter.named)

    def _take_over(self, letter: _Letter, lease: Lease) -> None:
        if self._open.get(letter.claim_id) == lease.digest and letter.claim_id != lease.claim_id:
            del self._open[letter.claim_id]
        letter.copies.discard(lease.claim_id)
        letter.claim_id = lease.claim_id
        self._open[lease.claim_id] = lease.digest

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """See `Records.finish`."""
        return [self._finish(one) for one in finishes]

    def _finish(self, one: Finish) -> Finished:
        letter = self._letters.get(one.lease.digest, _Letter())
        same = letter.revision == one.revision
        if letter.is_done() and same and letter.claim_id == one.lease.claim_id:
            return Finished("done", letter.entry, letter.state, letter.named)
        if letter.state != "working" or letter.token != one.lease.token or not same:
            return Finished("fenced", "", letter.state if letter.claim_id else None, "plain")
        if not self._grant(one.review_path, one.named, one.lease.digest):
            return Finished("taken", "", letter.state, "plain")
        letter.entry = self._append(one.event, dead=one.outcome == "dead")
        letter.state, letter.code, letter.named = one.outcome, one.code, one.named
        letter.let_go()
        if self._open.get(one.lease.claim_id) == one.lease.digest:
            del self._open[one.lease.claim_id]
        return Finished("finished", letter.entry, letter.state, letter.named)

    def _grant(self, path: str | None, named: Naming, digest: str) -> bool:
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
                letter.let_go()

    def _held(self, lease: Lease) -> _Letter | None:
        letter = self._letters.get(lease.digest)
        is_held = letter is not None and letter.state == "working" and letter.token == lease.token
        return letter if is_held else None

    def resolve(self, decision: Resolve) -> Resolved:
        """See `Records.resolve`."""
        one, letter = decision, self._letters.get(decision.digest)
        if letter is None:
            return Resolved("conflict", None, 1, 0, "plain")
        seen = (letter.revision, letter.decisions)
        if letter.state not in _ALLOWED[one.action] or seen != (one.revision, one.decisions):
            return _resolved("conflict", letter)
        if one.action == "restore":
            if not self._grant(one.review_path, one.named, one.digest):
                return _resolved("taken", letter)
        elif one.named == "plain" and self._review_names.get(one.review_path) == one.digest:
            del self._review_names[one.review_path]
        self._append(one.event, dead=True)
        self._apply(one, letter)
        return _resolved("resolved", letter)

    def _apply(self, one: Resolve, letter: _Letter) -> None:
        letter.decisions += 1
        letter.named = one.named
        if one.action == "redrive":
            letter.state, letter.revision, letter.decisions = "waiting", letter.revision + 1, 0
            letter.attempts, letter.entry, letter.code = 0, "", ""
            self._open.setdefault(letter.claim_id, one.digest)
        else:
            letter.state = "discarded" if one.action == "discard" else "dead"

    def record(self, digest: str) -> Record | None:
        """See `Records.record`."""
        one = self._letters.get(digest)
        if one is None:
            return None
        return Record(
            digest, one.state, one.claim_id, one.attempts, one.revision, one.decisions, one.entry, one.named, one.code
        )

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """See `Records.records`."""
        return [self.record(digest) for digest in digests]

    def holder(self, digest: str) -> tuple[str, str] | None:
        """(claim id, token) of whoever holds the letter."""
        one = self._letters.get(digest)
        return (one.claim_id, one.token) if one is not None and one.token is not None else None

    def dead_letter_event(self, entry: str) -> bytes | None:
        """See `Records.dead_letter_event`."""
        return self.dead_letters.get(entry)

    def counts(self) -> Counts:
        """See `Records.counts`: counted afresh from what is there."""
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
        )


def _begun(verdict: BegunVerdict, letter: _Letter) -> Begun:
    return Begun(verdict, letter.state, letter.revision, letter.attempts, letter.entry, letter.named)


def _resolved(verdict: ResolvedVerdict, letter: _Letter) -> Resolved:
    return Resolved(verdict, letter.state, letter.revision, letter.decisions, letter.named)
