"""What becomes of a letter when a step fails: one table from error to disposition.

| kind         | what failed                               | what becomes of the letter                                |
|--------------|-------------------------------------------|-----------------------------------------------------------|
| `review`     | the letter                                | dead letter at once, with the error's code                |
| `incomplete` | nothing yet: its end may still be written | stays in `claimed/`, its attempt not counted, and is read |
|              |                                           | again; a dead letter (as `review`) after                  |
|              |                                           | `IMR_INCOMPLETE_SECONDS` without a change                 |
| `retry`      | something around it (share, disk, Redis)  | stays in `claimed/`, its attempt not counted; the reaper  |
|              |                                           | hints it again after 1, 2, 4 seconds and so on, at most   |
|              |                                           | `IMR_RETRY_MAX_SECONDS` apart, and at once when the       |
|              |                                           | producer sees that the cause is gone                      |
| `gone`       | nothing: the file is no longer there      | skipped; another worker or a person has moved it          |
| `internal`   | this program, whatever it raised          | dead letter `internal`, logged as an error and counted:   |
|              |                                           | `imr status` shows it until a person has dealt with it    |

A letter that ends its worker (kill, crash, out of memory) raises nothing here: BEGIN counts its attempt before the
work, and after `IMR_MAX_ATTEMPTS` it goes to review as `poison`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from worker.adapters.share.errors import Gone, Unreadable
from worker.letter.errors import LetterError, Violation
from worker.processing.records import RecordDamaged, RecordsUnavailable

Kind = Literal["review", "incomplete", "retry", "gone", "internal"]

_INCOMPLETE_FILE: Final = ("empty", "incomplete")
_INCOMPLETE_LETTER: Final = ("truncated", "no_issues", "decision_counts_differ", "empty_text")
"""Codes of a letter that breaks off: in mid-sentence, before its issues, between two of them, or before its first word.
A whole letter never has one; one that is whole and faulty besides waits a minute for nothing."""
_BARELY_BEGUN_CHARS: Final = 500
"""Up to this length a text may be the beginning of a letter whose layout cannot be recognized yet."""


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
            kind: Kind = "incomplete" if _may_go_on(error.violations) else "review"
            return Disposition(kind, error.code, error.violations[0].message, error.violations)
        case Unreadable():
            return Disposition("incomplete" if error.code in _INCOMPLETE_FILE else "review", error.code, error.message)
        case Gone():
            return Disposition("gone", "gone")
        case RecordsUnavailable():
            return Disposition("retry", "records_unavailable", str(error))
        case RecordDamaged():
            return Disposition("retry", "record_damaged", str(error))
        case OSError():
            # What the file system says about a regular file is about the share, the disk or this machine: the letter
            # itself was refused before (`Unreadable`). The error's text holds the path, so its kind alone is kept.
            return Disposition("retry", "share_unavailable", f"{type(error).__name__} errno={error.errno}")
        case _:
            return Disposition("internal", "internal", type(error).__name__)


def dispose_unless_stopping(error: BaseException, is_stopping: Callable[[], bool]) -> Disposition:
    """The disposition of a letter whose step raised `error`; `error` itself if it ends this process on request.

    `SystemExit` and `KeyboardInterrupt` are raised again while `is_stopping()`: the letter is not at fault, and another
    worker takes it. At any other time they come from the step itself, and would end the worker with every letter in it.
    """
    if isinstance(error, SystemExit | KeyboardInterrupt) and is_stopping():
        raise error
    return dispose(error)


def _may_go_on(violations: tuple[Violation, ...]) -> bool:
    """Whether the letter may only lack what its writer has yet to write."""
    codes = {violation.code for violation in violations}
    if "two_letters" in codes:
        return False
    return not codes.isdisjoint(_INCOMPLETE_LETTER) or any(map(_has_barely_begun, violations))


def _has_barely_begun(violation: Violation) -> bool:
    return violation.code == "unknown_layout" and violation.end is not None and violation.end < _BARELY_BEGUN_CHARS
