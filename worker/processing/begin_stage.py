"""Stage 2, begin: letters are leased to this worker, and their attempt is counted, before any work is done."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import assert_never

from worker.processing.batch import Batch, joined
from worker.processing.dead_letters import POISON
from worker.processing.disposition import Disposition
from worker.processing.filing_orders import RecordedLetter
from worker.processing.give_back import GiveBack
from worker.processing.records import Begun, RecordDamaged, Records
from worker.processing.supersede import Superseder
from worker.processing.work_item import ProcessingLimits, WorkItem

log = logging.getLogger("imr.worker")


class BeginStage:
    """Asks BEGIN about letters, and sorts them by its reply."""

    def __init__(self, records: Records, limits: ProcessingLimits, superseder: Superseder, give_back: GiveBack) -> None:
        self._records = records
        self._limits = limits
        self._superseder = superseder
        self._give_back = give_back

    def __call__(self, batch: Batch) -> Batch:
        """Begin all letters of `to_begin` in one round trip; if there are none, the first of `to_begin_alone`."""
        alone = not batch.to_begin
        items = batch.to_begin_alone[:1] if alone else batch.to_begin
        rest = replace(batch, to_begin=(), to_begin_alone=batch.to_begin_alone[len(items) if alone else 0 :])
        replies = self._records.begin(
            [item.lease for item in items],
            lease_ms=self._limits.lease_ms,
            max_attempts=self._limits.max_attempts,
            alone=alone,
        )
        answered = zip(items, replies, strict=True)
        return joined([rest, *(self._give_back.on_failure(item, partial(self._sort, item, r)) for item, r in answered)])

    def _sort(self, item: WorkItem, reply: Begun | RecordDamaged) -> Batch:
        if isinstance(reply, RecordDamaged):
            raise reply
        begun = replace(item, revision=reply.revision, attempts=reply.attempts)
        match reply.reply:
            case "go":
                return Batch(to_decide=(begun,))
            case "poison":
                return Batch(to_decide=(replace(begun, refusal=Disposition("review", POISON)),))
            case "alone":
                return Batch(to_begin_alone=(begun,))
            case "held":
                return Batch(held=(begun,), results={item.claim_id: "held"})
            case "done" | "duplicate":
                return self._sort_finished(begun, reply)
            case _:
                assert_never(reply.reply)

    def _sort_finished(self, item: WorkItem, reply: Begun) -> Batch:
        """A letter that was finished in an earlier attempt, or a further copy of one; only its file is left to move."""
        if reply.earlier:
            # Its file had other bytes when it was finished: that result is closed first, and BEGIN asked again.
            self._superseder.supersede(reply.earlier, item.lease, item.file)
            return Batch(to_begin=(item,))
        is_copy = reply.reply == "duplicate"
        if is_copy:
            log.info("duplicate claim=%s", item.claim_id)
        return Batch(
            to_file=(RecordedLetter(item, reply.state, reply.named, reply.entry, is_copy=is_copy),),
            results={item.claim_id: "duplicate" if is_copy else "filed"},
        )
