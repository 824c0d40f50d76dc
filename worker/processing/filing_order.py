"""What a finished letter takes along when it leaves `claimed/`, put together while its bytes are at hand.

A letter is filed away only once its outcome is on disk, which can be a second later and in another thread. A departure
holds all that is needed then; it reads no record any more and extracts no text.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from worker.adapters.share.safe_read import Signature
from worker.adapters.share.spool import ClaimedFile
from worker.contract.event import DEAD_LETTERED, encode, event_id, make_event
from worker.contract.names import ReviewNaming
from worker.extraction import Text
from worker.processing import dead_letters
from worker.processing.records import Records, State, copy_outcome, own_outcome
from worker.processing.work_item import Policy, Work

log = logging.getLogger("imr.worker")


class Reads(Protocol):
    """Bytes to text; raises `Unreadable`, or OSError for what is not the letter's fault."""

    def to_text(self, content: bytes, following: bytes | None = None) -> Text:
        """The text of a letter; `following`, what is asked for next, may be begun meanwhile."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A finished letter on its way out of `claimed/`."""

    file: ClaimedFile
    signature: Signature | None
    """How the file looked when it was read; None for one that could not be read."""
    must_be_empty: bool
    finished_as: str
    """As it stands in the records (`own_outcome`, `copy_outcome`)."""
    target: str
    spare: str | None = None
    """Dead letters: where to, if a file has the name `target` by then."""
    extracted: bytes | None = None
    """Published letters with pages: the text in which the spans count."""
    dead_letter: bytes | None = None
    """Dead letters: the event."""
    published: tuple[str, datetime] | None = None
    """Published letters: id and time of the event."""

    @property
    def has_companions(self) -> bool:
        """Whether something is written beside it."""
        return self.extracted is not None or self.dead_letter is not None


class Departures:
    """Puts departures together; on the thread that reads."""

    def __init__(self, records: Records, reader: Reads, policy: Policy) -> None:
        self._records = records
        self._reader = reader
        self._policy = policy

    def of_letter(
        self, work: Work, state: State | None, named: ReviewNaming, entry: str, event: bytes | None = None
    ) -> Departure:
        """Of a letter that is finished; `event` is its dead letter, if at hand, else entry `entry` has it.

        Raises `RecordsUnavailable`, OSError.
        """
        file, outcome = work.file, own_outcome(work.lease.digest, work.revision)
        if state == "dead":
            dead_letter = event or self._dead_letter(work, named, entry)
            target, spare = file.review_path(named), file.review_path("claim")
            return _departure(work, outcome, target, spare=spare, dead_letter=dead_letter)
        if state == "discarded":
            return _departure(work, outcome, file.discarded_path())
        target = file.archive_path(self._policy.zone)
        return _departure(work, outcome, target, extracted=self._extracted(work), published=_told(work, entry))

    def of_copy(self, work: Work, state: State | None, entry: str) -> Departure:
        """Of a further copy of the same bytes, which goes beside what became of the first."""
        target = work.file.duplicate_path(self._policy.zone, of_dead_letter=state != "published")
        published = _told(work, entry) if state == "published" else None
        return _departure(work, copy_outcome(work.lease.digest), target, published=published)

    def _dead_letter(self, work: Work, named: ReviewNaming, entry: str) -> bytes:
        """The event of a dead letter that was finished before; put together anew if its entry was trimmed."""
        found = self._records.dead_letter_event(entry)
        if found is not None:
            return found
        record = self._records.record(work.lease.digest)
        told = dead_letters.remade(
            code=record.code if record is not None else "",
            attempts=record.attempts if record is not None else work.attempts,
            claim_id=work.file.claim_id,
            received_on=work.received_on(self._policy.zone),
            failed_at=_time_of(entry),
            size_bytes=len(work.taken.content) if work.taken else None,
        )
        event = make_event(
            kind=DEAD_LETTERED,
            identity=event_id(work.lease.digest, work.revision),
            site=self._policy.site,
            time=_time_of(entry),
            path=work.file.review_path(named),
            data=told,
        )
        return encode(event)

    def _extracted(self, work: Work) -> bytes | None:
        """The text in which the spans count; None for plain text, and if it cannot be had again.

        Another version of the PDF library may extract it differently. That it cannot be had must not keep the letter.
        """
        text = work.text
        if text is None and work.taken is not None:
            try:
                text = self._reader.to_text(work.taken.content)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it would be the same next time
                log.warning("filed without its text claim=%s kind=%s", work.file.claim_id, type(error).__name__)
        return text.text.encode("utf-8", "surrogatepass") if text is not None and text.paged else None


def _departure(
    work: Work,
    outcome: str,
    target: str,
    *,
    spare: str | None = None,
    extracted: bytes | None = None,
    dead_letter: bytes | None = None,
    published: tuple[str, datetime] | None = None,
) -> Departure:
    signature = work.taken.signature if work.taken is not None else None
    return Departure(
        work.file, signature, must_be_empty(work), outcome, target, spare, extracted, dead_letter, published
    )


def must_be_empty(work: Work) -> bool:
    """Whether the file was refused for being empty: it has no signature, but must still be so."""
    return work.taken is None and work.failed is not None and work.failed.code == "empty"


def _told(work: Work, entry: str) -> tuple[str, datetime]:
    return event_id(work.lease.digest, work.revision), _time_of(entry)


def _time_of(entry: str) -> datetime:
    """When an entry was added to its stream, by the server's clock."""
    return datetime.fromtimestamp(int(entry.partition("-")[0] or 0) / 1000, UTC)
