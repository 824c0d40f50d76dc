"""Stage 4, finish: outcomes are recorded and published, each in one step."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import assert_never

from worker.contract.event import superseding
from worker.processing.batch import Batch, joined
from worker.processing.disposition import Disposition
from worker.processing.filing_orders import RecordedLetter
from worker.processing.give_back import GiveBack
from worker.processing.outcome import Outcome, OutcomeBuilder
from worker.processing.records import Finished, RecordDamaged, Records
from worker.processing.supersede import Superseder
from worker.processing.work_item import Result

log = logging.getLogger("imr.worker")


class FinishStage:
    """Hands outcomes to FINISH, and sorts them by its reply."""

    def __init__(self, records: Records, builder: OutcomeBuilder, superseder: Superseder, give_back: GiveBack) -> None:
        self._records = records
        self._builder = builder
        self._superseder = superseder
        self._give_back = give_back

    def __call__(self, batch: Batch) -> Batch:
        """Finish everything in `to_finish` in one round trip; outcomes that FINISH wants changed are in it again."""
        replies = self._records.finish([outcome.request() for outcome in batch.to_finish])
        answered = zip(batch.to_finish, replies, strict=True)
        deltas = [self._give_back.on_failure(outcome.item, partial(self._sort, outcome, r)) for outcome, r in answered]
        return _begin_copies(joined([replace(batch, to_finish=()), *deltas]))

    def _sort(self, outcome: Outcome, reply: Finished | RecordDamaged) -> Batch:
        if isinstance(reply, RecordDamaged):
            raise reply
        claim_id = outcome.item.claim_id
        match reply.reply:
            case "finished":
                log.info("%s claim=%s code=%s attempt=%d", outcome.state, claim_id, outcome.code, outcome.item.attempts)
                return _recorded(outcome, reply, outcome.state, event=outcome.event)
            case "done":
                # Another worker finished it under this claim: its outcome is the recorded one.
                return _recorded(outcome, reply, "filed")
            case "fenced":
                log.warning("lease expired, result discarded claim=%s (another worker has it)", claim_id)
                return Batch(results={claim_id: "fenced"})
            case "taken":
                return self._rename(outcome)
            case "earlier":
                return Batch(to_finish=(self._superseder.superseding(outcome, reply.entry),))
            case _:
                assert_never(reply.reply)

    def _rename(self, outcome: Outcome) -> Batch:
        """Another letter has that name in `review/`: with the claim id before it, the name is free."""
        if outcome.refusal is None:
            raise ValueError("only a dead letter has a name in review/")
        renamed = self._builder.refuse(outcome.item, outcome.refusal, named="claim")
        if isinstance(renamed, Disposition):
            return self._give_back(outcome.item, renamed)
        event = superseding(renamed.event, outcome.earlier) if outcome.supersedes else renamed.event
        again = replace(renamed, event=event, earlier=outcome.earlier, supersedes=outcome.supersedes)
        return Batch(to_finish=(again,))


def _recorded(outcome: Outcome, reply: Finished, result: Result, *, event: bytes | None = None) -> Batch:
    letter = RecordedLetter(outcome.item, reply.state, reply.named, reply.entry, event=event, text=outcome.text)
    return Batch(
        to_file=(letter,),
        finished=frozenset((outcome.item.lease.digest,)),
        results={outcome.item.claim_id: result},
    )


def _begin_copies(batch: Batch) -> Batch:
    """Once nothing is left to finish, held copies of what was finished are begun again: they are duplicates now."""
    if batch.to_finish:
        return batch
    copies = tuple(item for item in batch.held if item.lease.digest in batch.finished)
    return replace(batch, to_begin=(*copies, *batch.to_begin), held=(), finished=frozenset())
