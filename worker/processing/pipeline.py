"""The way of a batch of claimed letters, from hint to filed file: sequence alone.

    read -> begin -> decide -> finish -> file

Each stage takes a batch and gives a batch (`worker.processing.batch`): it empties its own field and fills those of the
next. Policy is in `disposition`, wording in `dead_letters`, transport in `worker.app`. A batch makes one round trip per
script; one letter's failure stays its own. Every stage may be repeated from the start by any worker: a claim whose file
is gone is skipped, and a letter that is finished is only filed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from worker.adapters.share.spool import Spool
from worker.processing.batch import Batch
from worker.processing.begin_stage import BeginStage
from worker.processing.decide_stage import DecideStage
from worker.processing.file_stage import FileStage
from worker.processing.filing_orders import FilingOrders
from worker.processing.finish_stage import FinishStage
from worker.processing.give_back import GiveBack
from worker.processing.outcome import OutcomeBuilder
from worker.processing.ports import Determine, FilingPort, TextPort
from worker.processing.read_stage import ReadStage
from worker.processing.records import Records, RecordsUnavailable
from worker.processing.supersede import Superseder
from worker.processing.work_item import BatchReport, ProcessingLimits, Result

log = logging.getLogger("imr.worker")

TURNS_PER_LETTER: Final = 6
"""A letter takes one turn with its batch, and at most one more each: alone, under its second name in `review/`, after
its earlier bytes were superseded, as a copy. More than that is a fault, and must not hold up the other letters."""


class Pipeline:
    """Runs batches of claims. One per process; not for several threads at once."""

    def __init__(
        self,
        *,
        spool: Spool,
        records: Records,
        filing: FilingPort,
        extractor: TextPort,
        determine: Determine,
        limits: ProcessingLimits,
        wall_clock: Callable[[], datetime],
        monotonic_s: Callable[[], float],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_stopping`: whether a SystemExit means that this process was asked to end, and is no error of a step."""
        self._spool = spool
        self._records = records
        self._filing = filing
        builder = OutcomeBuilder(
            spool=spool,
            extractor=extractor,
            determine=determine,
            limits=limits,
            wall_clock=wall_clock,
            is_stopping=is_stopping,
        )
        superseder, give_back = Superseder(records, limits, wall_clock), GiveBack(records)
        self._read = ReadStage(spool, limits, is_stopping)
        self._begin = BeginStage(records, limits, superseder, give_back)
        self._decide = DecideStage(records, builder, limits, give_back, monotonic_s)
        self._finish = FinishStage(records, builder, superseder, give_back)
        self._file = FileStage(FilingOrders(records, extractor, limits), filing)

    def run(self, claim_ids: Sequence[str]) -> BatchReport:
        """Take each claim as far as it goes.

        Raises `RecordsUnavailable` if the records cannot be reached, OSError if `claimed/` cannot be listed, and
        SystemExit if this process was asked to end. Then every letter that is not finished is still in `claimed/`, is
        no longer held, and the reaper hints it again.
        """
        files = self._spool.locate(claim_ids)
        results: dict[str, Result] = {claim_id: "gone" for claim_id in claim_ids if claim_id not in files}
        with self._filing.at_work():
            for batch in self._read.batches(files.values()):
                results.update(self._run_batch(batch))
        return BatchReport(results)

    def _run_batch(self, batch: Batch) -> Mapping[str, Result]:
        """Turn after turn until nothing is left to do; what became of each letter."""
        for _ in range(TURNS_PER_LETTER * len(batch.to_begin)):
            if batch.is_done:
                return batch.results
            try:
                batch = self._turn(batch)
            except (RecordsUnavailable, SystemExit):
                # What is held must not wait until its lease expires, nor pay with an attempt.
                with contextlib.suppress(RecordsUnavailable):
                    self._records.release(batch.leases)
                raise
        return batch.results if batch.is_done else self._abandon(batch)

    def _turn(self, batch: Batch) -> Batch:
        """One pass through the stages; outcomes that FINISH wants changed go first, because their leases run."""
        if not batch.to_finish:
            batch = self._decide(self._begin(batch))
        return self._file(self._finish(batch))

    def _abandon(self, batch: Batch) -> Mapping[str, Result]:
        leases = batch.leases
        log.error("batch abandoned letters=%d: they stay claimed and will be retried", len(leases))
        self._records.release(leases)
        return {**batch.results, **{lease.claim_id: "retry" for lease in leases}}
