"""Giving a letter back: it stays in `claimed/`, its attempt is not counted, and the reaper hints it again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from worker.adapters.share.spool import ClaimedFile
from worker.processing.batch import Batch
from worker.processing.dead_letters import INTERNAL
from worker.processing.disposition import Disposition, dispose
from worker.processing.records import RecordDamaged, Records, RecordsUnavailable
from worker.processing.work_item import Result, WorkItem

log = logging.getLogger("imr.worker")


class GiveBack:
    """Gives back letters that this worker may hold."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def __call__(self, item: WorkItem, why: Disposition) -> Batch:
        """Release the letter's lease. Raises `RecordsUnavailable`."""
        self._records.release([item.lease])
        return Batch(results={item.claim_id: stays_claimed(item.file, why)})

    def on_failure(self, item: WorkItem, step: Callable[[], Batch]) -> Batch:
        """What `step` gives for the letter; where it fails, the letter is given back and the others go on.

        Raises `RecordsUnavailable`.
        """
        try:
            return step()
        except RecordsUnavailable:
            raise
        except RecordDamaged as error:
            return self(item, dispose(error))
        except Exception as error:  # noqa: BLE001 - one letter's failure stays its own, MemoryError included
            log.error("step failed claim=%s code=%s kind=%s", item.claim_id, INTERNAL, type(error).__name__)
            return self(item, Disposition("retry", INTERNAL, type(error).__name__))


def stays_claimed(file: ClaimedFile, why: Disposition) -> Result:
    """Log why the file stays in `claimed/`, or is gone from there."""
    match why.kind:
        case "gone":
            return "gone"
        case "incomplete":
            log.info("incomplete file, waiting for the rest claim=%s code=%s", file.claim_id, why.code)
        case _:
            # A damaged record stays damaged until an operator has looked at the key that the message names.
            level = logging.ERROR if why.code == "record_damaged" else logging.WARNING
            log.log(level, "letter waits, will be retried claim=%s code=%s %s", file.claim_id, why.code, why.message)
    return "retry"
