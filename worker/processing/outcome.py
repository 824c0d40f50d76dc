"""From a letter that was read to its outcome: published with what it says, or dead with the reason.

Everything that a letter can do to the program that reads it ends here, in a value.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from worker.adapters.share.spool import Spool
from worker.contract.event import DEAD_LETTERED, PUBLISHED, encode, event_id, make_event
from worker.contract.names import ReviewNaming
from worker.extraction import Text
from worker.processing import dead_letters
from worker.processing.disposition import Disposition, dispose, dispose_unless_stopping
from worker.processing.event_size import encode_within
from worker.processing.filing import is_unchanged
from worker.processing.ports import Determine, TextPort
from worker.processing.records import FinalState, Finish
from worker.processing.work_item import ProcessingLimits, WorkItem

log = logging.getLogger("imr.worker")

_CHANGED: Final = Disposition("retry", "changed_while_read", "the file was written to meanwhile")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker found out about a letter, ready to be recorded and published."""

    item: WorkItem
    state: FinalState
    code: str
    event: bytes
    named: ReviewNaming = "plain"
    refusal: Disposition | None = None
    """Dead letters: the reason."""
    text: Text | None = None
    """Published letters: the text in which the spans count."""
    earlier: str = ""
    """Id of the event about the file's earlier bytes, once that is closed."""
    supersedes: bool = False
    """Whether the event says that it replaces `earlier`."""

    def request(self) -> Finish:
        """The outcome as FINISH takes it."""
        path = self.item.file.review_path(self.named) if self.state == "dead" else None
        return Finish(
            lease=self.item.lease,
            revision=self.item.revision,
            outcome=self.state,
            code=self.code,
            event=self.event,
            named=self.named,
            review_path=path,
            earlier=self.earlier,
        )


class OutcomeBuilder:
    """Extracts text and parses letters; writes nothing."""

    def __init__(
        self,
        *,
        spool: Spool,
        extractor: TextPort,
        determine: Determine,
        limits: ProcessingLimits,
        wall_clock: Callable[[], datetime],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`is_stopping`: whether a SystemExit means that this process was asked to end, and is no error of a step."""
        self._spool = spool
        self._extractor = extractor
        self._determine = determine
        self._limits = limits
        self._now = wall_clock
        self._is_stopping = is_stopping

    def build(self, item: WorkItem, following: WorkItem | None = None) -> Outcome | Disposition:
        """The letter's outcome; a disposition of kind `retry`, `gone` or `incomplete` if it has to wait.

        `following` is the letter that is decided next, if there is one: its text can be extracted meanwhile.
        """
        built = self._determined(item, following)
        if isinstance(built, Disposition) and built.kind in ("retry", "gone"):
            return built
        change = self._change(item)
        if change is not None or isinstance(built, Outcome):
            return change or built
        match built.kind:
            case "incomplete" | "retry" | "gone":
                return built
            case "internal":
                log.error("letter failed claim=%s code=%s kind=%s", item.claim_id, built.code, built.message)
                return self.refuse(item, built)
            case "review":
                return self.refuse(item, built)
            case _:
                assert_never(built.kind)

    def refuse(self, item: WorkItem, why: Disposition, named: ReviewNaming | None = None) -> Outcome | Disposition:
        """The letter's dead letter; without `named` its own name is wanted in `review/`, if no file has it.

        A dead letter that cannot be made with everything it should say is made with its code alone. Where that fails
        too, the letter stays in `claimed/` for the reaper; the other letters of the batch do not wait for it.
        """
        try:
            return self._dead(item, why, named)
        except Exception as error:  # noqa: BLE001 - must not stop the letters behind it
            _log_failure(item, error)
        try:
            return self._dead(item, dead_letters.by_code(why.code), named)
        except Exception as error:  # noqa: BLE001 - the same
            _log_failure(item, error)
            return Disposition("retry", dead_letters.INTERNAL, type(error).__name__)

    def _determined(self, item: WorkItem, following: WorkItem | None) -> Outcome | Disposition:
        if item.to_extract is None:
            return item.refusal or dispose(ValueError("a letter without bytes and without a reason"))
        try:
            text = self._extractor.to_text(item.to_extract, following.to_extract if following is not None else None)
            return self._published(item, text)
        except BaseException as error:  # noqa: BLE001 - whatever ends here would end the worker
            return dispose_unless_stopping(error, self._is_stopping)

    def _change(self, item: WorkItem) -> Disposition | None:
        """Why the letter has to wait although it was read: its file was changed, or cannot be looked at."""
        signature = item.content.signature if item.content is not None else None
        try:
            same = is_unchanged(self._spool, item.file, signature, must_be_empty=item.must_be_empty)
        except OSError as error:
            return dispose(error)
        return None if same else _CHANGED

    def _published(self, item: WorkItem, text: Text) -> Outcome:
        determination = self._determine(text, item.received_on(self._limits.zone))
        event = make_event(
            kind=PUBLISHED,
            identity=event_id(item.lease.digest, item.revision),
            site=self._limits.site,
            time=self._now(),
            path=item.file.archive_path(self._limits.zone),
            data=determination,
        )
        return Outcome(item, "published", "", encode_within(event), text=text)

    def _dead(self, item: WorkItem, why: Disposition, named: ReviewNaming | None) -> Outcome:
        if named is None:
            named = "claim" if self._spool.exists(item.file.review_path("plain")) else "plain"
        dead_letter = dead_letters.make_dead_letter(
            why,
            attempts=item.attempts,
            claim_id=item.claim_id,
            received_on=item.received_on(self._limits.zone),
            failed_at=self._now(),
            size_bytes=item.size_bytes,
        )
        event = make_event(
            kind=DEAD_LETTERED,
            identity=event_id(item.lease.digest, item.revision),
            site=self._limits.site,
            time=self._now(),
            path=item.file.review_path(named),
            data=dead_letter,
        )
        return Outcome(item, "dead", why.code, encode(event), named, refusal=why)


def _log_failure(item: WorkItem, error: Exception) -> None:
    log.error("dead letter cannot be made claim=%s kind=%s", item.claim_id, type(error).__name__)
