"""The review desk: the dead letters of a share, and what a person can decide about each.

The files in `review/` show which dead letters there are; the records say what was decided about them. A decision is
one script, which writes the audit entry and its effect together; the file is moved afterwards. `sweep` finishes what a
crash left between the two.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal, assert_never

from worker.adapters.share.spool import Spool
from worker.contract.event import RESOLVED, Resolution, encode, event_id, make_event
from worker.contract.names import DISCARDED, REVIEW, ReviewNaming
from worker.operations.dead_items import DeadItem, dead_items, find_dead_item
from worker.processing import sidecars
from worker.processing.records import Record, Records, RecordsUnavailable, Resolve, Resolved

PersonAction = Literal["redrive", "discard", "restore"]
"""The actions of the event that a person decides on."""


class DecisionRefused(Exception):
    """The decision does not fit the state that the letter has by now; nothing was changed."""


class ReviewDesk:
    """Decisions about the dead letters of one share."""

    def __init__(
        self, *, spool: Spool, records: Records, site: str, decided_by: str, wall_clock: Callable[[], datetime]
    ) -> None:
        self._spool = spool
        self._records = records
        self._site = site
        self._decided_by = decided_by
        self._now = wall_clock

    def items(self) -> Iterator[DeadItem]:
        """Every dead letter, discarded ones included."""
        return dead_items(self._spool)

    def find(self, wanted: str) -> DeadItem:
        """The dead letter whose id begins with these characters, or whose claim id it is. Raises `NoSuchDeadLetter`."""
        return find_dead_item(self._spool, wanted)

    def record(self, item: DeadItem) -> Record | None:
        """The letter's record; None if there is none. Raises `RecordsUnavailable`."""
        return self._records.record(item.digest)

    def redrive(self, item: DeadItem, reason: str | None = None) -> str:
        """Have the letter read again as its next revision. Returns its claim id, for the hint to the workers.

        Raises `DecisionRefused` if it is no longer dead or discarded, `RecordsUnavailable`, OSError.
        """
        if self.record(item) is not None:
            self._decide(item, "redrive", reason)
        # Without a record (Redis lost it) nothing can be decided, and the letter is read as a new one.
        self.back_to_claimed(item)
        return item.file.claim_id

    def discard(self, item: DeadItem, reason: str) -> None:
        """Give the letter up; its file is kept in `review/discarded/`. Raises what `redrive` raises."""
        self._decide(item, "discard", reason)
        self._move_with_sidecars(item, item.file.discarded_path())

    def restore(self, item: DeadItem, reason: str | None = None) -> None:
        """Undo a discard: the letter is a dead letter again. Raises what `redrive` raises."""
        resolved = self._decide(item, "restore", reason)
        self._move_with_sidecars(item, item.file.review_path(resolved.named))

    def _decide(self, item: DeadItem, action: PersonAction, reason: str | None) -> Resolved:
        record = self.record(item)
        if record is None:
            raise DecisionRefused(
                f"the letter {item.digest[:12]} has no record in Redis, so nothing was changed; "
                f"`imr dead-letters redrive {item.digest[:12]}` has it read again"
            )
        named: ReviewNaming = "plain" if action == "restore" else record.named
        resolved = self._resolve(self._decision(item, record, action, reason, named))
        if resolved.reply == "taken":
            resolved = self._resolve(self._decision(item, record, action, reason, "claim"))
        if resolved.reply != "resolved":
            raise DecisionRefused(
                f"the letter {item.digest[:12]} is {resolved.state} by now (revision {resolved.revision}), so nothing "
                f"was changed; `imr explain {item.digest[:12]}` says what was decided"
            )
        return resolved

    def _resolve(self, decision: Resolve) -> Resolved:
        try:
            return self._records.resolve(decision)
        except RecordsUnavailable:
            # The decision may have been recorded and only the reply lost: the same call again has the same reply.
            return self._records.resolve(decision)

    def _decision(
        self, item: DeadItem, record: Record, action: PersonAction, reason: str | None, named: ReviewNaming
    ) -> Resolve:
        resolution = Resolution(
            schema_version="1.0",
            action=action,
            reason=reason,
            decided_by=self._decided_by,
            decided_at=self._now(),
            revision=record.revision + (action == "redrive"),
        )
        event = make_event(
            kind=RESOLVED,
            identity=event_id(item.digest, record.revision, record.decisions + 1),
            site=self._site,
            time=self._now(),
            path=_target(item, action, named),
            data=resolution,
        )
        path, token = item.file.review_path(named), secrets.token_hex(8)
        return Resolve(action, item.digest, record.revision, record.decisions, path, encode(event), named, token)

    def sweep(self) -> list[str]:
        """Finish what a crash left half-done. Returns a line for each step. Raises `RecordsUnavailable`, OSError."""
        return [line for item in self.items() for line in self._finish(item)]

    def _finish(self, item: DeadItem) -> Iterator[str]:
        record = self.record(item)
        if record is None and not (self._spool.exists(item.path) or self._spool.exists(item.file.path)):
            sidecars.remove(self._spool, item.path)
            yield f"{item.digest[:12]}: an error file without its letter; removed"
        elif record is None:
            yield (
                f"{item.digest[:12]}: in review/, without a record in Redis; "
                f"`imr dead-letters redrive {item.digest[:12]}` has it read again"
            )
        elif record.state == "discarded" and item.where == "review":
            self._move_with_sidecars(item, item.file.discarded_path())
            yield f"{item.digest[:12]}: was discarded; moved to {REVIEW}/{DISCARDED}/"
        elif record.state == "dead" and item.where == "discarded":
            self._move_with_sidecars(item, item.file.review_path(record.named))
            yield f"{item.digest[:12]}: was restored; moved back to {REVIEW}/"
        elif record.state == "waiting" and self._spool.exists(item.path):
            self.back_to_claimed(item)
            yield f"{item.digest[:12]}: was to be redriven; moved to claimed/"
        elif record.state == "dead" and self._spool.exists(item.file.path):
            return  # a worker is filing it: the error file is written first, then the letter is moved
        elif not self._spool.exists(item.path):
            sidecars.remove(self._spool, item.path)
            yield f"{item.digest[:12]}: an error file without its letter; removed"

    def back_to_claimed(self, item: DeadItem) -> bool:
        """Move the letter to `claimed/` to be read again; whether it is there now. Raises OSError; may be repeated."""
        # The letter first: `sweep` removes an error file without its letter, but could not explain a letter without
        # its error file. A worker may have filed the letter again already: its new sidecar files stay.
        before = self._spool.identity(item.error_path)
        moved = self._spool.move(item.path, item.file.path)
        if self._spool.identity(item.error_path) == before:
            sidecars.remove(self._spool, item.path)
        return moved

    def _move_with_sidecars(self, item: DeadItem, target: str) -> None:
        self._spool.move(item.path, target)
        sidecars.move(self._spool, item.path, target)


def _target(item: DeadItem, action: PersonAction, named: ReviewNaming) -> str:
    """The path to which the decision moves the file."""
    match action:
        case "redrive":
            return item.file.path
        case "discard":
            return item.file.discarded_path()
        case "restore":
            return item.file.review_path(named)
        case _:
            assert_never(action)
