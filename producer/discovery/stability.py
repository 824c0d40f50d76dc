"""Which files are complete: decided from how they looked and when, on our own clock, without looking at anything.

A file renamed into the inbox is complete at once. One that is written in place is complete after it has looked the
same for the quiet time: size, both times, inode and link count. Only differences between samples count, never the
times themselves: the clock of a file server may be an hour off.

When a file is complete: the three ways to tell, of which an installation chooses one (`IMR_COMPLETE`).

`quiet`: renamed in, or unchanged for the quiet time. `renamed`: the same, with a quiet time of its own that is long,
for whatever is not known to have been renamed. `done-file`: `x.pdf` is a letter once `x.pdf.done` lies beside it; one
that was there before we looked, or came unheard, is not trusted further than the quiet time: it can be left over from
an earlier letter of that name.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from worker.adapters.share.file_sample import FileSample
from worker.contract.filenames import DONE_SUFFIX, may_be_letter
from worker.contract.settings import Complete

_SINCE: Final = struct.Struct("=d")


class StabilityTracker:
    """The files of an inbox that are not complete yet."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._watched: dict[str, bytes] = {}
        """Since when they look as they do, on the monotonic clock, and how; in the order of the times: each change puts
        a file behind the others. Packed, which takes a quarter of the room."""

    def observe(self, path: str, sample: FileSample, now_s: float) -> bool:
        """Take a sample of a file; whether it is complete. `now_s` never goes back."""
        known, looks = self._watched.get(path), sample.looks
        if known is None or known[_SINCE.size :] != looks:
            self.forget(path)
            self._watched[path] = known = _SINCE.pack(now_s) + looks
        return now_s - _since_s(known) >= self._quiet_s

    def forget(self, path: str) -> None:
        """The file was claimed, or is gone."""
        self._watched.pop(path, None)

    def due(self, now_s: float) -> list[str]:
        """Files that are complete if they still look the same: to be looked at again now.

        Longest quiet first, and those of the same moment in the order in which they were observed.
        """
        ripe = takewhile(lambda one: now_s - _since_s(one[1]) >= self._quiet_s, self._watched.items())
        return [path for path, _ in ripe]

    def next_due_s(self) -> float | None:
        """When the next file may be complete, on the monotonic clock; None if none is waiting."""
        first = next(iter(self._watched.values()), None)
        return _since_s(first) + self._quiet_s if first is not None else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._watched)

    def __contains__(self, path: str) -> bool:
        return path in self._watched

    def __len__(self) -> int:
        return len(self._watched)


def _since_s(watched: bytes) -> float:
    since_s: float = _SINCE.unpack_from(watched)[0]
    return since_s


@dataclass(frozen=True, slots=True)
class CompletionRule:
    """The way of one installation."""

    mode: Complete
    quiet_s: float
    """How long a file that is not known to be complete must stay unchanged, in seconds."""

    def letter_at(self, path: str) -> str | None:
        """The letter that a file at that path speaks for; None if it says nothing of any."""
        if self.mode == "done-file":
            letter = path.removesuffix(DONE_SUFFIX)
            is_named = letter != path and not letter.endswith("/") and letter != ""
            return letter if is_named and may_be_letter(letter) else None
        return path if may_be_letter(path) else None

    def is_told_by(self, *, renamed_in: bool) -> bool:
        """Whether an event of the file that speaks for a letter says that the letter is complete."""
        return renamed_in or self.mode == "done-file"
