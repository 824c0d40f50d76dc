"""What becomes of a letter when a step fails: one table from error to disposition.

| kind     | what failed                                  | what becomes of the letter                              |
|----------|----------------------------------------------|---------------------------------------------------------|
| `review` | the letter                                   | dead letter at once, with the error's code              |
| `unwhole`| nothing yet: its end may still be written    | stays in `claimed/`, its attempt not counted, is read   |
|          |                                              | again; after `IMR_INCOMPLETE_SECONDS` without a change  |
|          |                                              | as `review`                                             |
| `retry`  | something around it (share, disk, Redis)     | stays in `claimed/`, its attempt not counted; the reaper|
|          |                                              | hints it again until the cause is gone: after 1, 2, 4   |
|          |                                              | seconds and so on, at most `IMR_RETRY_MAX_SECONDS`      |
|          |                                              | apart, and at once when the producer saw the cause go   |
| `gone`   | nothing: the file is no longer there         | skipped; whoever moved it answers for it                |
| `ours`   | this program, whatever it raised             | dead letter `internal`, logged as an error and counted: |
|          |                                              | `imr status` shows it until somebody has seen to it     |

A letter that ends its worker (kill, crash, out of memory) raises nothing here: BEGIN counts its attempt before the
work, and after `IMR_MAX_ATTEMPTS` it goes to review as `poison`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from worker.adapters.share.errors import Gone, Unreadable
from worker.letter.errors import LetterError, Violation
from worker.processing.records import RecordDamaged, RecordsUnavailable

Kind = Literal["review", "unwhole", "retry", "gone", "ours"]

_UNWHOLE_FILE: Final = ("empty", "incomplete")
_UNWHOLE_LETTER: Final = ("truncated", "no_issues", "decision_counts_differ", "empty_text")
"""What a letter is refused for that breaks off: in mid-sentence, before its issues, between two of them, or before its
first word. A whole letter never is; one that has a fault of its own besides waits in vain, for a minute."""
_BARELY_BEGUN_CHARS: Final = 500
"""A text of another kind is longer than the few words by which no layout can be told yet."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What becomes of the letter: see the table above; `code` is stable, `message` holds no words of the letter."""

    kind: Kind
    code: str
    message: str = ""
    violations: tuple[Violation, ...] = ()


def dispose(error: BaseException) -> Disposition:
    """The disposition of a letter whose step raised `error`."""
    match error:
        case LetterError() if error.violations:
            kind: Kind = "unwhole" if _may_go_on(error.violations) else "review"
            return Disposition(kind, error.code, error.violations[0].message, error.violations)
        case Unreadable():
            return Disposition("unwhole" if error.code in _UNWHOLE_FILE else "review", error.code, error.message)
        case Gone():
            return Disposition("gone", "gone")
        case RecordsUnavailable():
            return Disposition("retry", "records_unavailable", str(error))
        case RecordDamaged():
            return Disposition("retry", "record_damaged", str(error))
        case OSError():
            # Whatever the file system says about a regular file is about the share, the disk or this machine: the
            # letter itself was refused before (`Unreadable`). The error's text holds the path: its kind is told alone.
            return Disposition("retry", "share_unavailable", f"{type(error).__name__} errno={error.errno}")
        case _:
            # MemoryError, RecursionError, SystemExit and KeyboardInterrupt included: raised inside a letter's step they
            # are about it. A worker that is told to stop is told by signals that it handles outside of any step.
            return Disposition("ours", "internal", type(error).__name__)


def _may_go_on(violations: tuple[Violation, ...]) -> bool:
    """Whether the letter may only lack what its writer has yet to write."""
    codes = {one.code for one in violations}
    if "two_letters" in codes:
        return False
    return not codes.isdisjoint(_UNWHOLE_LETTER) or any(_has_barely_begun(one) for one in violations)


def _has_barely_begun(one: Violation) -> bool:
    return one.code == "unknown_layout" and one.end is not None and one.end < _BARELY_BEGUN_CHARS
