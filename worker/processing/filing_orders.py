"""From a recorded outcome to the filing order, put together while the bytes of the letter are at hand."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.contract.event import DEAD_LETTERED, encode, event_id, make_event
from worker.contract.names import ReviewNaming
from worker.extraction import Text
from worker.processing import dead_letters
from worker.processing.filing import FilingOrder
from worker.processing.ports import TextPort
from worker.processing.records import Records, State, copy_outcome, own_outcome
from worker.processing.work_item import ProcessingLimits, WorkItem

log = logging.getLogger("imr.worker")


@dataclass(frozen=True, slots=True)
class RecordedLetter:
    """A letter whose outcome is recorded, by this worker or by an earlier one, and whose file is still claimed."""

    item: WorkItem
    state: State | None
    """Of the letter; for a copy, of the letter that it is a copy of."""
    named: ReviewNaming
    entry: str
    """Id of its stream entry."""
    is_copy: bool = False
    """Whether the file is a further copy of bytes that were finished under another claim."""
    event: bytes | None = None
    """The event, if this worker made it; else the stream entry has it."""
    text: Text | None = None
    """The extracted text, if this worker extracted it."""


class FilingOrders:
    """Makes filing orders, on the thread that extracts text."""

    def __init__(self, records: Records, extractor: TextPort, limits: ProcessingLimits) -> None:
        self._records = records
        self._extractor = extractor
        self._limits = limits

    def order_for(self, letter: RecordedLetter) -> FilingOrder:
        """The order for a letter or a copy. Raises `RecordsUnavailable`, OSError."""
        if letter.is_copy:
            return self._for_copy(letter)
        match letter.state:
            case "dead":
                return self._for_dead_letter(letter)
            case "discarded":
                return _order(letter, target=letter.item.file.discarded_path())
            case "published":
                return self._for_published(letter)
            case _:
                raise ValueError(f"a letter with the state {letter.state} has no place to go to")

    def _for_published(self, letter: RecordedLetter) -> FilingOrder:
        return _order(
            letter,
            target=letter.item.file.archive_path(self._limits.zone),
            extracted=self._extracted(letter),
            published=_identity(letter),
        )

    def _for_dead_letter(self, letter: RecordedLetter) -> FilingOrder:
        file = letter.item.file
        return _order(
            letter,
            target=file.review_path(letter.named),
            fallback=file.review_path("claim"),
            dead_letter=letter.event or self._dead_letter(letter),
        )

    def _for_copy(self, letter: RecordedLetter) -> FilingOrder:
        """A further copy of the same bytes goes beside what became of the first."""
        is_published = letter.state == "published"
        return _order(
            letter,
            target=letter.item.file.duplicate_path(self._limits.zone, of_dead_letter=not is_published),
            published=_identity(letter) if is_published else None,
        )

    def _dead_letter(self, letter: RecordedLetter) -> bytes:
        """The event of a dead letter that was finished before; made again from its record if its entry was trimmed."""
        event = self._records.dead_letter_event(letter.entry)
        return event if event is not None else self._remade(letter)

    def _remade(self, letter: RecordedLetter) -> bytes:
        item, failed_at = letter.item, _time_of(letter.entry)
        record = self._records.record(item.lease.digest)
        dead_letter = dead_letters.make_dead_letter(
            dead_letters.by_code(record.code if record is not None else ""),
            attempts=record.attempts if record is not None else item.attempts,
            claim_id=item.claim_id,
            received_on=item.received_on(self._limits.zone),
            failed_at=failed_at,
            size_bytes=item.size_bytes,
        )
        event = make_event(
            kind=DEAD_LETTERED,
            identity=event_id(item.lease.digest, item.revision),
            site=self._limits.site,
            time=failed_at,
            path=item.file.review_path(letter.named),
            data=dead_letter,
        )
        return encode(event)

    def _extracted(self, letter: RecordedLetter) -> bytes | None:
        """The text in which the spans count; None for plain text, and if it cannot be extracted again.

        Another version of the PDF library may extract it differently. That must not keep the letter from the archive.
        """
        text, item = letter.text, letter.item
        if text is None and item.content is not None:
            try:
                text = self._extractor.to_text(item.content.content)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it would be the same next time
                log.warning("archived without its text claim=%s kind=%s", item.claim_id, type(error).__name__)
        return text.text.encode("utf-8", "surrogatepass") if text is not None and text.paged else None


def _order(letter: RecordedLetter, *, target: str, **more: Any) -> FilingOrder:
    item = letter.item
    digest = item.lease.digest
    return FilingOrder(
        file=item.file,
        signature=item.content.signature if item.content is not None else None,
        must_be_empty=item.must_be_empty,
        finished_as=copy_outcome(digest) if letter.is_copy else own_outcome(digest, item.revision),
        target=target,
        **more,
    )


def _identity(letter: RecordedLetter) -> tuple[str, datetime]:
    """Id and time of the letter's event."""
    return event_id(letter.item.lease.digest, letter.item.revision), _time_of(letter.entry)


def _time_of(entry: str) -> datetime:
    """When an entry was added to its stream, by the server's clock."""
    return datetime.fromtimestamp(int(entry.partition("-")[0] or 0) / 1000, UTC)
