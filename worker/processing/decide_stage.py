"""Stage 3, decide: the text of each letter is extracted and parsed, and its outcome put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import assert_never

from worker.adapters.share.safe_read import folders_held_open
from worker.processing.batch import Batch, joined
from worker.processing.disposition import Disposition
from worker.processing.give_back import GiveBack, stays_claimed
from worker.processing.outcome import Outcome, OutcomeBuilder
from worker.processing.records import Records
from worker.processing.work_item import ProcessingLimits, WorkItem


class DecideStage:
    """Decides letter by letter, and prolongs the leases of the batch meanwhile."""

    def __init__(
        self,
        records: Records,
        builder: OutcomeBuilder,
        limits: ProcessingLimits,
        give_back: GiveBack,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._records = records
        self._builder = builder
        self._limits = limits
        self._give_back = give_back
        self._now_s = monotonic_s

    def __call__(self, batch: Batch) -> Batch:
        """Decide everything in `to_decide`; what has to wait is given back."""
        with folders_held_open():
            return joined([replace(batch, to_decide=()), *self._each(batch.to_decide)])

    def _each(self, items: Sequence[WorkItem]) -> Iterator[Batch]:
        prolonged_s = self._now_s()
        leases = {item.claim_id: item.lease for item in items}
        for item, following in zip_longest(items, items[1:]):
            if self._now_s() - prolonged_s > self._limits.lease_seconds / 3:
                # Decided letters are prolonged too: they wait for the others, and are finished together.
                self._records.prolong(list(leases.values()), lease_ms=self._limits.lease_ms)
                prolonged_s = self._now_s()
            decided = self._give_back.on_failure(item, partial(self._decide, item, following))
            if not decided.to_finish:
                del leases[item.claim_id]
            yield decided

    def _decide(self, item: WorkItem, following: WorkItem | None) -> Batch:
        built = self._builder.build(item, following)
        if isinstance(built, Disposition) and built.kind == "incomplete":
            if self._records.postpone(item.lease, patience_ms=self._limits.incomplete_ms):
                return Batch(results={item.claim_id: stays_claimed(item.file, built)})
            built = self._builder.refuse(item, built)
        match built:
            case Outcome():
                return Batch(to_finish=(built,))
            case Disposition():
                return self._give_back(item, built)
            case _:
                assert_never(built)
