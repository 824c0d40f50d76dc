"""Sole ownership of a file by one rename: from `inbox/` to `claimed/` under a fresh claim id.

rename(2) is atomic: of two producers, on whatever hosts, one moves the file and the other finds it gone. Nothing is
opened, and a link, a FIFO or a device is moved as what it is: a worker judges it, and it ends in review with a reason.

Claiming complete files, as many as admission allows; the rest stays in the inbox.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from producer.discovery.inbox import InboxIndex
from producer.dispatch import work_of
from producer.policy import Admission, AdmissionLimits, admit
from producer.reaper import count_claimed
from producer.reporting import Gauges
from worker.adapters.share.walk import open_below
from worker.contract.claim_ids import SEPARATOR, new_claim_id
from worker.contract.filenames import DONE_SUFFIX
from worker.contract.names import CLAIMED, INBOX, stored_name

log = logging.getLogger("imr.producer")

_TRIES: Final = 10
"""Workers prune a folder of `claimed/` whenever it is empty, so it can vanish between its making and the rename: a
matter of microseconds, not lost so often in a row."""


class Claimer:
    """Claims files of one share."""

    def __init__(self, share: str, wall_clock_ms: Callable[[], int], *, with_done_files: bool = False) -> None:
        """`with_done_files`: a claim takes `<name>.done` away too, once it has the letter.

        In that order a crash in between leaves a done-file without a letter, never a letter that nothing speaks for.
        """
        self.inbox: Final = os.path.join(share, INBOX)
        self._claimed = os.path.join(share, CLAIMED)
        self._now_ms = wall_clock_ms
        self._with_done_files = with_done_files

    def claim(self, path: str) -> str | None:
        """Move the file `path` (relative to the inbox) to `claimed/`; its claim id, or None if it was gone.

        Raises OSError if the file system refuses; the file is then still in the inbox, and the next scan finds it.
        """
        folder, name = os.path.split(path)
        try:
            source = open_below(self.inbox, folder, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.isdir(self.inbox):
                raise
            return None
        try:
            claim_id = self._claim(source, folder, name)
            if claim_id is not None and self._with_done_files:
                with contextlib.suppress(OSError):
                    os.unlink(name + DONE_SUFFIX, dir_fd=source)
        finally:
            os.close(source)
        return claim_id

    def _claim(self, source: int, folder: str, name: str) -> str | None:
        claim_id = new_claim_id(self._now_ms())
        target = os.path.join(self._claimed, folder)
        renamed = os.path.join(target, stored_name(name, claim_id + SEPARATOR))
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, renamed, src_dir_fd=source)
                if _is_file(renamed):
                    return claim_id
                # A folder took the file's place in this very moment. In claimed/ nobody would look into it.
                _put_back(renamed, source, name)
                return None
            if not _is_in(source, name):
                return None
            # The folder in claimed/ is made on first use.
            with contextlib.suppress(FileNotFoundError):
                os.makedirs(target, exist_ok=True)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _is_file(path: str) -> bool:
    """Whether it is no folder; links are not followed. What a worker has filed away already was none."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _put_back(renamed: str, folder: int, name: str) -> None:
    """Back to the inbox: by its own name, or by the claimed one if that is taken by now."""
    try:
        os.rename(renamed, name, dst_dir_fd=folder)
    except OSError:
        os.rename(renamed, os.path.basename(renamed), dst_dir_fd=folder)


def _is_in(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


HELD_POLL_S: Final = 0.05
"""How soon a full `claimed/` is looked at again while the inbox waits, at the soonest."""
HELD_POLL_COSTS: Final = 20
"""And after so many times what the last look took: of a large folder, or a slow share, it takes its time."""
HELD_POLL_MAX_S: Final = 5.0
"""But no later: a look that ran into the time limit of a server that is back would hold the intake for minutes."""
STEP_LETTERS: Final = 200
"""So many are claimed before their hint is sent: workers begin while the rest of a flood is being claimed."""
OPEN_POLL_S: Final = 2.0
"""How long an answer of admission holds that still has room: each question lists a folder and asks Redis."""


class ClaimGate:
    """The gate between `inbox/` and `claimed/`."""

    def __init__(
        self,
        *,
        share: str,
        inbox: InboxIndex,
        claimer: Claimer,
        gauges: Gauges,
        limits: AdmissionLimits,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._share = share
        self._inbox = inbox
        self._claimer = claimer
        self._gauges = gauges
        self._limits = limits
        self._now_s = monotonic_s
        self._admission = Admission(0, None)
        self._open_until_s = self._held_until_s = float("-inf")
        self.told: str | None = None
        """A reason not to claim that does not come from the load, set by the loop."""
        self.claimed = 0
        """Files in `claimed/`, as last counted, and those claimed since."""

    @property
    def hold(self) -> str | None:
        """What keeps files in the inbox; None if nothing does."""
        return self._admission.reason

    @property
    def is_hindered(self) -> bool:
        """Whether what keeps files in the inbox keeps workers from theirs too."""
        return self._admission.is_hindrance

    def claim(self) -> dict[str, int]:
        """Claim complete files in order of arrival; the claim ids, each with how much work it is."""
        if not self._inbox.has_complete():
            return {}
        self.ask()
        claimed: dict[str, int] = {}
        failed = Counter[int | None]()
        for path in self._inbox.take(min(self._admission.letters, STEP_LETTERS)):
            try:
                claim_id = self._claimer.claim(path)
            except OSError as error:
                failed[error.errno] += 1
                self._inbox.give_up()
            else:
                claimed |= {claim_id: work_of(path)} if claim_id is not None else {}
        self._count(len(claimed), failed)
        return claimed

    def ask(self) -> None:
        """Ask admission afresh, unless the last answer still holds."""
        if self._now_s() < self._answered_until_s:
            return
        began_s = self._now_s()
        self._admission = admit(self._gauges.load(self._count_claimed()), self._limits, self.told)
        now_s = self._now_s()
        held_s = min(max(HELD_POLL_S, HELD_POLL_COSTS * (now_s - began_s)), HELD_POLL_MAX_S)
        self._open_until_s, self._held_until_s = now_s + OPEN_POLL_S, now_s + held_s

    @property
    def _answered_until_s(self) -> float:
        return self._open_until_s if self._admission.letters > 0 else self._held_until_s

    def idle_s(self) -> float:
        """How long no file can be claimed that is complete; infinite if none is."""
        if not self._inbox.has_complete():
            return float("inf")
        return 0.0 if self._admission.letters > 0 else max(0.0, self._held_until_s - self._now_s())

    def _count_claimed(self) -> int | None:
        try:
            self.claimed = count_claimed(self._share)
        except OSError:
            return None
        return self.claimed

    def _count(self, claimed: int, failed: Counter[int | None]) -> None:
        self.claimed += claimed
        self._admission = replace(self._admission, letters=self._admission.letters - claimed)
        for code, letters in failed.items():
            # Still in the inbox: permission, a sharing violation, a full disk. The next scan finds them again.
            log.warning("not claimed letters=%d (errno=%s); they stay in the inbox and are tried again", letters, code)
