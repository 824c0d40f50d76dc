"""Filing away: a letter whose outcome stands moves from `claimed/` to where the outcome belongs.

Nothing here decides anything; every step may be repeated. What fails is logged and left: the file is still in
`claimed/`, the reaper hints it, BEGIN answers `done`, and it is filed then.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from worker import companions
from worker.contract.event import event_id
from worker.contract.names import EXTRACTED_SUFFIX
from worker.reading import Text, unchanged
from worker.records.model import Naming, Records, State
from worker.spool import Spool
from worker.work import Work

log = logging.getLogger("imr.worker")


class Reads(Protocol):
    """Bytes to text; raises `Unreadable`, or OSError for what is not the letter's fault."""

    def to_text(self, content: bytes) -> Text:
        """The text of a letter."""


class Filing:
    """Moves finished letters of one share."""

    def __init__(self, spool: Spool, records: Records, reader: Reads, zone: tzinfo) -> None:
        self._spool = spool
        self._records = records
        self._reader = reader
        self._zone = zone

    def unchanged(self, work: Work) -> bool:
        """Whether the file is still what was read. Raises OSError where that cannot be told.

        One that could not be read at all counts as unchanged, but for an empty one, which must still be empty.
        """
        if work.taken is not None:
            return unchanged(self._spool.root, work.file.path, work.taken.signature)
        return work.failed is None or work.failed.code != "empty" or self._spool.is_empty(work.file.path)

    def file(self, work: Work, state: State | None, named: Naming, entry: str, event: bytes | None = None) -> None:
        """Put the file where `state` belongs; `event` is its dead letter, if at hand, else entry `entry` has it."""
        try:
            if not self.unchanged(work):
                # Written to after it was read: those bytes are a letter of their own, and the reaper hints them.
                log.warning("changed or moved after reading claim=%s", work.file.claim_id)
            elif state == "published":
                self._mark_replaced(work, entry)
                self._archive(work)
            elif state == "dead":
                self._set_aside(work, named, event or self._records.dead_letter_event(entry))
            elif state == "discarded":
                self._spool.move(work.file.path, work.file.discarded_path())
        except OSError as error:
            log.warning("filing waits claim=%s errno=%s", work.file.claim_id, error.errno)

    def file_duplicate(self, work: Work, state: State | None, entry: str) -> None:
        """Put a further copy of the same bytes beside what became of the first."""
        target = work.file.duplicate_path(self._zone, of_dead_letter=state != "published")
        try:
            if not self.unchanged(work):
                log.warning("changed or moved after reading claim=%s", work.file.claim_id)
                return
            if state == "published":
                self._mark_replaced(work, entry)
            self._spool.move(work.file.path, target)
        except OSError as error:
            log.warning("filing waits claim=%s errno=%s", work.file.claim_id, error.errno)

    def _mark_replaced(self, work: Work, entry: str) -> None:
        """A dead letter of the same name was perhaps corrected by this one: people are told so, where it lies."""
        at = datetime.fromtimestamp(int(entry.partition("-")[0] or 0) / 1000, UTC)
        companions.mark_replaced(self._spool, work.file, event_id(work.lease.digest, work.revision), at)

    def _archive(self, work: Work) -> None:
        target = work.file.archive_path(self._zone)
        text = self._extracted(work)
        if text is not None and text.paged:
            # Spans count characters of this text, which another version of the PDF library may extract differently.
            self._spool.write(target + EXTRACTED_SUFFIX, text.text.encode("utf-8", "surrogatepass"))
        self._spool.move(work.file.path, target)

    def _extracted(self, work: Work) -> Text | None:
        """The text in which the spans count; None if it cannot be had again, which must not keep the letter here."""
        if work.text is not None or work.taken is None:
            return work.text
        try:
            return self._reader.to_text(work.taken.content)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it would be the same next time
            log.warning("filed without its text claim=%s kind=%s", work.file.claim_id, type(error).__name__)
            return None

    def _set_aside(self, work: Work, named: Naming, event: bytes | None) -> None:
        target = work.file.review_path(named)
        if self._spool.exists(target):
            # Somebody put a file there by hand since the name was granted.
            target = work.file.review_path("claim")
        if event is not None:
            companions.lay(self._spool, target, event)
        if not self._spool.move(work.file.path, target):
            # Another worker filed it at the same time, under its other name, with companions of its own.
            companions.take_away(self._spool, target)
