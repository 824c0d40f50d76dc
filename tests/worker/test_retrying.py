"""The table from error to disposition: what was the letter's fault, and what was not."""

from __future__ import annotations

import errno

import pytest

from worker.letter.errors import LetterError, Violation
from worker.reading import Gone, ReaderUnavailable, Unreadable
from worker.records.model import RecordDamaged, RecordsUnavailable
from worker.retrying import Kind, dispose

VIOLATION = Violation("no_issues", "The letter decides nothing.")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (LetterError((VIOLATION,)), "review", "no_issues"),
        (Unreadable("no_text", "It is a scan."), "review", "no_text"),
        (Gone(), "gone", "gone"),
        (RecordsUnavailable("away"), "retry", "records_unavailable"),
        (RecordDamaged("damaged"), "retry", "record_damaged"),
        (ReaderUnavailable(errno.EAGAIN, "fork"), "retry", "share_unavailable"),
        (OSError(errno.ENOSPC, "No space left on device"), "retry", "share_unavailable"),
        (PermissionError(errno.EACCES, "Permission denied"), "retry", "share_unavailable"),
        (OSError(errno.EMFILE, "Too many open files"), "retry", "share_unavailable"),
        (TimeoutError(), "retry", "share_unavailable"),
        (MemoryError(), "ours", "internal"),
        (RecursionError(), "ours", "internal"),
        (SystemExit(3), "ours", "internal"),
        (KeyError("x"), "ours", "internal"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "ours", "internal"),
        (LetterError(()), "ours", "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_disposition(error: BaseException, kind: Kind, code: str) -> None:
    found = dispose(error)
    assert (found.kind, found.code) == (kind, code)


def test_every_violation_goes_along() -> None:
    violations = (VIOLATION, Violation("other", "Another."))
    assert dispose(LetterError(violations)).violations == violations
    assert dispose(LetterError(violations)).message == VIOLATION.message


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "I/O error", "claimed/Quackenbush.pdf"),
        FileExistsError(errno.EEXIST, "File exists", "a/Quackenbush.pdf", None, "b/Quackenbush.pdf"),
        ValueError("Quackenbush"),
        KeyError("Quackenbush"),
        UnicodeEncodeError("ascii", "Quackenbush", 0, 1, "ordinal not in range"),
    ],
)
def test_no_name_and_no_word_is_in_what_is_told(error: BaseException) -> None:
    assert "Quackenbush" not in repr(dispose(error))
