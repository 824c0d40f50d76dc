"""A file that changed after its result was published but before it was archived.

Its final bytes are a letter of their own, and the earlier result no longer holds: the event of the final bytes says
what it replaces (`supersedes`), and a dead letter of the earlier bytes is closed by a resolution, because no file holds
them any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from worker.adapters.share.spool import ClaimedFile
from worker.contract.event import RESOLVED, Resolution, encode, event_id, make_event, superseding
from worker.processing.outcome import Outcome
from worker.processing.records import Lease, Record, Records, Resolve
from worker.processing.work_item import ProcessingLimits

log = logging.getLogger("imr.worker")

DECIDED_BY = "imr-worker"


class Superseder:
    """Closes the earlier result of a file."""

    def __init__(self, records: Records, limits: ProcessingLimits, wall_clock: Callable[[], datetime]) -> None:
        self._records = records
        self._limits = limits
        self._now = wall_clock

    def superseding(self, outcome: Outcome, earlier: str) -> Outcome:
        """The outcome, after the event `earlier` of the same file's earlier bytes is superseded by it.

        Raises `RecordsUnavailable`, `RecordDamaged`.
        """
        if not self.supersede(earlier, outcome.item.lease, outcome.item.file):
            return replace(outcome, earlier=earlier)
        return replace(outcome, earlier=earlier, supersedes=True, event=superseding(outcome.event, earlier))

    def supersede(self, earlier: str, by: Lease, file: ClaimedFile) -> bool:
        """Close the letter of the event `earlier` in favor of `by`, the bytes of `file` now; False if it stays valid.

        Raises `RecordsUnavailable`, `RecordDamaged`.
        """
        digest, _, revision = earlier.partition(":")
        known = self._records.record(digest) or Record(digest, "waiting", by.claim_id, 0, 1, 0, "", "plain", "")
        answer = self._records.resolve(self._decision(known, int(revision), by, file))
        log.warning("file changed after its result was recorded claim=%s: %s", by.claim_id, answer.reply)
        return answer.reply == "resolved"

    def _decision(self, record: Record, revision: int, by: Lease, file: ClaimedFile) -> Resolve:
        resolution = Resolution(
            schema_version="1.0",
            action="supersede",
            reason=f"its file was written to, and is the letter {by.digest} now",
            decided_by=DECIDED_BY,
            decided_at=self._now(),
            revision=revision + 1,
        )
        event = make_event(
            kind=RESOLVED,
            identity=event_id(record.digest, revision, record.decisions + 1),
            site=self._limits.site,
            time=self._now(),
            path=file.path,
            data=resolution,
        )
        return Resolve(
            action="supersede",
            digest=record.digest,
            revision=revision,
            decisions=record.decisions,
            review_path=file.review_path(record.named),
            event=encode(event),
            named=record.named,
            token=f"supersede:{by.claim_id}:{revision}",
            by=by,
        )
