"""Accounting: `seen = published + dead + discarded + duplicate + ignored + in flight`, from records and folders.

The records count each letter once, in the scripts that decide; the folders show what is there. A claim that was begun
and not finished must still have its file in `claimed/`; if it has not, the file was taken away by other hands.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

import redis

from worker.adapters.redis.producer_reports import ProducerReport, producer_reports
from worker.adapters.share.spool import Spool
from worker.adapters.share.walk import files_below
from worker.contract.filenames import is_own, may_be_letter
from worker.contract.names import INBOX, Keys
from worker.processing.records import Records


@dataclass(frozen=True, slots=True)
class Balance:
    """Where every letter is."""

    seen: int
    published: int
    dead: int
    discarded: int
    duplicate: int
    ignored: int
    in_flight: int
    lost_claims: int
    """Letters begun and not finished whose file is not in `claimed/`."""
    holds: tuple[str, ...]
    """What keeps producers from claiming."""
    producers: int
    """Producers that have reported lately."""
    internal: int = 0
    """Dead letters that a fault of this software stopped."""
    reports: tuple[ProducerReport, ...] = ()
    """What they told last."""

    @property
    def unexplained(self) -> int:
        """Letters that were seen and are nowhere."""
        told = self.published + self.dead + self.discarded + self.duplicate + self.ignored + self.in_flight
        return self.seen - told

    @property
    def closes(self) -> bool:
        """Whether every letter is accounted for."""
        return self.unexplained == 0


def take_balance(spool: Spool, records: Records, client: redis.Redis, keys: Keys) -> Balance:
    """The account now. Raises `RecordsUnavailable`, redis.RedisError, OSError."""
    waiting, ignored = _inbox(spool)
    counts = records.counts()
    claimed = {file.claim_id for file in spool.claimed()}
    # A letter finished since the counts were read has left both; one that is still open must have its file.
    lost = len((counts.open_claims - claimed) & records.counts().open_claims)
    # What is finished and not filed away yet is counted by its outcome; the rest waits for a worker.
    not_begun = len(claimed - counts.open_claims - counts.finished_claims)
    reports = producer_reports(client, keys)
    return Balance(
        seen=counts.seen + not_begun + waiting + ignored,
        published=counts.published,
        dead=counts.dead,
        discarded=counts.discarded,
        duplicate=counts.duplicate,
        ignored=ignored,
        in_flight=len(counts.open_claims) - lost + not_begun + waiting,
        lost_claims=lost,
        holds=tuple(sorted({report.hold for report in reports if report.hold})),
        producers=len(reports),
        internal=counts.internal,
        reports=tuple(reports),
    )


def _inbox(spool: Spool) -> tuple[int, int]:
    """(letters, files that are none by their names) in the inbox."""
    files = files_below(os.path.join(spool.root, INBOX))
    paths = (f"{folder}/{name}" if folder else name for folder, name in files if not is_own(name))
    letters = Counter(may_be_letter(path) for path in paths)
    return letters[True], letters[False]
