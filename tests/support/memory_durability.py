"""The in-memory twin of `Durability`: what is on the disk, and what a power cut leaves."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping

from tests.support.memory_records import MemoryRecords


class MemoryDurability:
    """`Durability` over the in-memory records; with `always` every answered write is on disk."""

    def __init__(self, records: MemoryRecords, *, always: bool = True) -> None:
        self._records = records
        self._always = always
        self._on_disk = records.snapshot()
        self.waits = 0
        """Number of waits for the disk."""

    def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.now`."""
        return self._recorded(outcomes) if self._always else None

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.later`."""
        self.waits += 1
        recorded = self._recorded(outcomes)
        self._on_disk = self._records.snapshot()
        return recorded

    def _recorded(self, outcomes: Mapping[str, str]) -> Collection[str]:
        return {claim_id for claim_id, outcome in outcomes.items() if self._records.finished.get(claim_id) == outcome}

    def filed(self, claim_ids: Collection[str]) -> None:
        """See `Durability.filed`."""
        for claim_id in claim_ids:
            self._records.finished.pop(claim_id, None)

    def finished(self) -> Collection[str]:
        """See `Durability.finished`."""
        return set(self._records.finished)

    def cut_power(self) -> None:
        """Lose every write that was not waited for, as a server with `appendfsync everysec` does in the worst case."""
        self._records.restore(copy.deepcopy(self._on_disk))
