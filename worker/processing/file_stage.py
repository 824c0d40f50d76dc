"""Stage 5, file: letters whose outcome is recorded are handed to the filing queue."""

from __future__ import annotations

import logging
from dataclasses import replace

from worker.processing.batch import Batch
from worker.processing.filing import FilingOrder
from worker.processing.filing_orders import FilingOrders, RecordedLetter
from worker.processing.ports import FilingPort
from worker.processing.records import RecordsUnavailable

log = logging.getLogger("imr.worker")


class FileStage:
    """Makes a filing order for each letter and submits them together."""

    def __init__(self, orders: FilingOrders, filing: FilingPort) -> None:
        self._orders = orders
        self._filing = filing

    def __call__(self, batch: Batch) -> Batch:
        """Submit everything in `to_file`; also nothing, because the queue files what was submitted earlier then."""
        orders = [order for letter in batch.to_file if (order := self._order(letter)) is not None]
        self._filing.submit(orders)
        return replace(batch, to_file=())

    def _order(self, letter: RecordedLetter) -> FilingOrder | None:
        """The letter's order; None if it cannot be made now. The letter is hinted again, and BEGIN replies `done`."""
        claim_id = letter.item.claim_id
        try:
            return self._orders.order_for(letter)
        except (RecordsUnavailable, OSError) as error:
            log.warning("not filed yet, will be retried claim=%s (%s)", claim_id, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one letter's failure stays its own, MemoryError included
            log.error("filing failed, will be retried claim=%s kind=%s", claim_id, type(error).__name__)
        return None
