"""A file in the inbox: what it waits for, and what will become of it. Pure: from its name, its status and the holds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Literal

from worker.adapters.share.completion_rule import CompletionRule
from worker.contract.filenames import MAX_DEPTH, ignore_rule
from worker.processing.dead_letters import READING

InboxState = Literal["ignored", "too deep", "settling", "held", "waiting"]


@dataclass(frozen=True, slots=True)
class InboxRules:
    """What decides about files in the inbox: the completion rule, and the settings of the other names."""

    completion: CompletionRule
    max_scan_s: float
    max_letter_bytes: int
    incomplete_s: float = 60.0


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """The state of a file in the inbox, and what it waits for."""

    state: InboxState
    waits_for: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    """What will become of it, if it is known already that it will not be published."""


def inbox_status(
    path: str,
    status: os.stat_result,
    now_s: float,
    holds: tuple[str, ...],
    rules: InboxRules,
    *,
    has_done_file: bool = False,
) -> InboxStatus:
    """The state of the file at `path` (relative to the inbox); `holds` is what keeps producers from claiming."""
    rule = ignore_rule(path)
    if rule is not None:
        return InboxStatus("ignored", (f"another name: files named {rule} are ignored; rename it to have it read",))
    if path.count("/") > MAX_DEPTH:
        why = f"another place: files more than {MAX_DEPTH} folders deep are ignored; move it up to have it read"
        return InboxStatus("too deep", (why,))
    warnings = _warnings(status, rules)
    done_file = rules.completion.done_file_of(os.path.basename(path))
    if done_file is not None and not has_done_file:
        missing = f"its done-file: {done_file} beside it (IMR_COMPLETE is done-file)"
        return InboxStatus("settling", (missing, *holds), warnings)
    change = _last_change(status, now_s, rules.completion)
    if change is not None:
        return InboxStatus("settling", (change, *holds), warnings)
    if holds:
        return InboxStatus("held", holds, warnings)
    soon = f"a producer to claim it: now, or at its next scan, in {rules.max_scan_s:g} s at most (IMR_MAX_SCAN_SECONDS)"
    return InboxStatus("waiting", (soon,), warnings)


def written_s(status: os.stat_result) -> float:
    """When the file was written or moved there, in seconds since 1970, on the clock of its file system."""
    return max(status.st_mtime, status.st_ctime)


def _last_change(status: os.stat_result, now_s: float, completion: CompletionRule) -> str | None:
    """The quiet time that the file is still in, and when it was written; None if that time is over.

    Only an estimate, from the file's own time: the producer compares samples on its own clock, and knows whether the
    file was renamed in and so need not wait.
    """
    age_s = now_s - status.st_mtime
    if age_s >= completion.quiet_s:
        return None
    when = f"it was written to {max(age_s, 0):.1f} s ago"
    if age_s < -1:
        when = f"its time is {-age_s:.0f} s ahead of this machine's clock, which does no harm"
    return f"{completion.quiet_s:g} s without a change ({completion.quiet_setting}); {when}"


def _warnings(status: os.stat_result, rules: InboxRules) -> tuple[str, ...]:
    code = _refusal(status, rules)
    return (f"it will go to review as `{code}`: {READING[code]}",) if code else ()


def _refusal(status: os.stat_result, rules: InboxRules) -> str:
    """The code with which a worker will refuse it; empty if its status gives no reason to."""
    if stat.S_ISLNK(status.st_mode):
        return "symbolic_link"
    if not stat.S_ISREG(status.st_mode):
        return "not_a_regular_file"
    if status.st_nlink > 1:
        return "hard_link"
    if status.st_size > rules.max_letter_bytes:
        return "too_large"
    return "empty" if status.st_size == 0 else ""
