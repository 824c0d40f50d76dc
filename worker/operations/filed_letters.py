"""The letters that were filed away in `archive/` and `review/`, in an order in which a check can be continued."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from worker.adapters.share.spool import TEMPORARY_PREFIX, ClaimedFile, Spool
from worker.adapters.share.walk import files_below
from worker.contract.claim_ids import claimed_at_ms, split_claimed_name
from worker.contract.names import ARCHIVE, DUPLICATES, EXTRACTED_SUFFIX, REVIEW
from worker.operations.dead_items import DeadItem
from worker.operations.review import ReviewDesk


@dataclass(frozen=True, slots=True)
class FiledLetter:
    """A letter where it was filed away."""

    file: ClaimedFile
    path: str
    """Relative to the share."""
    place: str
    """Its position in the order of all filed letters: day and claim id, never a name."""
    item: DeadItem | None = None
    """The dead letter, for one in `review/`."""


@dataclass(frozen=True, slots=True)
class CheckWindow:
    """Which filed letters are to be checked."""

    filed_ms: int
    """Those filed (ctime, which a rename sets) or claimed at that time or later, in ms since 1970."""
    oldest: date
    """Day folders of the archive before that day are left out."""


def window_since(ms: int, zone: tzinfo) -> CheckWindow:
    """Letters claimed or filed at that time or later."""
    return CheckWindow(ms, datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1))


class FiledLetters:
    """Finds the filed letters of one share."""

    def __init__(self, spool: Spool, desk: ReviewDesk, on_temporary_file: Callable[[str], object]) -> None:
        """`on_temporary_file` gets the path of each temporary file in the day folders that are read."""
        self._spool = spool
        self._desk = desk
        self._on_temporary_file = on_temporary_file

    def find(self, window: CheckWindow, after: str = "") -> Iterator[FiledLetter]:
        """The letters of the window, in the order of their places, those behind the place `after`. Raises OSError."""
        for day in self._days(window.oldest):
            for letter in self._of_day(day, window.filed_ms):
                if letter.place > after:
                    yield letter
        in_review = [_in_review(item) for item in self._desk.items() if item.where == "review"]
        yield from sorted((letter for letter in in_review if letter.place > after), key=_place)

    def _days(self, oldest: date) -> Iterator[str]:
        """Day folders of the archive, oldest first, as `YYYY/MM/DD`."""
        days = [""]
        for _ in range(3):
            days = [f"{day}/{name}".lstrip("/") for day in days for name in self._numbered_folders(day)]
        return (day for day in days if day >= oldest.isoformat().replace("-", "/"))

    def _numbered_folders(self, folder: str) -> list[str]:
        with os.scandir(os.path.join(self._spool.root, ARCHIVE, folder)) as entries:
            return sorted(
                entry.name for entry in entries if entry.name.isdigit() and entry.is_dir(follow_symlinks=False)
            )

    def _of_day(self, day: str, since_ms: int) -> list[FiledLetter]:
        top = os.path.join(self._spool.root, ARCHIVE, day)
        letters = []
        for folder, name in files_below(top):
            split = split_claimed_name(name)
            path = os.path.join(top, folder, name)
            if name.startswith(TEMPORARY_PREFIX):
                self._on_temporary_file(os.path.relpath(path, self._spool.root))
            if split is None or name.endswith(EXTRACTED_SUFFIX) or folder.split("/")[0] == DUPLICATES:
                continue
            if claimed_at_ms(split[0]) >= since_ms or _ctime_ms(path) >= since_ms:
                file = ClaimedFile(split[0], folder, split[1])
                place = f"{ARCHIVE}/{day}/{split[0]}"
                letters.append(FiledLetter(file, os.path.relpath(path, self._spool.root), place))
        return sorted(letters, key=_place)


def _in_review(item: DeadItem) -> FiledLetter:
    return FiledLetter(item.file, item.path, f"{REVIEW}/{item.file.claim_id}", item)


def _place(letter: FiledLetter) -> str:
    return letter.place


def _ctime_ms(path: str) -> int:
    try:
        return os.lstat(path).st_ctime_ns // 1_000_000
    except FileNotFoundError:
        return 0
