"""What becomes of a letter when a step fails: one table from error to disposition.

| kind     | what failed                                  | what becomes of the letter                              |
|----------|----------------------------------------------|---------------------------------------------------------|
| `review` | the letter                                   | dead letter at once, with the error's code              |
| `retry`  | something around it (share, disk, Redis)     | stays in `claimed/`, its attempt not counted; the reaper|
|          |                                              | hints it again until the cause is gone                  |
| `gone`   | nothing: the file is no longer there         | skipped; whoever moved it answers for it                |
| `ours`   | this program                                 | dead letter `internal`, logged as an error              |

A letter that ends its worker (kill, crash, out of memory) raises nothing here: BEGIN counts its attempt before the
work, and after `IMR_MAX_ATTEMPTS` it goes to review as `poison`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from worker.letter.errors import LetterError, Violation
from worker.reading import Gone, Unreadable
from worker.records.model import RecordDamaged, RecordsUnavailable

Kind = Literal["review", "retry", "gone", "ours"]


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
            return Disposition("review", error.code, error.violations[0].message, error.violations)
        case Unreadable():
            return Disposition("review", error.code, error.message)
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
            # MemoryError, RecursionError and SystemExit included: raised inside a letter's step they are about it.
            return Disposition("ours", "internal", type(error).__name__)
