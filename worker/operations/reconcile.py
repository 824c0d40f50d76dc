"""Reconciliation: letters that were filed away are held against their records after Redis may have lost some.

The files are the truth. A letter in `archive/` whose record is gone, or does not say that it was published, was
published by a Redis that has forgotten it; one in `review/` likewise. It goes back to `claimed/` under its own claim by
one rename, and the normal way does the rest: it is read again and its entry has the id it had, its file the place it
had, its deadlines the day they had. What is recorded is never touched, so a check may be repeated, stopped or run twice
at once.

Left where they are: discarded letters (a person gave them up; reading them again would undo that) and further copies of
the same bytes (the first one is published again, and one entry is all that its letter has).
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from typing import Final

from worker.adapters.redis.server_continuity import PendingCheck, ServerContinuity
from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.identity import share_id
from worker.adapters.share.safe_read import read_file
from worker.adapters.share.spool import TEMPORARY_PREFIX, ClaimedFile, Spool
from worker.adapters.share.walk import files_below
from worker.contract.claim_ids import claimed_at_ms, split_claimed_name
from worker.contract.names import ARCHIVE, DUPLICATES, EXTRACTED_SUFFIX, REVIEW
from worker.contract.settings import Settings
from worker.operations.repair import Sweeper
from worker.operations.review import DeadItem, ReviewDesk
from worker.processing.records import Record, Records

log = logging.getLogger("imr.worker")

BATCH: Final = 100
"""Letters between two notes of how far the check has come."""
BUDGET_S: Final = 5.0
"""How long one task checks: letters wait behind it, and the next task goes on from there."""
MARGIN_MS: Final = 600_000
"""How far the clocks of Redis, file server and producers may be apart: what was filed so long before the last beat is
checked too, which costs little and changes nothing."""
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Filed:
    """A letter where it was filed away; `place` orders all of them and holds no name."""

    file: ClaimedFile
    path: str
    place: str
    item: DeadItem | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """Which letters are in doubt."""

    filed_ms: int
    """Those filed (ctime, which a rename sets) or claimed at that time or later, in ms since 1970."""
    oldest: date
    """Day folders before that are not looked into."""


@dataclass(slots=True)
class Checked:
    """What a check has found so far."""

    letters: int = 0
    lost: int = 0
    unread: int = 0
    """Letters that may not be opened: nothing can be said of those."""


class Reconciler:
    """Holds the filed letters of one share against their records."""

    def __init__(
        self,
        *,
        spool: Spool,
        records: Records,
        desk: ReviewDesk,
        sweeper: Sweeper,
        max_letter_bytes: int,
        dry_run: bool = False,
    ) -> None:
        self._spool = spool
        self._records = records
        self._desk = desk
        self._sweeper = sweeper
        self._max_bytes = max_letter_bytes
        self._dry_run = dry_run

    def require_share(self, expected: str) -> None:
        """See that the share is the one whose letters are in doubt (`''` for any). Raises OSError."""
        if expected and share_id(Path(self._spool.root)) != expected:
            raise FileNotFoundError(errno.ENODEV, "the share is not mounted")

    def filed(self, since: Since, after: str = "") -> Iterator[Filed]:
        """Letters in doubt, in the order of their places, from the one behind `after` on. Raises OSError."""
        archived = (one for day in self._days(since.oldest) for one in self._of_day(day, since.filed_ms))
        for one in archived:
            if one.place > after:
                yield one
        in_review = [_in_review(item) for item in self._desk.items() if item.where == "review"]
        yield from sorted((one for one in in_review if one.place > after), key=lambda one: one.place)

    def check(self, filed: Sequence[Filed], so_far: Checked) -> None:
        """Send back those of the letters whose records do not know what became of them.

        Raises `RecordsUnavailable`, and OSError where the share is in the way: the same letters are checked again.
        """
        known = [(one, digest) for one in filed if (digest := self._digest(one, so_far)) is not None]
        records = self._records.records([digest for _, digest in known])
        so_far.letters += len(filed)
        for (one, _), record in zip(known, records, strict=True):
            if _is_lost(one, record) and self._send_back(one):
                so_far.lost += 1

    def _days(self, oldest: date) -> Iterator[str]:
        """Day folders of the archive, oldest first, as `YYYY/MM/DD`."""
        days = [""]
        for _ in range(3):
            days = [f"{day}/{name}".lstrip("/") for day in days for name in self._numbers(day)]
        return (day for day in days if day >= oldest.isoformat().replace("-", "/"))

    def _numbers(self, folder: str) -> list[str]:
        with os.scandir(os.path.join(self._spool.root, ARCHIVE, folder)) as entries:
            return sorted(one.name for one in entries if one.name.isdigit() and one.is_dir(follow_symlinks=False))

    def _of_day(self, day: str, since_ms: int) -> list[Filed]:
        top = os.path.join(self._spool.root, ARCHIVE, day)
        found = []
        for folder, name in files_below(top):
            split = split_claimed_name(name)
            path = os.path.join(top, folder, name)
            if name.startswith(TEMPORARY_PREFIX) and not self._dry_run:
                self._sweeper.remove_stale(os.path.relpath(path, self._spool.root))
            if split is None or name.endswith(EXTRACTED_SUFFIX) or folder.split("/")[0] == DUPLICATES:
                continue
            if claimed_at_ms(split[0]) >= since_ms or _ctime_ms(path) >= since_ms:
                file = ClaimedFile(split[0], folder, split[1])
                found.append(Filed(file, os.path.relpath(path, self._spool.root), f"{ARCHIVE}/{day}/{split[0]}"))
        return sorted(found, key=lambda one: one.place)

    def _digest(self, one: Filed, so_far: Checked) -> str | None:
        """The letter's id; None for a file that is gone, is no letter any more, or may not be opened."""
        if one.item is not None:
            return one.item.digest
        try:
            return read_file(self._spool.root, one.path, max_bytes=self._max_bytes).digest
        except (Gone, Unreadable):
            return None
        except PermissionError:
            so_far.unread += 1
            log.error("not checked claim=%s: its file may not be opened", one.file.claim_id)
            return None

    def _send_back(self, one: Filed) -> bool:
        """Whether the letter is (or, in a dry run, would be) on its way to be read again."""
        if self._dry_run:
            return True
        try:
            moved = self._back_to_claimed(one)
        except FileExistsError:
            log.error("not sent back claim=%s: another file has its name in claimed/", one.file.claim_id)
            return False
        log.warning("record lost claim=%s: the letter is read again", one.file.claim_id)
        return moved

    def _back_to_claimed(self, one: Filed) -> bool:
        if one.item is not None:
            return self._desk.back_to_claimed(one.item)
        if not self._spool.move(one.path, one.file.path):
            return False
        self._spool.remove(one.path + EXTRACTED_SUFFIX)
        return True


def make_reconciler(settings: Settings, records: Records, *, dry_run: bool = False) -> Reconciler:
    """The reconciler of an installation's share."""
    spool = Spool(settings.share.absolute())
    return Reconciler(
        spool=spool,
        records=records,
        desk=ReviewDesk(
            spool=spool,
            records=records,
            site=settings.site,
            decided_by="reconciliation",
            wall_clock=lambda: datetime.now(UTC),
        ),
        sweeper=Sweeper(spool, records, settings.max_letter_bytes, lambda: datetime.now(UTC).timestamp()),
        max_letter_bytes=settings.max_letter_bytes,
        dry_run=dry_run,
    )


def _in_review(item: DeadItem) -> Filed:
    return Filed(item.file, item.path, f"{REVIEW}/{item.file.claim_id}", item)


def _is_lost(one: Filed, record: Record | None) -> bool:
    """Whether the records do not know what the letter's place says of it."""
    if record is None:
        return True
    if one.item is None:
        return record.state != "published"
    return record.state in ("waiting", "working")


def _ctime_ms(path: str) -> int:
    try:
        return os.lstat(path).st_ctime_ns // 1_000_000
    except FileNotFoundError:
        return 0


def since_of(doubt: PendingCheck, days: int, zone: tzinfo) -> Since:
    """The letters that a doubt is about."""
    window = back_to(doubt.now_ms - days * DAY_MS, zone)
    if doubt.beat_ms is None:
        return window
    since = back_to(doubt.beat_ms - MARGIN_MS, zone)
    # A letter may have been claimed long before it was filed, and lies in the folder of the day of its claim.
    return Since(since.filed_ms, min(since.oldest, window.oldest))


def back_to(ms: int, zone: tzinfo) -> Since:
    """Letters claimed or filed at that time or later."""
    return Since(ms, datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1))


def reconcile(
    reconciler: Reconciler, trust: ServerContinuity, *, days: int, zone: tzinfo, monotonic_s: Callable[[], float]
) -> None:
    """Go on with the check that a producer's doubt asks for, for a few seconds; settle the doubt at the end.

    Raises `RecordsUnavailable`, redis.RedisError, OSError: the next task goes on from the place that was noted.
    """
    doubt = trust.pending_check()
    end_s = monotonic_s() + BUDGET_S
    if doubt is None:
        return
    reconciler.require_share(doubt.share)
    for batch in batches(reconciler.filed(since_of(doubt, days, zone), doubt.place)):
        found = Checked()
        reconciler.check(batch, found)
        doubt = trust.save_progress(doubt, batch[-1].place, found.letters, found.lost)
        if doubt is None or monotonic_s() > end_s:
            return
    if trust.complete(doubt):
        _tell(doubt)


def batches(filed: Iterator[Filed]) -> Iterator[list[Filed]]:
    """The letters in portions, of which each makes one round trip."""
    while batch := list(islice(filed, BATCH)):
        yield batch


def _tell(doubt: PendingCheck) -> None:
    if doubt.lost:
        log.error("Redis lost the records of %d letters (%d checked); they are read again", doubt.lost, doubt.checked)
    else:
        log.info("Redis was started anew and has everything: letters checked=%d lost=0", doubt.checked)
