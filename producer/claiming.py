"""Sole ownership of a file by one rename: from `inbox/` to `claimed/` under a fresh claim id.

rename(2) is atomic: of two producers, on whatever hosts, one moves the file and the other finds it gone. Nothing is
opened, and a link, a FIFO or a device is moved as what it is: a worker judges it, and it ends in review with a reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from worker.contract.claim_ids import SEPARATOR, new_claim_id
from worker.contract.names import CLAIMED, INBOX, stored_name


class Claimer:
    """Claims files of one share."""

    def __init__(self, share: str, wall_clock_ms: Callable[[], int]) -> None:
        self.inbox: Final = os.path.join(share, INBOX)
        self._claimed = os.path.join(share, CLAIMED)
        self._now_ms = wall_clock_ms

    def claim(self, path: str) -> str | None:
        """Move the file `path` (relative to the inbox) to `claimed/`; its claim id, or None if it was gone.

        Raises OSError if the file system refuses; the file is then still in the inbox, and the next scan finds it.
        """
        folder, name = os.path.split(path)
        claim_id = new_claim_id(self._now_ms())
        target = os.path.join(self._claimed, folder)
        source = os.path.join(self.inbox, path)
        renamed = os.path.join(target, stored_name(name, claim_id + SEPARATOR))
        try:
            os.rename(source, renamed)
        except FileNotFoundError:
            if not os.path.lexists(source):
                return None
            # The folder in claimed/ is made on first use, and pruned by workers whenever it is empty.
            os.makedirs(target, exist_ok=True)
            os.rename(source, renamed)
        return claim_id
