"""The explanation of a claimed letter: in work, published, in review, discarded, or a copy of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from worker.adapters.redis.lookup import OpenClaim
from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import read_file
from worker.adapters.share.spool import Spool
from worker.contract.claim_ids import claimed_at_ms
from worker.contract.event import event_id
from worker.operations.locate.explanation import Explanation, NotFound, OptionalLookup
from worker.operations.locate.inbox import InboxRules
from worker.operations.locate.places import FileFinder, Place
from worker.processing.records import Record
from worker.processing.work_item import letter_id

_HINTED: Final = "a worker: the producer sends its hint again every IMR_HINT_TIMEOUT_SECONDS until a worker takes it"
_RETRIED: Final = "the next attempt: the wait doubles each time, to IMR_RETRY_MAX_SECONDS at most"
_UNDO: Final = "`imr dead-letters discard ID --undo` brings it back."
_UNKNOWN: Final = "It has no record: Redis was emptied or restored, or is another one."


class Letters:
    """Explains the claimed letters of one share."""

    def __init__(self, spool: Spool, finder: FileFinder, lookup: OptionalLookup, rules: InboxRules) -> None:
        self._spool = spool
        self._finder = finder
        self._lookup = lookup
        self._rules = rules

    def explain(self, place: Place) -> Explanation:
        """What the letter at `place` waits for, or how it ended. Raises `NotFound` if its file is gone meanwhile."""
        match place.where:
            case "claimed":
                explanation = self._claimed(place)
            case "archive":
                explanation = self._archived(place)
            case "duplicates":
                explanation = self._duplicate(place)
            case "review" | "discarded":
                explanation = self._reviewed(place)
            case "inbox":
                raise ValueError("a file in the inbox is not claimed")
            case _:
                assert_never(place.where)
        facts = {"claim_id": place.claim_id, **explanation.facts}
        return replace(explanation, notes=(*explanation.notes, *self._lookup.notes()), facts=facts)

    def nowhere(self, digest: str) -> Explanation:
        """A letter that has a record, and whose file is not where it should be."""
        record = self._record(digest)
        state = record.state if record is not None else "unknown"
        return Explanation(
            where="nowhere",
            state=state,
            path=None,
            since=None,
            sentence=_gone(record, state),
            facts={"claim_id": record.claim_id if record is not None else None, **_facts(digest, record)},
        )

    def _record(self, digest: str) -> Record | None:
        return self._lookup.ask(lambda lookup: lookup.record(digest))

    def _digest(self, place: Place) -> str:
        """The letter's id: the digest of its bytes, or an id made from its claim if they cannot be read."""
        try:
            return read_file(self._spool.root, place.path, max_bytes=self._rules.max_letter_bytes).digest
        except Gone as error:
            raise NotFound("the file was moved this moment; ask again") from error
        except Unreadable:
            return letter_id(place.claim_id or "", None)

    def _claimed(self, place: Place) -> Explanation:
        claim_id = place.claim_id or ""
        since = _claimed_at(claim_id)
        claim = self._lookup.ask(lambda lookup: lookup.open_claim(claim_id))
        digest = claim.digest if claim is not None else self._digest(place)
        record = self._record(digest)
        if self._lookup.is_unreachable:
            what = "Claimed. Whether a worker has begun it is known to Redis alone."
            return Explanation("claimed", "claimed", place.path, since, what, facts=_facts(digest, record))
        progress = _finished(record, claim_id) if claim is None else _unfinished(claim, self._rules.incomplete_s)
        return Explanation("claimed", path=place.path, since=since, facts=_facts(digest, record), **progress)

    def _archived(self, place: Place) -> Explanation:
        digest = self._digest(place)
        record = self._record(digest)
        event = self._event(record)
        since = datetime.fromisoformat(event["time"]) if event is not None else _claimed_at(place.claim_id or "")
        notes: tuple[str, ...] = ()
        if record is None and not self._lookup.is_unreachable:
            notes = (_UNKNOWN,)
        elif record is not None and event is None and not self._lookup.is_unreachable:
            notes = ("Its entry was trimmed from the stream.",)
        facts = {"event_id": event["id"] if event else None, "entry": record.entry if record else None}
        facts = {**_facts(digest, record), **facts}
        return Explanation(
            "archive", "published", place.path, since, "Published and archived.", notes=notes, facts=facts
        )

    def _event(self, record: Record | None) -> dict[str, Any] | None:
        """The event of a published letter."""
        if record is None or record.state != "published":
            return None
        return self._lookup.ask(lambda lookup: lookup.event(record.entry))

    def _duplicate(self, place: Place) -> Explanation:
        digest = self._digest(place)
        record = self._record(digest)
        first = self._finder.of_claim(record.claim_id) if record is not None and record.claim_id else []
        facts = {
            "duplicate_of": first[0].path if first else None,
            "first_claim_id": record.claim_id if record else None,
        }
        return Explanation(
            "duplicates",
            "duplicate",
            place.path,
            _claimed_at(place.claim_id or ""),
            "A further copy of an earlier letter, byte for byte; it is not published again.",
            facts={**_facts(digest, record), **facts},
        )

    def _reviewed(self, place: Place) -> Explanation:
        report = self._finder.report(place)
        if not report:
            why = "In review/, without an .error.json: a worker is filing it this moment, or somebody put it there."
            return Explanation("review", "unknown", place.path, None, why)
        digest, _, revision = str(report.get("id")).partition(":")
        record = self._record(digest)
        decisions = self._decisions(digest, record)
        explanation = Explanation(
            "review",
            "dead",
            place.path,
            datetime.fromisoformat(str(report["failed_at"])) if report.get("failed_at") else None,
            str(report.get("what_happened")),
            (f"a person: {report.get('what_to_do')}",),
            facts={
                **_facts(digest, record),
                **{name: report.get(name) for name in ("claim_id", "code", "where", "attempts")},
                "event_id": event_id(digest, int(revision or 1)),
                "replaced_by": (report.get("replaced_by") or {}).get("id"),
                "decisions": decisions or None,
            },
        )
        if place.where == "discarded":
            return replace(explanation, where="discarded", state="discarded", waits_for=(), **_discarded(decisions))
        if record is None and not self._lookup.is_unreachable:
            return replace(explanation, notes=(_UNKNOWN + " `imr dead-letters redrive` has it read again.",))
        if record is not None and record.state != "dead":
            waits = (f"`imr dead-letters sweep`: a decision made it {record.state}, and its file was not moved yet",)
            return replace(explanation, state=record.state, waits_for=waits)
        return explanation

    def _decisions(self, digest: str, record: Record | None) -> list[dict[str, Any]]:
        if record is None or not record.decisions or not record.entry:
            return []
        return self._lookup.ask(lambda lookup: lookup.decisions(digest, record.entry)) or []


def _gone(record: Record | None, state: str) -> str:
    if record is not None and record.superseded:
        return f"Its file was changed after it was {state}: it is the letter {record.superseded} now."
    return f"Its record says {state}, and its file is not in the share: somebody removed it."


def _facts(digest: str, record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"id": digest}
    return {"id": digest, "letter_state": record.state, "revision": record.revision, "attempts": record.attempts}


def _finished(record: Record | None, claim_id: str) -> dict[str, Any]:
    """For a claim that is not open: no worker began it, or its letter is finished."""
    if record is None or record.state not in ("published", "dead", "discarded"):
        return {"state": "waiting", "sentence": "Claimed; no worker has begun it.", "waits_for": (_HINTED,)}
    if record.claim_id == claim_id:
        what = f"Its outcome is recorded ({record.state})."
        waits_for = "Redis, to have that on its disk, then a worker, to file it"
    else:
        what = f"A copy: the letter of claim {record.claim_id} has the same bytes and is {record.state}."
        waits_for = "a worker, to file it as a duplicate"
    return {"state": record.state, "sentence": what, "waits_for": (waits_for,)}


def _unfinished(claim: OpenClaim, incomplete_s: float) -> dict[str, Any]:
    """For an open claim: a worker began it and has recorded no outcome."""
    left_ms = claim.lease_left_ms
    if left_ms is None and claim.incomplete_ms is not None:
        what = "It is incomplete, like a file that is still being written."
        left_s = max(0.0, incomplete_s - claim.incomplete_ms / 1000)
        until = f"the rest of it; without a change for {left_s:.0f} s more (IMR_INCOMPLETE_SECONDS) it goes to review"
        return {"state": "incomplete", "sentence": what, "waits_for": (until,)}
    if left_ms is None:
        what = "Claimed, to be tried again: something other than the letter failed, or it was redriven."
        return {"state": "retrying", "sentence": what, "waits_for": (_RETRIED,)}
    if left_ms > 0:
        until = f"its worker, whose lease lasts {left_ms / 1000:.0f} s more unless it is extended"
        return {"state": "working", "sentence": "A worker is reading it.", "waits_for": (until,)}
    what = f"Its worker's lease ran out {-left_ms / 1000:.0f} s ago without an outcome: the worker died or hangs."
    return {"state": "orphaned", "sentence": what, "waits_for": ("another worker: the producer sends its hint again",)}


def _discarded(decisions: list[dict[str, Any]]) -> dict[str, Any]:
    """Who discarded a letter, when and why."""
    discards = [decision for decision in decisions if decision.get("action") == "discard"]
    if not discards:
        return {"sentence": f"Discarded by a person. {_UNDO}"}
    last = discards[-1]
    what = f"Discarded by {last.get('decided_by')}: {last.get('reason')}. {_UNDO}"
    return {"sentence": what, "since": datetime.fromisoformat(last["decided_at"])}


def _claimed_at(claim_id: str) -> datetime | None:
    return datetime.fromtimestamp(claimed_at_ms(claim_id) / 1000, UTC) if claim_id else None
