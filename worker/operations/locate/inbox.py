"""A file in the inbox: what it waits for, and what will become of it, from how it looks and who holds the intake."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Literal

from worker.adapters.share.completion_rule import CompletionRule
from worker.contract.filenames import MAX_DEPTH, ignore_rule
from worker.processing.dead_letters import READING

State = Literal["ignored", "too deep", "settling", "held", "waiting"]


@dataclass(frozen=True, slots=True)
class InboxRules:
    """What decides about files in the inbox; `completion` aside, see the settings of the same names."""

    completion: CompletionRule
    max_scan_s: float
    max_letter_bytes: int
    incomplete_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a file in the inbox waits for."""

    state: State
    waits_for: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    """What will come of it, where that is no publication."""


def judge(
    path: str,
    status: os.stat_result,
    now_s: float,
    holds: tuple[str, ...],
    rules: InboxRules,
    *,
    has_done_file: bool = False,
) -> Waiting:
    """What the file at `path` (relative to the inbox) waits for; `holds` is what keeps producers from claiming."""
    rule = ignore_rule(path)
    if rule is not None:
        return Waiting("ignored", (f"a name of its own: {rule} means that it is no letter; rename it to have it read",))
    if path.count("/") > MAX_DEPTH:
        return Waiting("too deep", (f"a place less deep: folders below the {MAX_DEPTH}th are not looked into",))
    warnings = _warnings(status, rules)
    done_file = rules.completion.done_file_of(os.path.basename(path))
    if done_file is not None and not has_done_file:
        missing = f"its done-file: {done_file} beside it (IMR_COMPLETE is done-file)"
        return Waiting("settling", (missing, *holds), warnings)
    change = _last_change(status, now_s, rules.completion)
    if change is not None:
        return Waiting("settling", (change, *holds), warnings)
    if holds:
        return Waiting("held", holds, warnings)
    soon = f"a producer to claim it: now, or at its next scan, in {rules.max_scan_s:g} s at most (IMR_MAX_SCAN_SECONDS)"
    return Waiting("waiting", (soon,), warnings)


def written_s(status: os.stat_result) -> float:
    """When the file was written to or came to be where it is, in seconds since 1970, as its file system tells."""
    return max(status.st_mtime, status.st_ctime)


def _last_change(status: os.stat_result, now_s: float, completion: CompletionRule) -> str | None:
    """The quiet time that the file is still in, and when it was written to; None if that time is over.

    Only an estimate, from the file's own time: the producer compares samples on its own clock, and knows whether the
    file was renamed in and so need not wait.
    """
    age_s = now_s - status.st_mtime
    if age_s >= completion.quiet_s:
        return None
    when = f"it was written to {max(age_s, 0):.1f} s ago"
    if age_s < -1:
        when = f"its time is {-age_s:.0f} s ahead of ours, which changes nothing"
    return f"{completion.quiet_s:g} s without a change ({completion.quiet_setting}); {when}"


def _warnings(status: os.stat_result, rules: InboxRules) -> tuple[str, ...]:
    code = _refusal(status, rules)
    return (f"it will go to review as `{code}`: {READING[code]}",) if code else ()


def _refusal(status: os.stat_result, rules: InboxRules) -> str:
    """The code with which a worker will refuse it; empty if its looks say nothing against it."""
    if stat.S_ISLNK(status.st_mode):
        return "symbolic_link"
    if not stat.S_ISREG(status.st_mode):
        return "not_a_regular_file"
    if status.st_nlink > 1:
        return "hard_link"
    if status.st_size > rules.max_letter_bytes:
        return "too_large"
    return "empty" if status.st_size == 0 else ""
