"""From a letter that was read to its verdict: published with what it says, dead with its reason, or to be left alone.

Everything that a letter can do to the program that reads it ends here, in a value.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from worker.adapters.share.spool import Spool
from worker.contract.event import DEAD_LETTERED, PUBLISHED, encode, event_id, make_event
from worker.contract.names import ReviewNaming
from worker.extraction import Text
from worker.letter.model import Determination
from worker.processing import dead_letters
from worker.processing.disposition import Disposition, dispose
from worker.processing.event_size import encode_within
from worker.processing.filing import Filing, Reads
from worker.processing.work_item import Policy, Verdict, Work

log = logging.getLogger("imr.worker")

_CHANGED: Final = Disposition("retry", "changed_while_read", "the file was written to meanwhile")

Determine = Callable[[Text, date], Determination]
"""Text and day of receipt to a determination with its deadlines; raises `LetterError`."""


class Judge:
    """Reads and parses letters; writes nothing."""

    def __init__(
        self,
        *,
        spool: Spool,
        filing: Filing,
        reader: Reads,
        determine: Determine,
        policy: Policy,
        wall_clock: Callable[[], datetime],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._spool = spool
        self._filing = filing
        self._reader = reader
        self._determine = determine
        self._policy = policy
        self._now = wall_clock
        self._is_stopping = is_stopping

    def verdict(self, work: Work, following: Work | None = None) -> Verdict | Disposition:
        """The letter's determination or dead letter; a disposition if it has to wait for something else.

        `following` is the letter that is judged next, if there is one: its text can be read while this one is parsed.
        """
        verdict = self._determined(work, following)
        if isinstance(verdict, Disposition) and verdict.kind in ("retry", "gone"):
            return verdict
        changed = self._changed(work)
        if changed is not None or isinstance(verdict, Verdict) or verdict.kind == "unwhole":
            return changed or verdict
        if verdict.kind == "ours":
            log.error("letter failed claim=%s code=%s kind=%s", work.file.claim_id, verdict.code, verdict.message)
        return self.refused(work, verdict)

    def refused(self, work: Work, why: Disposition, named: ReviewNaming | None = None) -> Verdict | Disposition:
        """The letter's dead letter, once nothing is waited for any more.

        One that cannot be made with everything it should say is made with its code alone. Where that fails too, the
        letter stays in `claimed/` for the reaper; the other letters of the batch do not wait for it.
        """
        work.failed = why
        try:
            return self._dead(work, why, named)
        except Exception as error:  # noqa: BLE001 - a dead letter of its own must not stop those behind it
            self._log_failed(work, error)
        try:
            return self._dead(work, dead_letters.by_code(why.code), named)
        except Exception as error:  # noqa: BLE001 - the same
            self._log_failed(work, error)
            return Disposition("retry", dead_letters.INTERNAL, type(error).__name__)

    def _log_failed(self, work: Work, error: Exception) -> None:
        log.error("dead letter cannot be made claim=%s kind=%s", work.file.claim_id, type(error).__name__)

    def _determined(self, work: Work, following: Work | None) -> Verdict | Disposition:
        content = work.to_read
        if content is None:
            return work.failed or dispose(RuntimeError())
        try:
            work.text = self._reader.to_text(content, following.to_read if following is not None else None)
            return self._published(work, work.text)
        except BaseException as error:
            # Whatever ends here would end the worker; but a worker that is told to end has to.
            if isinstance(error, SystemExit | KeyboardInterrupt) and self._is_stopping():
                raise
            return dispose(error)

    def _changed(self, work: Work) -> Disposition | None:
        """Why the letter has to wait although it was read: its file is another by now, or cannot be looked at."""
        try:
            return None if self._filing.unchanged(work) else _CHANGED
        except OSError as error:
            return dispose(error)

    def _published(self, work: Work, text: Text) -> Verdict:
        told = self._determine(text, work.received_on(self._policy.zone))
        event = make_event(
            kind=PUBLISHED,
            identity=event_id(work.lease.digest, work.revision),
            site=self._policy.site,
            time=self._now(),
            path=work.file.archive_path(self._policy.zone),
            data=told,
        )
        return Verdict(work, "published", "", encode_within(event))

    def _dead(self, work: Work, why: Disposition, named: ReviewNaming | None) -> Verdict:
        """The letter's dead letter; without `named` its own name is wanted in `review/`, if no file has it."""
        if named is None:
            named = "claim" if self._spool.exists(work.file.review_path("plain")) else "plain"
        told = dead_letters.make_dead_letter(
            why,
            attempts=work.attempts,
            claim_id=work.file.claim_id,
            received_on=work.received_on(self._policy.zone),
            failed_at=self._now(),
            size_bytes=len(work.taken.content) if work.taken else None,
        )
        event = make_event(
            kind=DEAD_LETTERED,
            identity=event_id(work.lease.digest, work.revision),
            site=self._policy.site,
            time=self._now(),
            path=work.file.review_path(named),
            data=told,
        )
        return Verdict(work, "dead", why.code, encode(event), named)
