"""The balance of all letters: `seen = published + dead + discarded + duplicate + ignored + in flight`.

The records count each letter once, in the scripts that record its outcome; the folders show which files are there. A
claim that was begun and not finished must have its file in `claimed/`; if it has not, somebody removed the file.
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
    """Number of producers that have reported lately."""
    internal: int = 0
    """Dead letters that failed by a fault of this software (code `internal`)."""
    reports: tuple[ProducerReport, ...] = ()
    """The last report of each producer."""

    @property
    def unexplained(self) -> int:
        """Letters that were seen and are in none of the other figures."""
        explained = self.published + self.dead + self.discarded + self.duplicate + self.ignored + self.in_flight
        return self.seen - explained

    @property
    def closes(self) -> bool:
        """Whether every letter is accounted for."""
        return self.unexplained == 0


def take_balance(spool: Spool, records: Records, client: redis.Redis, keys: Keys) -> Balance:
    """The balance now. Raises `RecordsUnavailable`, redis.RedisError, OSError."""
    waiting, ignored = _inbox(spool)
    counts = records.counts()
    claimed = {file.claim_id for file in spool.claimed()}
    # A letter that was finished after the counts were read is in neither set; a claim still open must have its file.
    lost = len((counts.open_claims - claimed) & records.counts().open_claims)
    # A letter that is finished and not yet filed is counted by its outcome; the others wait for a worker.
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
    """(letters, files with an ignored name) in the inbox."""
    files = files_below(os.path.join(spool.root, INBOX))
    paths = (f"{folder}/{name}" if folder else name for folder, name in files if not is_own(name))
    letters = Counter(may_be_letter(path) for path in paths)
    return letters[True], letters[False]
