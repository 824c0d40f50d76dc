"""Claiming: complete letters move from `inbox/` to `claimed/`, each by one rename, as many as admission allows.

A claim is sole ownership of a file under a fresh claim id. rename(2) is atomic: of two producers, on any hosts, one
moves the file and the other finds it gone. Nothing is opened, and a link, a FIFO or a device is moved as what it is: a
worker examines it, and it ends in review with a reason.

`Claimer` renames one file. `ClaimGate` asks admission (`producer.policy`), and claims in order of arrival what it
admits; the rest stays in the inbox.
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

RENAME_ATTEMPTS: Final = 10
"""Workers prune a folder of `claimed/` whenever it is empty, so it can vanish between its creation and the rename. That
is a matter of microseconds, and does not happen this often in a row."""
STEP_LETTERS: Final = 200
"""Letters claimed before their hint is sent: workers begin while the rest of a burst is being claimed."""
ADMISSION_VALID_S: Final = 2.0
"""How long an admission that still has room stays valid: each new one lists a folder and asks Redis."""
HELD_POLL_S: Final = 0.05
"""While letters wait in the inbox and admission holds them, it is asked again after this time at the earliest."""
HELD_POLL_FACTOR: Final = 20
"""And after this many times what the last answer took: a large folder or a slow share is asked less often."""
HELD_POLL_MAX_S: Final = 5.0
"""But no later: one answer that ran into the timeout of a server would hold the intake for minutes after it is back."""


class Claimer:
    """Claims files of one share."""

    def __init__(self, share: str, wall_clock_ms: Callable[[], int], *, with_done_files: bool = False) -> None:
        """`with_done_files`: a claim removes `<name>.done` too, after it has moved the letter.

        In that order a crash in between leaves a done-file without a letter, never a letter without its done-file.
        """
        self.inbox: Final = os.path.join(share, INBOX)
        self._claimed = os.path.join(share, CLAIMED)
        self._now_ms = wall_clock_ms
        self._with_done_files = with_done_files

    def claim(self, path: str) -> str | None:
        """Move the file `path` (relative to the inbox) to `claimed/`; its claim id, or None if the file was gone.

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
        for _ in range(RENAME_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, renamed, src_dir_fd=source)
                if _is_file(renamed):
                    return claim_id
                # A folder took the file's place in this very moment. In claimed/ no worker would look into it.
                _put_back(renamed, source, name)
                return None
            if not _is_in(source, name):
                return None
            # The folder in claimed/ is made on first use.
            with contextlib.suppress(FileNotFoundError):
                os.makedirs(target, exist_ok=True)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _is_file(path: str) -> bool:
    """Whether it is no folder; links are not followed. A file that is gone was one: a worker has filed it already."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _put_back(renamed: str, folder: int, name: str) -> None:
    """Back to the inbox: by its own name, or by the claimed one if its own is taken by now."""
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
        self.absence: str | None = None
        """Why the share cannot be used, set by the loop: nothing is claimed then. None if it can."""
        self.claimed = 0
        """Files in `claimed/` at the last count, and those claimed since."""

    @property
    def hold(self) -> str | None:
        """What keeps letters in the inbox; None if nothing does."""
        return self._admission.reason

    @property
    def blocks_workers(self) -> bool:
        """Whether what keeps letters in the inbox is in the way of workers too."""
        return self._admission.blocks_workers

    def claim(self) -> dict[str, int]:
        """Claim complete letters in order of arrival: claim ids, each with how much work it is (see `work_of`)."""
        if not self._inbox.has_complete():
            return {}
        self.refresh()
        claimed: dict[str, int] = {}
        failed = Counter[int | None]()
        for path in self._inbox.take_complete(min(self._admission.letters, STEP_LETTERS)):
            try:
                claim_id = self._claimer.claim(path)
            except OSError as error:
                failed[error.errno] += 1
                self._inbox.claim_failed()
            else:
                claimed |= {claim_id: work_of(path)} if claim_id is not None else {}
        self._count(len(claimed))
        _log_failed(failed)
        return claimed

    def refresh(self) -> None:
        """Ask admission again, unless its last answer is still valid."""
        began_s = self._now_s()
        if began_s < self._valid_until_s:
            return
        self._admission = admit(self._gauges.load(self._count_claimed()), self._limits, self.absence)
        now_s = self._now_s()
        held_s = min(max(HELD_POLL_S, HELD_POLL_FACTOR * (now_s - began_s)), HELD_POLL_MAX_S)
        self._open_until_s, self._held_until_s = now_s + ADMISSION_VALID_S, now_s + held_s

    def idle_s(self) -> float:
        """How long no letter can be claimed, in seconds; infinite if none is complete."""
        if not self._inbox.has_complete():
            return float("inf")
        return 0.0 if self._admission.letters > 0 else max(0.0, self._held_until_s - self._now_s())

    @property
    def _valid_until_s(self) -> float:
        return self._open_until_s if self._admission.letters > 0 else self._held_until_s

    def _count_claimed(self) -> int | None:
        try:
            self.claimed = count_claimed(self._share)
        except OSError:
            return None
        return self.claimed

    def _count(self, letters: int) -> None:
        """These letters are claimed, and use up what was admitted."""
        self.claimed += letters
        self._admission = replace(self._admission, letters=self._admission.letters - letters)


def _log_failed(failed: Counter[int | None]) -> None:
    """Letters that could not be renamed, by errno: permission, a sharing violation, a full disk.

    They are still in the inbox: the next scan finds them again.
    """
    for code, letters in failed.items():
        log.warning("not claimed letters=%d (errno=%s); they stay in the inbox and will be retried", letters, code)
