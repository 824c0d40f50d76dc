"""A letter that was claimed: being worked on, published, in review, given up, or a copy of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from worker.adapters.redis.lookup import OpenClaim
from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import read_file
from worker.adapters.share.spool import Spool
from worker.contract.claim_ids import claimed_at_ms
from worker.contract.event import event_id
from worker.operations.locate.answer import Explanation, NotFound, Redis
from worker.operations.locate.inbox import InboxRules
from worker.operations.locate.places import Finder, Place
from worker.processing.records import Record
from worker.processing.work_item import letter_id

_HINTED: Final = "a worker: it is hinted again every IMR_HINT_TIMEOUT_SECONDS until one takes it"
_AGAIN: Final = "another try: each after twice the pause before, at most IMR_RETRY_MAX_SECONDS"
_UNDO: Final = "`imr dead-letters discard ID --undo` brings it back."
_UNKNOWN: Final = "The records do not know it: Redis was emptied, restored, or is another one."


class Letters:
    """Answers for claimed letters of one share."""

    def __init__(self, spool: Spool, finder: Finder, records: Redis, rules: InboxRules) -> None:
        self._spool = spool
        self._finder = finder
        self._redis = records
        self._rules = rules

    def answer(self, place: Place) -> Explanation:
        """Where the letter at `place` is on its way."""
        match place.where:
            case "claimed":
                answer = self._claimed(place)
            case "archive":
                answer = self._archived(place)
            case "duplicates":
                answer = self._duplicate(place)
            case _:
                answer = self._reviewed(place)
        facts = {"claim_id": place.claim_id, **answer.facts}
        return replace(answer, notes=(*answer.notes, *self._redis.notes()), facts=facts)

    def nowhere(self, digest: str) -> Explanation:
        """A letter that the records know and whose file is not where it should be."""
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
        return self._redis.ask(lambda lookup: lookup.record(digest))

    def _digest(self, place: Place) -> str:
        """The letter's id, from its bytes; one that cannot be read is known by its claim."""
        try:
            return read_file(self._spool.root, place.path, max_bytes=self._rules.max_letter_bytes).digest
        except Gone as error:
            raise NotFound("it was moved while we looked; ask again") from error
        except Unreadable:
            return letter_id(place.claim_id or "", None)

    def _claimed(self, place: Place) -> Explanation:
        claim_id = place.claim_id or ""
        since = _claimed_at(claim_id)
        claim = self._redis.ask(lambda lookup: lookup.open_claim(claim_id))
        digest = claim.digest if claim is not None else self._digest(place)
        record = self._record(digest)
        if self._redis.is_away:
            what = "Claimed; what a worker makes of it only the records tell."
            return Explanation("claimed", "claimed", place.path, since, what, facts=_facts(digest, record))
        told = _finished(record, claim_id) if claim is None else _unfinished(claim, self._rules.incomplete_s)
        return Explanation("claimed", path=place.path, since=since, facts=_facts(digest, record), **told)

    def _archived(self, place: Place) -> Explanation:
        digest = self._digest(place)
        record = self._record(digest)
        event = self._event(record)
        since = datetime.fromisoformat(event["time"]) if event is not None else _claimed_at(place.claim_id or "")
        notes: tuple[str, ...] = ()
        if record is None and not self._redis.is_away:
            notes = (_UNKNOWN,)
        elif record is not None and event is None and not self._redis.is_away:
            notes = ("Its entry was trimmed from the stream.",)
        facts = {"event_id": event["id"] if event else None, "entry": record.entry if record else None}
        facts = {**_facts(digest, record), **facts}
        return Explanation(
            "archive", "published", place.path, since, "Published and filed away.", notes=notes, facts=facts
        )

    def _event(self, record: Record | None) -> dict[str, Any] | None:
        """The event of a published letter."""
        if record is None or record.state != "published":
            return None
        return self._redis.ask(lambda lookup: lookup.event(record.entry))

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
            "A further copy of a letter that came before, byte for byte; nothing more comes of it.",
            facts={**_facts(digest, record), **facts},
        )

    def _reviewed(self, place: Place) -> Explanation:
        told = self._finder.told(place)
        if not told:
            why = "In review/, without an .error.json: it is being filed this moment, or somebody put it there."
            return Explanation("review", "unknown", place.path, None, why)
        digest, _, revision = str(told.get("id")).partition(":")
        record = self._record(digest)
        decisions = self._decisions(digest, record)
        answer = Explanation(
            "review",
            "dead",
            place.path,
            datetime.fromisoformat(str(told["failed_at"])) if told.get("failed_at") else None,
            str(told.get("what_happened")),
            (f"a person: {told.get('what_to_do')}",),
            facts={
                **_facts(digest, record),
                **{name: told.get(name) for name in ("claim_id", "code", "where", "attempts")},
                "event_id": event_id(digest, int(revision or 1)),
                "replaced_by": (told.get("replaced_by") or {}).get("id"),
                "decisions": decisions or None,
            },
        )
        if place.where == "discarded":
            return replace(answer, where="discarded", state="discarded", waits_for=(), **_last(decisions))
        if record is None and not self._redis.is_away:
            return replace(answer, notes=(_UNKNOWN + " `imr dead-letters redrive` has it read again.",))
        if record is not None and record.state != "dead":
            waits = (f"`imr dead-letters sweep`: it was decided about, is {record.state}, and its file was not moved",)
            return replace(answer, state=record.state, waits_for=waits)
        return answer

    def _decisions(self, digest: str, record: Record | None) -> list[dict[str, Any]]:
        if record is None or not record.decisions or not record.entry:
            return []
        return self._redis.ask(lambda lookup: lookup.decisions(digest, record.entry)) or []


def _gone(record: Record | None, state: str) -> str:
    if record is not None and record.superseded:
        return f"Its file was written to after it was {state}: it is the letter {record.superseded} now."
    return f"The records know it as {state}, and its file is not in the share: somebody took it away."


def _facts(digest: str, record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"id": digest}
    return {"id": digest, "letter_state": record.state, "revision": record.revision, "attempts": record.attempts}


def _finished(record: Record | None, claim_id: str) -> dict[str, Any]:
    """Of a claim that is not open: nobody began it, or its letter is finished."""
    if record is None or record.state not in ("published", "dead", "discarded"):
        return {"state": "waiting", "sentence": "Claimed, and not begun.", "waits_for": (_HINTED,)}
    if record.claim_id == claim_id:
        what = f"Its outcome stands ({record.state})."
        waits_for = "Redis, to have that on its disk, and a worker, to file it away"
    else:
        what = f"Its bytes are known: the letter of claim {record.claim_id} is {record.state}."
        waits_for = "a worker, to file it as a duplicate"
    return {"state": record.state, "sentence": what, "waits_for": (waits_for,)}


def _unfinished(claim: OpenClaim, incomplete_s: float) -> dict[str, Any]:
    """Of an open claim."""
    left_ms = claim.lease_left_ms
    if left_ms is None and claim.incomplete_ms is not None:
        what = "It breaks off before its end, as a file does that is still being written."
        left_s = max(0.0, incomplete_s - claim.incomplete_ms / 1000)
        until = f"its end; without a change for {left_s:.0f} s more (IMR_INCOMPLETE_SECONDS) it goes to review"
        return {"state": "incomplete", "sentence": what, "waits_for": (until,)}
    if left_ms is None:
        what = "Claimed; given back untried, because something other than the letter failed, or redriven."
        return {"state": "retrying", "sentence": what, "waits_for": (_AGAIN,)}
    if left_ms > 0:
        until = f"its worker, which has it for {left_ms / 1000:.0f} s more unless it prolongs that"
        return {"state": "working", "sentence": "A worker has it.", "waits_for": (until,)}
    what = f"Its worker's time ran out {-left_ms / 1000:.0f} s ago without an outcome: it died, or stands still."
    return {"state": "orphaned", "sentence": what, "waits_for": ("another worker: the reaper hints it again",)}


def _last(decisions: list[dict[str, Any]]) -> dict[str, Any]:
    """How a letter was given up."""
    given_up = [one for one in decisions if one.get("action") == "discard"]
    if not given_up:
        return {"sentence": f"Given up by a person. {_UNDO}"}
    one = given_up[-1]
    what = f"Given up by {one.get('decided_by')}: {one.get('reason')}. {_UNDO}"
    return {"sentence": what, "since": datetime.fromisoformat(one["decided_at"])}


def _claimed_at(claim_id: str) -> datetime | None:
    return datetime.fromtimestamp(claimed_at_ms(claim_id) / 1000, UTC) if claim_id else None
