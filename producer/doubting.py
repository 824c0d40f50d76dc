"""Noticing that Redis may have lost something: the producer beats while the server that it knows answers.

See `worker.adapters.redis.server_continuity` for what a beat says. While there is doubt the producer asks for the chore
that checks what was filed away, and goes on with its own work: new letters need nothing that may be missing.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.identity import share_id
from worker.adapters.share.walk import walk
from worker.contract.names import ARCHIVE, CLAIMED, REVIEW

log = logging.getLogger("imr.producer")


class Doubts:
    """The beat of one share, and the doubts that keep it still."""

    def __init__(self, trust: ServerContinuity, share: str, lease_s: float, share_id: str | None = None) -> None:
        self._trust = trust
        self._share = share
        self._id = share_id
        self._lease_ms = lease_s * 1000
        self._told: str | None = None

    def is_check_wanted(self) -> bool:
        """Beat; whether letters have to be held against their records. Raises redis.RedisError.

        Not before a lease has passed since the doubt was noticed: a worker that had its answer from the server that
        was lost may still be filing its letters away, and the check would pass them by.
        """
        doubt = self._trust.beat(self._is_empty, self._id or "")
        run_id = doubt.run_id if doubt is not None else None
        if run_id != self._told and doubt is not None:
            what = "a server with no memory of letters" if doubt.beat_ms is None else "another server process"
            level = logging.WARNING if doubt.beat_ms is None else logging.INFO
            log.log(level, "%s answers as Redis: letters filed since its last beat are checked", what)
        self._told = run_id
        return doubt is not None and doubt.now_ms - doubt.noticed_ms >= self._lease_ms

    def _is_empty(self) -> bool:
        """Whether the share holds no letter that Redis could have known."""
        try:
            if self._id is not None and share_id(Path(self._share)) != self._id:
                return False  # not mounted: an empty mount point is not an empty share
            return not any(
                True for folder in (CLAIMED, ARCHIVE, REVIEW) for _ in walk(os.path.join(self._share, folder))
            )
        except OSError:
            return False
