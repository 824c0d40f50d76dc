"""The share, seen from a worker: where a claimed file lies, where it goes, and how it gets there.

Paths are relative to the share, with `/`; names are `str` with surrogateescape, so that any name a file system holds
comes back as it was. A file moves by one rename, never over another file. Its target is a function of its claim, its
name and the outcome, so that every process that completes an interrupted move moves the file to the same place.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, tzinfo
from pathlib import Path
from typing import Final

from worker.adapters.share.rename import rename_no_replace
from worker.adapters.share.walk import files_below
from worker.contract.claim_ids import SEPARATOR, arrival_day, split_claimed_name
from worker.contract.names import (
    ARCHIVE,
    CLAIMED,
    DISCARDED,
    DUPLICATES,
    ERROR_SUFFIX,
    REVIEW,
    ReviewNaming,
    stored_name,
)

TEMPORARY_PREFIX = ".imr-tmp-"

_RECEIVED: Final = re.compile(r"received-(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A file in `claimed/`: its claim, the inbox sub-folder it came from (`''` for the inbox itself), its name."""

    claim_id: str
    folder: str
    name: str

    @property
    def stored(self) -> str:
        """Its file name in `claimed/`: the claim id, then the name, shortened if it is too long."""
        return stored_name(self.name, self.claim_id + SEPARATOR)

    @property
    def path(self) -> str:
        """Its path while it is processed."""
        return _join(CLAIMED, self.folder, self.stored)

    def archive_path(self, zone: tzinfo) -> str:
        """Its target once published: the folder of its day of arrival, in `zone`."""
        return _join(ARCHIVE, self._day(zone), self.folder, self.stored)

    def review_path(self, named: ReviewNaming) -> str:
        """Its target as a dead letter: under its own name (`plain`), or with its claim id if that name is taken."""
        return _join(REVIEW, self.folder, stored_name(self.name) if named == "plain" else self.stored)

    def discarded_path(self) -> str:
        """Its target once a person has discarded it."""
        return _join(REVIEW, DISCARDED, self.folder, self.stored)

    def duplicate_path(self, zone: tzinfo, *, of_dead_letter: bool) -> str:
        """Its target if it is a further copy of bytes that are known: beside the first copy."""
        if of_dead_letter:
            return _join(REVIEW, DUPLICATES, self.folder, self.stored)
        return _join(ARCHIVE, self._day(zone), DUPLICATES, self.folder, self.stored)

    def received_on(self, zone: tzinfo) -> date:
        """The day of receipt: stated by an inbox folder `received-YYYY-MM-DD`, else the day of arrival in `zone`.

        The innermost such folder counts. A stated day after the day of arrival is a mistake, and is not used.
        """
        arrived = arrival_day(self.claim_id, zone)
        stated = [day for part in self.folder.split("/") if (day := _stated_day(part)) is not None]
        return stated[-1] if stated and stated[-1] <= arrived else arrived

    def _day(self, zone: tzinfo) -> str:
        return arrival_day(self.claim_id, zone).isoformat().replace("-", "/")


class Spool:
    """The folders of one share."""

    def __init__(self, root: Path) -> None:
        self.root: Final = os.fspath(root)
        self._known: dict[str, ClaimedFile] = {}

    def locate(self, claim_ids: Iterable[str]) -> dict[str, ClaimedFile]:
        """The claimed files of these ids; an id without a file is left out.

        Hints carry ids alone, so the name is looked up in the folder: one listing serves every hint sent before it.
        Raises OSError if `claimed/`, or a folder in it, cannot be listed.
        """
        wanted = list(claim_ids)
        if any(claim_id not in self._known for claim_id in wanted):
            self._known = {file.claim_id: file for file in self.claimed()}
        return {claim_id: self._known[claim_id] for claim_id in wanted if claim_id in self._known}

    def claimed(self) -> Iterator[ClaimedFile]:
        """Every claimed file, in no order. Raises OSError if `claimed/`, or a folder in it, cannot be listed."""
        for folder, name in files_below(os.path.join(self.root, CLAIMED)):
            parts = split_claimed_name(name)
            if parts is not None:
                claim_id, inbox_name = parts
                yield ClaimedFile(claim_id, folder, inbox_name)

    def exists(self, path: str) -> bool:
        """Whether anything has that name, a dangling link included."""
        return os.path.lexists(os.path.join(self.root, path))

    def identity(self, path: str) -> tuple[int, int] | None:
        """(inode, ctime in ns): differs for another file of the same name. None if there is no file. Raises OSError."""
        try:
            status = os.lstat(os.path.join(self.root, path))
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_ctime_ns

    def is_empty(self, path: str) -> bool:
        """Whether the file has no bytes now. Raises OSError."""
        return os.lstat(os.path.join(self.root, path)).st_size == 0

    def move(self, source: str, target: str) -> bool:
        """Rename, never over another file; True once the file is at `target`, also if an earlier call moved it.

        Raises FileExistsError if another file has the name, OSError if the file system refuses; the file is then
        still at `source`.
        """
        old, new = os.path.join(self.root, source), os.path.join(self.root, target)
        try:
            rename_no_replace(old, new)
        except FileNotFoundError:
            # The file is gone, or its target has no folder yet.
            if not os.path.lexists(old):
                return os.path.lexists(new)
            os.makedirs(os.path.dirname(new), exist_ok=True)
            try:
                rename_no_replace(old, new)
            except FileNotFoundError:
                return os.path.lexists(new)
        self._prune(os.path.dirname(source))
        return True

    def write(self, path: str, content: bytes) -> None:
        """Write a small file, replacing an earlier one; synced to disk before it has its name.

        Raises OSError, leaving no partial file behind.
        """
        final = os.path.join(self.root, path)
        folder = os.path.dirname(final)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, TEMPORARY_PREFIX + secrets.token_hex(8))
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def read(self, path: str, max_bytes: int = 1 << 20) -> bytes:
        """The first `max_bytes` of a small file that a worker wrote, an `.error.json`. Raises OSError (a link too)."""
        descriptor = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(max_bytes)

    def remove(self, path: str) -> None:
        """Remove a file that a worker wrote; does nothing if it is gone. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.root, path))

    def error_files(self) -> Iterator[str]:
        """Paths of all `.error.json` in `review/`, those of discarded letters included."""
        for folder, name in files_below(os.path.join(self.root, REVIEW)):
            if name.endswith(ERROR_SUFFIX):
                yield _join(REVIEW, folder, name)

    def error_files_in(self, folder: str) -> list[str]:
        """Paths of the `.error.json` in that folder of `review/` itself, sorted. Raises OSError."""
        with os.scandir(os.path.join(self.root, REVIEW, folder)) as entries:
            return sorted(_join(REVIEW, folder, entry.name) for entry in entries if entry.name.endswith(ERROR_SUFFIX))

    def temporary_files(self) -> Iterator[str]:
        """Paths of temporary files that a crash left behind."""
        for top in (REVIEW, ARCHIVE):
            for folder, name in files_below(os.path.join(self.root, top)):
                if name.startswith(TEMPORARY_PREFIX):
                    yield _join(top, folder, name)

    def _prune(self, folder: str) -> None:
        """Remove sub-folders of `claimed/` that a move left empty; a claim at the same moment makes them again."""
        while folder.startswith(CLAIMED + "/"):
            try:
                os.rmdir(os.path.join(self.root, folder))
            except OSError:
                return
            folder = os.path.dirname(folder)


def _stated_day(folder: str) -> date | None:
    match = _RECEIVED.fullmatch(folder)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
