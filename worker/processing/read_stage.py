"""Stage 1, read: from claimed files to their bytes, in batches that fit into memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from worker.adapters.share.safe_read import folders_held_open, read_file
from worker.adapters.share.spool import ClaimedFile, Spool
from worker.processing.batch import Batch
from worker.processing.disposition import dispose_unless_stopping
from worker.processing.give_back import stays_claimed
from worker.processing.records import Lease
from worker.processing.work_item import ProcessingLimits, Result, WorkItem, letter_id

BATCH_BYTES: Final = 32_000_000
"""Letters are held in memory together up to this size, however many a hint asks for."""


class ReadStage:
    """Reads each file once."""

    def __init__(self, spool: Spool, limits: ProcessingLimits, is_stopping: Callable[[], bool]) -> None:
        self._spool = spool
        self._limits = limits
        self._is_stopping = is_stopping

    def batches(self, files: Iterable[ClaimedFile]) -> Iterator[Batch]:
        """The letters to begin, and what became of the files that cannot be read now."""
        remaining = iter(files)
        is_last = False
        while not is_last:
            with folders_held_open():
                batch, is_last = self._next(remaining)
            yield batch

    def _next(self, remaining: Iterator[ClaimedFile]) -> tuple[Batch, bool]:
        """The next batch, and whether there is none after it."""
        items: list[WorkItem] = []
        results: dict[str, Result] = {}
        size_bytes = 0
        for file in remaining:
            item = self._read(file)
            if item.refusal is not None and item.refusal.kind in ("retry", "gone"):
                results[item.claim_id] = stays_claimed(file, item.refusal)
                continue
            items.append(item)
            size_bytes += item.size_bytes or 0
            if size_bytes > BATCH_BYTES:
                return Batch(to_begin=tuple(items), results=results), False
        return Batch(to_begin=tuple(items), results=results), True

    def _read(self, file: ClaimedFile) -> WorkItem:
        content, refusal = None, None
        try:
            content = read_file(self._spool.root, file.path, max_bytes=self._limits.max_letter_bytes)
        except BaseException as error:  # noqa: BLE001 - every error has a disposition
            refusal = dispose_unless_stopping(error, self._is_stopping)
        lease = Lease(letter_id(file.claim_id, content), file.claim_id, secrets.token_hex(8))
        return WorkItem(file, lease, content, refusal)
