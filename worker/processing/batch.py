"""The letters of one turn of the pipeline, stage by stage: a value that each stage takes and gives, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from worker.processing.filing_orders import RecordedLetter
from worker.processing.outcome import Outcome
from worker.processing.records import Lease
from worker.processing.work_item import Result, WorkItem


@dataclass(frozen=True, slots=True)
class Batch:
    """Each field is the work that waits for one stage; a stage empties its own and fills those of the next."""

    to_begin: tuple[WorkItem, ...] = ()
    """Read from the share; for BEGIN, together."""
    to_begin_alone: tuple[WorkItem, ...] = ()
    """Tried before by a worker that was killed in a batch: for BEGIN one at a time, so that a poison letter spends only
    its own attempts."""
    to_decide: tuple[WorkItem, ...] = ()
    """Leased to this worker; for text extraction and parsing."""
    to_finish: tuple[Outcome, ...] = ()
    """Decided; for FINISH."""
    to_file: tuple[RecordedLetter, ...] = ()
    """Recorded; for filing."""
    held: tuple[WorkItem, ...] = ()
    """Leased to somebody: to another worker, or to this one under another claim of the same bytes."""
    finished: frozenset[str] = frozenset()
    """Digests of letters that were finished in this turn: held copies of them can be begun again."""
    results: Mapping[str, Result] = field(default_factory=dict)
    """What became of the other letters, by claim id; a later result replaces an earlier one."""

    @property
    def is_done(self) -> bool:
        """Whether no stage has anything left to do."""
        return not (self.to_begin or self.to_begin_alone or self.to_decide or self.to_finish or self.to_file)

    @property
    def leases(self) -> list[Lease]:
        """Leases that this worker may hold, of everything that is not finished."""
        items = (*self.to_begin, *self.to_begin_alone, *self.to_decide, *(outcome.item for outcome in self.to_finish))
        return [item.lease for item in items]


_SEQUENCES: Final = tuple(name.name for name in fields(Batch) if name.name not in ("finished", "results"))


def joined(batches: Iterable[Batch]) -> Batch:
    """Everything in these batches, in their order."""
    parts: dict[str, list[Any]] = {name: [] for name in _SEQUENCES}
    finished: set[str] = set()
    results: dict[str, Result] = {}
    for batch in batches:
        for name, part in parts.items():
            if values := getattr(batch, name):  # most are empty: a batch of one letter has work for one stage
                part.extend(values)
        finished |= batch.finished
        results.update(batch.results)
    return Batch(**{name: tuple(part) for name, part in parts.items()}, finished=frozenset(finished), results=results)
