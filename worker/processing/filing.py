"""Filing: a letter whose outcome is recorded moves from `claimed/` to where the outcome belongs.

Nothing is decided here, and every step may be repeated. What fails is logged and left: the file is still in `claimed/`,
the reaper hints it, BEGIN replies `done`, and it is filed then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from worker.adapters.share.safe_read import Signature, unchanged
from worker.adapters.share.spool import ClaimedFile, Spool
from worker.contract.names import EXTRACTED_SUFFIX
from worker.processing import sidecars

log = logging.getLogger("imr.worker")


@dataclass(frozen=True, slots=True)
class FilingOrder:
    """Where a finished letter goes and what is written beside it.

    A letter is filed once its outcome is on disk, which can be a second later and in another thread. So its order holds
    all that is needed then: no record is read any more and no text extracted.
    """

    file: ClaimedFile
    signature: Signature | None
    """How the file looked when it was read; None for one that could not be read."""
    must_be_empty: bool
    finished_as: str
    """The recorded outcome (`own_outcome`, `copy_outcome`)."""
    target: str
    fallback: str | None = None
    """Dead letters: the path to take if a file has the name `target` by then."""
    extracted: bytes | None = None
    """Published letters with pages: the text in which the spans count."""
    dead_letter: bytes | None = None
    """Dead letters: the event."""
    published: tuple[str, datetime] | None = None
    """Published letters: id and time of the event."""

    @property
    def has_sidecars(self) -> bool:
        """Whether files are written beside it."""
        return self.extracted is not None or self.dead_letter is not None


def is_unchanged(spool: Spool, file: ClaimedFile, signature: Signature | None, *, must_be_empty: bool) -> bool:
    """Whether the file is still what was read. Raises OSError where that cannot be found out.

    A file that could not be read counts as unchanged, except an empty file, which must still be empty.
    """
    if signature is not None:
        return unchanged(spool.root, file.path, signature)
    return not must_be_empty or spool.is_empty(file.path)


def file_letter(spool: Spool, order: FilingOrder) -> bool:
    """Move the file where it goes; whether it has left `claimed/`. Never raises OSError."""
    try:
        if not is_unchanged(spool, order.file, order.signature, must_be_empty=order.must_be_empty):
            # Its bytes are another letter now, which the reaper hints.
            log.warning("file changed or moved since it was read claim=%s: not filed", order.file.claim_id)
            return False
        _move(spool, order)
    except OSError as error:
        log.warning("not filed yet, will be retried claim=%s errno=%s", order.file.claim_id, error.errno)
        return False
    return True


def _move(spool: Spool, order: FilingOrder) -> None:
    if order.dead_letter is not None:
        _move_to_review(spool, order, order.dead_letter)
        return
    if order.published is not None:
        # Perhaps the corrected copy of a dead letter of that name: its note in review/ says so.
        sidecars.mark_replaced(spool, order.file, *order.published)
    if order.extracted is not None:
        spool.write(order.target + EXTRACTED_SUFFIX, order.extracted)
    spool.move(order.file.path, order.target)


def _move_to_review(spool: Spool, order: FilingOrder, event: bytes) -> None:
    target = order.target
    if order.fallback is not None and spool.exists(target):
        # A person put a file of that name there since the name was granted.
        target = order.fallback
    sidecars.write(spool, target, event)
    if not spool.move(order.file.path, target):
        # Another worker filed it at the same time, under its other name, with sidecar files of its own.
        sidecars.remove(spool, target)
