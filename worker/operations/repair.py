"""Repair of what a crash left in `review/` and `archive/`: temporary files, and letters without sidecar files.

Only files are touched that are older than any step that could still be using them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import read_file
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.adapters.share.walk import files_below
from worker.contract.names import DUPLICATES, ERROR_SUFFIX, REVIEW, SIDECAR_SUFFIXES
from worker.processing import sidecars
from worker.processing.records import Records

STALE_S: Final = 3600.0
"""A temporary file lives for milliseconds, and a decision moves its files within seconds; the rest of the hour allows
for the clock of the file server, which may differ from this machine's."""


class Sweeper:
    """Finds and repairs what no running step will come back to."""

    def __init__(
        self, spool: Spool, records: Records, max_letter_bytes: int, wall_clock_s: Callable[[], float]
    ) -> None:
        self._spool = spool
        self._records = records
        self._max_bytes = max_letter_bytes
        self._now_s = wall_clock_s

    def sweep(self) -> Iterator[str]:
        """Repair everything. Yields a line for each repair or finding. Raises `RecordsUnavailable`, OSError."""
        for path in self._spool.temporary_files():
            if self.remove_stale(path):
                yield f"a temporary file in {path.partition('/')[0]}/ that a crash left; removed"
        for path in list(self._without_error_file()):
            yield self._write_sidecars(path)

    def remove_stale(self, path: str) -> bool:
        """Remove a temporary file if a crash left it; whether it was removed. Raises OSError."""
        is_stale = self.is_stale(path)
        if is_stale:
            self._spool.remove(path)
        return is_stale

    def is_stale(self, path: str) -> bool:
        """Whether the file is older than any step that could still be using it."""
        try:
            status = os.lstat(os.path.join(self._spool.root, path))
        except FileNotFoundError:
            return False
        return self._now_s() - max(status.st_mtime, status.st_ctime) > STALE_S

    def _without_error_file(self) -> Iterator[str]:
        """Letters in `review/` beside which no `.error.json` lies."""
        for folder, name in files_below(os.path.join(self._spool.root, REVIEW)):
            path = "/".join(part for part in (REVIEW, folder, name) if part)
            is_sidecar = name.startswith(TEMPORARY_PREFIX) or name.endswith(SIDECAR_SUFFIXES)
            if is_sidecar or folder.split("/")[0] == DUPLICATES or self._spool.exists(path + ERROR_SUFFIX):
                continue
            if self.is_stale(path):
                yield path

    def _write_sidecars(self, path: str) -> str:
        event = self._event_of(path)
        if event is None:
            return "a file in review/ without .error.json and record; move it into the inbox to have it read"
        sidecars.write(self._spool, path, event)
        return "a dead letter without its .error.json; written again"

    def _event_of(self, path: str) -> bytes | None:
        """The event of the dead letter, from the stream; None if its record is no dead letter's."""
        try:
            digest = read_file(self._spool.root, path, max_bytes=self._max_bytes).digest
        except (Gone, Unreadable):
            return None
        record = self._records.record(digest)
        if record is None or record.state not in ("dead", "discarded"):
            return None
        return self._records.dead_letter_event(record.entry)
