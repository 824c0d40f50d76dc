"""A file that was written to after its letter was told of, and before it was filed away.

Its final bytes are a letter of their own. What was told of the earlier ones does not stand any more: the letter that
takes their place says so (`supersedes`), and a dead letter is closed by an audit entry, for its file is nowhere.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime

from worker.adapters.share.spool import ClaimedFile
from worker.contract.event import RESOLVED, Resolution, encode, event_id, make_event, superseding
from worker.processing.records import Lease, Record, Records, Resolve
from worker.processing.work_item import Policy, Verdict

log = logging.getLogger("imr.worker")

WHO = "imr-worker"


class Superseding:
    """Settles what a file was before."""

    def __init__(self, records: Records, policy: Policy, wall_clock: Callable[[], datetime]) -> None:
        self._records = records
        self._policy = policy
        self._now = wall_clock

    def settled(self, verdict: Verdict, earlier: str) -> Verdict:
        """The verdict, after what the file was told as before (the event `earlier`) has been superseded by it.

        Raises `RecordsUnavailable`, `RecordDamaged`.
        """
        if not self.supersede(earlier, verdict.work.lease, verdict.work.file):
            return dataclasses.replace(verdict, earlier=earlier)
        return dataclasses.replace(verdict, earlier=earlier, event=superseding(verdict.event, earlier))

    def supersede(self, earlier: str, by: Lease, file: ClaimedFile) -> bool:
        """Have the letter of the event `earlier` give way to what `file` is now; False if it stands, or is no more.

        Raises `RecordsUnavailable`, `RecordDamaged`.
        """
        digest, _, revision = earlier.partition(":")
        known = self._records.record(digest) or Record(digest, "waiting", by.claim_id, 0, 1, 0, "", "plain", "")
        answer = self._records.resolve(self._decision(known, int(revision), by, file))
        log.warning("written to after it was finished claim=%s: %s", by.claim_id, answer.reply)
        return answer.reply == "resolved"

    def _decision(self, record: Record, revision: int, by: Lease, file: ClaimedFile) -> Resolve:
        resolution = Resolution(
            schema_version="1.0",
            action="supersede",
            reason=f"its file was written to, and is the letter {by.digest} now",
            decided_by=WHO,
            decided_at=self._now(),
            revision=revision + 1,
        )
        event = make_event(
            kind=RESOLVED,
            identity=event_id(record.digest, revision, record.decisions + 1),
            site=self._policy.site,
            time=self._now(),
            path=file.path,
            data=resolution,
        )
        path, token = file.review_path(record.named), f"supersede:{by.claim_id}:{revision}"
        return Resolve(
            "supersede", record.digest, revision, record.decisions, path, encode(event), record.named, token, by
        )
