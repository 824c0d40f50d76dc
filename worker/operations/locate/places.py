"""Places in a share: what a path says about its file, and where the file of a name or a claim is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final, Literal

from worker.adapters.share.spool import Spool
from worker.adapters.share.walk import files_below
from worker.contract.claim_ids import arrival_day, split_claimed_name
from worker.contract.names import (
    ARCHIVE,
    CLAIMED,
    DISCARDED,
    DUPLICATES,
    ERROR_SUFFIX,
    EXTRACTED_SUFFIX,
    INBOX,
    REVIEW,
    SIDECAR_SUFFIXES,
)
from worker.operations.dead_items import error_report

LetterFolder = Literal["inbox", "claimed", "archive", "review", "discarded", "duplicates"]

_SIDECAR_SUFFIXES: Final = (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX)
_DAY_PARTS: Final = 3
"""`archive/YYYY/MM/DD/`"""


@dataclass(frozen=True, slots=True)
class Place:
    """A file in the share, as far as its path shows."""

    where: LetterFolder
    path: str
    """Relative to the share."""
    folder: str
    """The inbox sub-folder it came from; `''` for the inbox itself."""
    name: str
    """The name it had in the inbox, or a shortened one."""
    claim_id: str | None
    """None in the inbox, and in `review/` where the letter has its own name."""


def place_of(path: str) -> Place | None:
    """The place of a path relative to the share; None where no letters are. A sidecar file has its letter's place."""
    path = _letter_of(path)
    top, _, rest = path.partition("/")
    folder, _, stored = rest.rpartition("/")
    if not stored:
        return None
    claim_id, name = split_claimed_name(stored) or (None, stored)
    if top == INBOX:
        return Place("inbox", path, folder, stored, None)
    if top == CLAIMED and claim_id is not None:
        return Place("claimed", path, folder, name, claim_id)
    if top == ARCHIVE and claim_id is not None:
        return _archived(path, folder, name, claim_id)
    return _reviewed(path, folder, stored, name, claim_id) if top == REVIEW else None


def _letter_of(path: str) -> str:
    # Sidecar files have the letter's name and a suffix; a letter whose own name has that suffix is never claimed.
    suffix = next((suffix for suffix in _SIDECAR_SUFFIXES if path.endswith(suffix)), "")
    return path.removesuffix(suffix) if not path.startswith(f"{INBOX}/") else path


def _archived(path: str, folder: str, name: str, claim_id: str) -> Place | None:
    parts = folder.split("/")
    if len(parts) < _DAY_PARTS:
        return None
    inner = parts[_DAY_PARTS:]
    if inner[:1] == [DUPLICATES]:
        return Place("duplicates", path, "/".join(inner[1:]), name, claim_id)
    return Place("archive", path, "/".join(inner), name, claim_id)


def _reviewed(path: str, folder: str, stored: str, name: str, claim_id: str | None) -> Place:
    top, _, inner = folder.partition("/")
    # A letter from an inbox folder named `discarded` is not discarded: a discarded letter has its claim id in its name.
    if claim_id is not None and top == DISCARDED:
        return Place("discarded", path, inner, name, claim_id)
    if claim_id is not None and top == DUPLICATES:
        return Place("duplicates", path, inner, name, claim_id)
    return Place("review", path, folder, name if claim_id is not None else stored, claim_id)


class FileFinder:
    """Finds the files of one share."""

    def __init__(self, spool: Spool, zone: tzinfo) -> None:
        self._spool = spool
        self._zone = zone

    def at(self, given: str) -> str | None:
        """The path of a file relative to the share, from a path as people give it; None if there is no such file.

        Absolute, or relative to the current folder, the share or the inbox.
        """
        root = os.path.realpath(self._spool.root)
        whole = os.path.abspath(given)
        folder = os.path.realpath(os.path.dirname(whole))
        for base in (os.path.abspath(self._spool.root), root):
            if whole.startswith(base + os.sep):
                return self._if_there(whole[len(base) + 1 :])
        if (folder + os.sep).startswith(root + os.sep):
            return self._if_there(os.path.relpath(os.path.join(folder, os.path.basename(whole)), root))
        if os.path.isabs(given):
            return None
        inside = os.path.normpath(given)
        return self._if_there(inside) or self._if_there(f"{INBOX}/{inside}")

    def _if_there(self, path: str) -> str | None:
        full = os.path.join(self._spool.root, path)
        is_file = os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full))
        return path if is_file and not path.startswith("..") else None

    def of_claim(self, claim_id: str) -> list[Place]:
        """The file of a claim, in whatever folder it is by now."""
        day = arrival_day(claim_id, self._zone).strftime("%Y/%m/%d")
        tops = (CLAIMED, f"{ARCHIVE}/{day}", REVIEW)
        places = [place for top in tops for place in self._below(top) if place.claim_id == claim_id]
        return places or [place for place in self._below(REVIEW) if self.report(place).get("claim_id") == claim_id]

    def of_name(self, given: str) -> list[Place]:
        """Files that had this name, or this path below the inbox, when they were dropped."""
        folder, name = os.path.split(_below_inbox(os.path.normpath(given)))
        tops = (INBOX, CLAIMED, REVIEW, ARCHIVE)
        return [
            place
            for top in tops
            for place in self._below(top)
            if place.name == name and (not folder or place.folder == folder or place.folder.endswith(f"/{folder}"))
        ]

    def _below(self, top: str) -> Iterator[Place]:
        """Every letter below a folder of the share; none if there is no such folder."""
        try:
            for folder, stored in files_below(os.path.join(self._spool.root, top)):
                path = "/".join(part for part in (top, folder, stored) if part)
                place = place_of(path)
                if place is not None and place.path == path:
                    yield place
        except FileNotFoundError:
            return

    def report(self, place: Place) -> dict[str, Any]:
        """The content of the `.error.json` beside a dead letter; empty if there is none."""
        return error_report(self._spool, place.path + ERROR_SUFFIX)

    def of_dead_letter(self, digest_start: str) -> list[Place]:
        """Dead letters whose id, as their `.error.json` has it, begins with these characters."""
        places = [place for path in self._spool.error_files() if (place := place_of(path)) is not None]
        return [place for place in places if str(self.report(place).get("id")).startswith(digest_start)]


def _below_inbox(given: str) -> str:
    """What follows the last `inbox/` of a path: where a file was dropped that has been moved since."""
    return given.rpartition(f"{INBOX}/")[2]
