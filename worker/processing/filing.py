"""Filing away: a letter whose outcome stands moves from `claimed/` to where the outcome belongs.

Nothing here decides anything; every step may be repeated. What fails is logged and left: the file is still in
`claimed/`, the reaper hints it, BEGIN answers `done`, and it is filed then.
"""

from __future__ import annotations

import logging

from worker.adapters.share.safe_read import Signature, unchanged
from worker.adapters.share.spool import Spool
from worker.contract.names import EXTRACTED_SUFFIX
from worker.processing import sidecars
from worker.processing.filing_order import Departure, Reads, must_be_empty
from worker.processing.work_item import Work

__all__ = ["Filing", "Reads"]

log = logging.getLogger("imr.worker")


class Filing:
    """Moves finished letters of one share."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def unchanged(self, work: Work) -> bool:
        """Whether the file is still what was read. Raises OSError where that cannot be told.

        One that could not be read at all counts as unchanged, but for an empty one, which must still be empty.
        """
        signature = work.taken.signature if work.taken is not None else None
        return self._unchanged(work.file.path, signature, empty=must_be_empty(work))

    def _unchanged(self, path: str, signature: Signature | None, *, empty: bool) -> bool:
        if signature is not None:
            return unchanged(self._spool.root, path, signature)
        return not empty or self._spool.is_empty(path)

    def file(self, one: Departure) -> bool:
        """Put the file where it goes; whether it has left `claimed/`. Never raises OSError."""
        try:
            if not self._unchanged(one.file.path, one.signature, empty=one.must_be_empty):
                # Written to after it was read: those bytes are a letter of their own, and the reaper hints them.
                log.warning("changed or moved after reading claim=%s", one.file.claim_id)
                return False
            self._move(one)
        except OSError as error:
            log.warning("filing waits claim=%s errno=%s", one.file.claim_id, error.errno)
            return False
        return True

    def _move(self, one: Departure) -> None:
        if one.dead_letter is not None:
            self._set_aside(one, one.dead_letter)
            return
        if one.published is not None:
            # A dead letter of the same name was perhaps corrected by this one: people are told so, where it lies.
            sidecars.mark_replaced(self._spool, one.file, *one.published)
        if one.extracted is not None:
            self._spool.write(one.target + EXTRACTED_SUFFIX, one.extracted)
        self._spool.move(one.file.path, one.target)

    def _set_aside(self, one: Departure, event: bytes) -> None:
        target = one.target
        if one.spare is not None and self._spool.exists(target):
            # Somebody put a file there by hand since the name was granted.
            target = one.spare
        sidecars.lay(self._spool, target, event)
        if not self._spool.move(one.file.path, target):
            # Another worker filed it at the same time, under its other name, with companions of its own.
            sidecars.take_away(self._spool, target)
