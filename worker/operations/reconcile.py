"""Reconciliation: filed letters are compared with their records after Redis may have lost some records.

The files are the truth. A letter in `archive/` whose record is missing, or does not say that it was published, was
published by a Redis that has lost the record since; the same holds for one in `review/`. It goes back to `claimed/`
under its own claim by one rename and is processed as usual: it is read again, and its entry has the id, its file the
place and its deadlines the day that they had. What is recorded is never touched, so a check may be repeated, stopped or
run twice at once.

Left where they are: discarded letters (a person gave them up; reading them again would undo that) and further copies of
the same bytes (the first one is published again, and a letter has only one entry).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Final

from worker.adapters.redis.server_continuity import PendingCheck, ServerContinuity
from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.identity import share_id
from worker.adapters.share.safe_read import read_file
from worker.adapters.share.spool import Spool
from worker.contract.names import EXTRACTED_SUFFIX
from worker.contract.settings import Settings
from worker.operations.filed_letters import CheckWindow, FiledLetter, FiledLetters, window_since
from worker.operations.repair import Sweeper
from worker.operations.review import ReviewDesk
from worker.processing.records import Record, Records

log = logging.getLogger("imr.worker")

BATCH: Final = 100
"""Letters whose records are looked up in one round trip; after each batch the progress is written to Redis."""
BUDGET_S: Final = 5.0
"""How long one task checks: letters wait behind it, and the next task goes on from there."""
MARGIN_MS: Final = 600_000
"""How far the clocks of Redis, file server and producers may differ: letters filed up to so long before the last server
heartbeat are checked too, which costs little and changes nothing."""
DAY_MS: Final = 86_400_000


@dataclass(slots=True)
class CheckProgress:
    """What a check has found so far; counted up while it runs."""

    letters: int = 0
    lost: int = 0
    """Letters without a record, or with one that does not fit the place of their file."""
    unread: int = 0
    """Letters that may not be opened: whether their records are there is unknown."""


class Reconciler:
    """Compares the filed letters of one share with their records."""

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
        self._letters = FiledLetters(spool, desk, (lambda _path: None) if dry_run else sweeper.remove_stale)
        self._max_bytes = max_letter_bytes
        self._dry_run = dry_run

    def require_share(self, expected: str) -> None:
        """Check that this is the share with that id (`''` for any). Raises OSError if it is not."""
        if expected and share_id(Path(self._spool.root)) != expected:
            raise FileNotFoundError(errno.ENODEV, "the share is not mounted")

    def filed(self, window: CheckWindow, after: str = "") -> Iterator[FiledLetter]:
        """The letters of the window, in the order of their places, those behind the place `after`. Raises OSError."""
        return self._letters.find(window, after)

    def check(self, letters: Sequence[FiledLetter], progress: CheckProgress) -> None:
        """Send back the letters whose records are lost, and count all in `progress`.

        Raises `RecordsUnavailable`, and OSError where the share fails: then the same letters are to be checked again.
        """
        known = [(letter, digest) for letter in letters if (digest := self._digest(letter, progress)) is not None]
        records = self._records.records([digest for _, digest in known])
        progress.letters += len(letters)
        for (letter, _), record in zip(known, records, strict=True):
            if _is_lost(letter, record) and self._send_back(letter):
                progress.lost += 1

    def _digest(self, letter: FiledLetter, progress: CheckProgress) -> str | None:
        """The letter's id; None for a file that is gone, is no letter any more, or may not be opened."""
        if letter.item is not None:
            return letter.item.digest
        try:
            return read_file(self._spool.root, letter.path, max_bytes=self._max_bytes).digest
        except (Gone, Unreadable):
            return None
        except PermissionError:
            progress.unread += 1
            log.error("not checked claim=%s: its file may not be opened", letter.file.claim_id)
            return None

    def _send_back(self, letter: FiledLetter) -> bool:
        """Whether the letter is (or, in a dry run, would be) back in `claimed/` to be read again."""
        if self._dry_run:
            return True
        try:
            moved = self._move_to_claimed(letter)
        except FileExistsError:
            log.error("not sent back claim=%s: claimed/ has another file of that name", letter.file.claim_id)
            return False
        log.warning("record lost claim=%s: the letter is read again", letter.file.claim_id)
        return moved

    def _move_to_claimed(self, letter: FiledLetter) -> bool:
        if letter.item is not None:
            return self._desk.back_to_claimed(letter.item)
        if not self._spool.move(letter.path, letter.file.path):
            return False
        self._spool.remove(letter.path + EXTRACTED_SUFFIX)
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


def _is_lost(letter: FiledLetter, record: Record | None) -> bool:
    """Whether the record is missing, or contradicts the place where the letter was filed."""
    if record is None:
        return True
    if letter.item is None:
        return record.state != "published"
    return record.state in ("waiting", "working")


def window_of(check: PendingCheck, days: int, zone: tzinfo) -> CheckWindow:
    """The letters that a pending check is about."""
    longest = window_since(check.now_ms - days * DAY_MS, zone)
    if check.beat_ms is None:
        return longest
    since = window_since(check.beat_ms - MARGIN_MS, zone)
    # A letter may have been claimed long before it was filed, and lies in the folder of the day of its claim.
    return CheckWindow(since.filed_ms, min(since.oldest, longest.oldest))


def reconcile(
    reconciler: Reconciler, continuity: ServerContinuity, *, days: int, zone: tzinfo, monotonic_s: Callable[[], float]
) -> None:
    """Continue the pending check for a few seconds, if there is one; at the end, mark the server as complete.

    Raises `RecordsUnavailable`, redis.RedisError, OSError: the next task goes on from the last recorded place.
    """
    check = continuity.pending_check()
    end_s = monotonic_s() + BUDGET_S
    if check is None:
        return
    reconciler.require_share(check.share)
    for batch in batches(reconciler.filed(window_of(check, days, zone), check.place)):
        progress = CheckProgress()
        reconciler.check(batch, progress)
        check = continuity.save_progress(check, batch[-1].place, progress.letters, progress.lost)
        if check is None or monotonic_s() > end_s:
            return
    if continuity.complete(check):
        _log_result(check)


def batches(letters: Iterator[FiledLetter]) -> Iterator[list[FiledLetter]]:
    """The letters in batches; each costs one round trip."""
    while batch := list(islice(letters, BATCH)):
        yield batch


def _log_result(check: PendingCheck) -> None:
    if check.lost:
        log.error("Redis lost the records of %d letters (%d checked); they are read again", check.lost, check.checked)
    else:
        log.info("Redis was restarted and has every record: letters checked=%d lost=0", check.checked)
