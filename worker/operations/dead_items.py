"""The dead letters of a share, as their `.error.json` files describe them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import orjson

from worker.adapters.share.spool import ClaimedFile, Spool
from worker.contract.claim_ids import is_claim_id, split_claimed_name
from worker.contract.names import DISCARDED, ERROR_SUFFIX, REVIEW

MIN_ID_CHARS: Final = 6
"""Shorter beginnings of an id are not accepted: one wrong digit would find another letter."""

ReviewFolder = Literal["review", "discarded"]


class NoSuchDeadLetter(Exception):
    """No dead letter, or more than one, has an id that begins with these characters."""


@dataclass(frozen=True, slots=True)
class DeadItem:
    """A dead letter as it lies in `review/`."""

    digest: str
    error_path: str
    """Path of its `.error.json`, relative to the share."""
    where: ReviewFolder
    file: ClaimedFile
    report: dict[str, Any]
    """The content of the `.error.json`."""

    @property
    def path(self) -> str:
        """Path of the letter itself."""
        return self.error_path.removesuffix(ERROR_SUFFIX)

    @property
    def replaced_by(self) -> str:
        """Id of the event of a later file with the same name that was published; empty if there is none."""
        later = self.report.get("replaced_by")
        return str(later.get("id", "")) if isinstance(later, dict) else ""


def dead_items(spool: Spool) -> Iterator[DeadItem]:
    """Every dead letter, discarded ones included; an `.error.json` that this software did not write is left out."""
    for path in spool.error_files():
        item = _item(path, error_report(spool, path))
        if item is not None:
            yield item


def find_dead_item(spool: Spool, wanted: str) -> DeadItem:
    """The dead letter whose id begins with these characters, or whose claim id it is.

    Raises `NoSuchDeadLetter` if there is none, or more than one.
    """
    if len(wanted) < MIN_ID_CHARS:
        raise NoSuchDeadLetter(f"{wanted!r} is too short: give at least {MIN_ID_CHARS} characters of the id")
    start = wanted.partition(":")[0].lower()
    items = [item for item in dead_items(spool) if item.digest.startswith(start) or item.file.claim_id == start]
    if not items:
        raise NoSuchDeadLetter(
            f"no dead letter has an id that begins with {start}; `imr dead-letters list --discarded` shows all"
        )
    if len(items) > 1:
        raise NoSuchDeadLetter(f"{len(items)} dead letters have an id that begins with {start}; give more of the id")
    return items[0]


def error_report(spool: Spool, path: str) -> dict[str, Any]:
    """The content of an `.error.json`; empty if it cannot be read."""
    try:
        report = orjson.loads(spool.read(path))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", report) if isinstance(report, dict) else {}


def _item(path: str, report: dict[str, Any]) -> DeadItem | None:
    """The dead letter of an `.error.json`; None if its content is of another kind."""
    digest, claim_id = str(report.get("id", "")).partition(":")[0], str(report.get("claim_id", ""))
    if not digest or not is_claim_id(claim_id):
        return None
    folder, _, stored = path.removesuffix(ERROR_SUFFIX).removeprefix(REVIEW + "/").rpartition("/")
    split = split_claimed_name(stored)
    name = split[1] if split is not None and split[0] == claim_id else stored
    in_discarded = folder == DISCARDED or folder.startswith(DISCARDED + "/")
    # A letter from an inbox folder named `discarded` is not discarded: a discarded letter has its claim id in its name.
    where: ReviewFolder = "discarded" if in_discarded and name != stored else "review"
    if where == "discarded":
        folder = folder[len(DISCARDED) + 1 :]
    return DeadItem(digest, path, where, ClaimedFile(claim_id, folder, name), report)
