"""The review desk: every dead letter of a share, and the decisions a person can take about one.

The files in `review/` are what is there; the records say what was decided. A decision is one script (audit entry and
effect together), and the file follows; whatever a crash leaves between the two is finished by `sweep`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

import orjson

from worker.adapters.share.spool import ClaimedFile, Spool
from worker.contract.claim_ids import is_claim_id, split_claimed_name
from worker.contract.event import RESOLVED, Action, Resolution, encode, event_id, make_event
from worker.contract.names import DISCARDED, ERROR_SUFFIX, REVIEW, ReviewNaming
from worker.processing import sidecars
from worker.processing.records import Record, Records, RecordsUnavailable, Resolve, Resolved

log = logging.getLogger("imr.review")

MIN_ID_CHARS: Final = 6
"""Shorter beginnings of an id are refused: a slip of a digit would find another letter."""

Where = Literal["review", "discarded"]


class NoSuchDeadLetter(Exception):
    """No dead letter, or more than one, has an id that begins like this."""


class DecisionRefused(Exception):
    """The decision does not fit what was decided before; nothing was changed."""


@dataclass(frozen=True, slots=True)
class DeadItem:
    """A dead letter as it lies in `review/`."""

    digest: str
    error_path: str
    """Path of its `.error.json`, relative to the share."""
    where: Where
    file: ClaimedFile
    told: dict[str, Any]
    """What the `.error.json` says."""

    @property
    def path(self) -> str:
        """Path of the letter itself."""
        return self.error_path.removesuffix(ERROR_SUFFIX)

    @property
    def replaced_by(self) -> str:
        """Id of the event of a later file of its name that was published; empty if there is none."""
        by = self.told.get("replaced_by")
        return str(by.get("id", "")) if isinstance(by, dict) else ""


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
        """Every dead letter, discarded ones included; an `.error.json` that is not ours is left out."""
        for path in self._spool.error_files():
            item = _item(path, self._told(path))
            if item is not None:
                yield item

    def _told(self, path: str) -> dict[str, Any]:
        try:
            told = orjson.loads(self._spool.read(path))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", told) if isinstance(told, dict) else {}

    def find(self, wanted: str) -> DeadItem:
        """The dead letter whose id (or claim id) begins so. Raises `NoSuchDeadLetter`."""
        if len(wanted) < MIN_ID_CHARS:
            raise NoSuchDeadLetter(f"give at least {MIN_ID_CHARS} characters of the id")
        start = wanted.partition(":")[0].lower()
        found = [one for one in self.items() if one.digest.startswith(start) or one.file.claim_id == start]
        if len(found) != 1:
            raise NoSuchDeadLetter(f"{len(found) or 'no'} dead letters have an id that begins with {start}")
        return found[0]

    def record(self, item: DeadItem) -> Record | None:
        """What the records say about it; None if they know nothing. Raises `RecordsUnavailable`."""
        return self._records.record(item.digest)

    def redrive(self, item: DeadItem, reason: str | None = None) -> str:
        """Have the letter tried again as its next revision; its claim id, to be hinted.

        Raises `DecisionRefused` if it is not dead or discarded (any more), `RecordsUnavailable`, OSError.
        """
        if self.record(item) is not None:
            self._decide(item, "redrive", reason)
        # Without a record (Redis was lost) there is nothing to decide against: the letter starts from the beginning.
        self.back_to_claimed(item)
        return item.file.claim_id

    def discard(self, item: DeadItem, reason: str) -> None:
        """Give the letter up; the file is kept in `review/discarded/`. Raises as `redrive`."""
        self._decide(item, "discard", reason)
        self._put(item, item.file.discarded_path())

    def restore(self, item: DeadItem, reason: str | None = None) -> None:
        """Undo a discard: the letter is a dead letter again. Raises as `redrive`."""
        answer = self._decide(item, "restore", reason)
        self._put(item, item.file.review_path(answer.named))

    def _decide(self, item: DeadItem, action: Action, reason: str | None) -> Resolved:
        record = self.record(item)
        if record is None:
            raise DecisionRefused("the records know nothing of this letter; redrive it to have it read again")
        named: ReviewNaming = "plain" if action == "restore" else record.named
        answer = self._resolve(self._decision(item, record, action, reason, named))
        if answer.reply == "taken":
            answer = self._resolve(self._decision(item, record, action, reason, "claim"))
        if answer.reply != "resolved":
            raise DecisionRefused(f"the letter is {answer.state} at revision {answer.revision}: nothing was changed")
        return answer

    def _resolve(self, decision: Resolve) -> Resolved:
        try:
            return self._records.resolve(decision)
        except RecordsUnavailable:
            # It may have been taken, and only the reply lost: the same call once more has the same answer.
            return self._records.resolve(decision)

    def _decision(
        self, item: DeadItem, record: Record, action: Action, reason: str | None, named: ReviewNaming
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
        """Finish what a crash left half-done; what was done, a line each. Raises `RecordsUnavailable`, OSError."""
        return [line for item in self.items() for line in self._finish(item)]

    def _finish(self, item: DeadItem) -> Iterator[str]:
        record = self.record(item)
        if record is None and not (self._spool.exists(item.path) or self._spool.exists(item.file.path)):
            sidecars.remove(self._spool, item.path)
            yield f"{item.digest[:12]}: an error file without its letter; removed"
        elif record is None:
            yield f"{item.digest[:12]}: in review/, but unknown to the records; redrive it to have it read again"
        elif record.state == "discarded" and item.where == "review":
            self._put(item, item.file.discarded_path())
            yield f"{item.digest[:12]}: was discarded; moved to {REVIEW}/{DISCARDED}/"
        elif record.state == "dead" and item.where == "discarded":
            self._put(item, item.file.review_path(record.named))
            yield f"{item.digest[:12]}: was restored; moved back to {REVIEW}/"
        elif record.state == "waiting" and self._spool.exists(item.path):
            self.back_to_claimed(item)
            yield f"{item.digest[:12]}: was to be redriven; moved to claimed/"
        elif record.state == "dead" and self._spool.exists(item.file.path):
            return  # a worker is filing it: the error file is written first, the letter follows
        elif not self._spool.exists(item.path):
            sidecars.remove(self._spool, item.path)
            yield f"{item.digest[:12]}: an error file without its letter; removed"

    def back_to_claimed(self, item: DeadItem) -> bool:
        """Have the letter read again: whether it is in `claimed/`. Raises OSError; may be repeated."""
        # The letter first: an error file without its letter is swept, a letter without its error file is a riddle.
        # A worker may have it back here already: companions that it laid are of its verdict, and stay.
        stale = self._spool.identity(item.error_path)
        moved = self._spool.move(item.path, item.file.path)
        if self._spool.identity(item.error_path) == stale:
            sidecars.remove(self._spool, item.path)
        return moved

    def _put(self, item: DeadItem, target: str) -> None:
        self._spool.move(item.path, target)
        sidecars.move(self._spool, item.path, target)


def _target(item: DeadItem, action: Action, named: ReviewNaming) -> str:
    """Where the decision takes the file."""
    if action == "redrive":
        return item.file.path
    return item.file.discarded_path() if action == "discard" else item.file.review_path(named)


def _item(path: str, told: dict[str, Any]) -> DeadItem | None:
    digest, claim_id = str(told.get("id", "")).partition(":")[0], str(told.get("claim_id", ""))
    if not digest or not is_claim_id(claim_id):
        return None
    folder, _, stored = path.removesuffix(ERROR_SUFFIX).removeprefix(REVIEW + "/").rpartition("/")
    split = split_claimed_name(stored)
    name = split[1] if split is not None and split[0] == claim_id else stored
    discarded = folder == DISCARDED or folder.startswith(DISCARDED + "/")
    # A letter from an inbox folder named `discarded` is not discarded: those carry their claim id.
    where: Where = "discarded" if discarded and name != stored else "review"
    if where == "discarded":
        folder = folder[len(DISCARDED) + 1 :]
    return DeadItem(digest, path, where, ClaimedFile(claim_id, folder, name), told)
