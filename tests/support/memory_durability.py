"""The in-memory twin of the disk below the records: what is on it, and what a power cut leaves."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping

from tests.support.memory_records import MemoryRecords


class MemoryDurability:
    """`Durability` of the records' twin; with `always` whatever is answered is on disk."""

    def __init__(self, records: MemoryRecords, *, always: bool = True) -> None:
        self._records = records
        self._always = always
        self._on_disk = records.snapshot()
        self.waits = 0
        """Waits for the disk so far."""

    def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.now`."""
        return self._standing(outcomes) if self._always else None

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.later`."""
        self.waits += 1
        standing = self._standing(outcomes)
        self._on_disk = self._records.snapshot()
        return standing

    def _standing(self, outcomes: Mapping[str, str]) -> Collection[str]:
        return {one for one, told in outcomes.items() if self._records.finished.get(one) == told}

    def filed(self, claim_ids: Collection[str]) -> None:
        """See `Durability.filed`."""
        for one in claim_ids:
            self._records.finished.pop(one, None)

    def finished(self) -> Collection[str]:
        """See `Durability.finished`."""
        return set(self._records.finished)

    def cut_power(self) -> None:
        """Lose whatever was not waited for, as a server with `appendfsync everysec` does at the worst."""
        self._records.restore(copy.deepcopy(self._on_disk))
