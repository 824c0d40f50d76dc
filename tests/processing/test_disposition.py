"""The table from error to disposition: what was the letter's fault, and what was not."""

from __future__ import annotations

import errno

import pytest

from worker.adapters.share.errors import Gone, Unreadable
from worker.extraction import ExtractionUnavailable
from worker.letter.errors import LetterError, Violation
from worker.processing.disposition import Kind, dispose
from worker.processing.records import RecordDamaged, RecordsUnavailable

TRUNCATED = Violation("truncated", "The letter breaks off before its end.")
TWO_LETTERS = Violation("two_letters", "The file holds more than one letter.")
BARELY_BEGUN = Violation("unknown_layout", "No layout that is known.", None, 1, 1, 0, 12)
OF_ANOTHER_KIND = Violation("unknown_layout", "No layout that is known.", None, 1, 1, 0, 1000)
VIOLATION = Violation("issue_without_decision", "The letter decides nothing.")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (LetterError((VIOLATION,)), "review", "issue_without_decision"),
        (Unreadable("no_text", "It is a scan."), "review", "no_text"),
        (Unreadable("incomplete", "It breaks off."), "incomplete", "incomplete"),
        (Unreadable("empty", "It is empty."), "incomplete", "empty"),
        (LetterError((TRUNCATED, VIOLATION)), "incomplete", "truncated"),
        (LetterError((VIOLATION, TRUNCATED)), "incomplete", "issue_without_decision"),
        (LetterError((TWO_LETTERS, TRUNCATED)), "review", "two_letters"),
        (LetterError((BARELY_BEGUN,)), "incomplete", "unknown_layout"),
        (LetterError((OF_ANOTHER_KIND,)), "review", "unknown_layout"),
        (Gone(), "gone", "gone"),
        (RecordsUnavailable("away"), "retry", "records_unavailable"),
        (RecordDamaged("damaged"), "retry", "record_damaged"),
        (ExtractionUnavailable(errno.EAGAIN, "fork"), "retry", "share_unavailable"),
        (OSError(errno.ENOSPC, "No space left on device"), "retry", "share_unavailable"),
        (PermissionError(errno.EACCES, "Permission denied"), "retry", "share_unavailable"),
        (OSError(errno.EMFILE, "Too many open files"), "retry", "share_unavailable"),
        (OSError(errno.EBUSY, "Device or resource busy"), "retry", "share_unavailable"),
        (OSError(errno.ETXTBSY, "Text file busy"), "retry", "share_unavailable"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "retry", "share_unavailable"),
        (OSError(errno.ESTALE, "Stale file handle"), "retry", "share_unavailable"),
        (OSError(errno.EROFS, "Read-only file system"), "retry", "share_unavailable"),
        (TimeoutError(), "retry", "share_unavailable"),
        (MemoryError(), "internal", "internal"),
        (RecursionError(), "internal", "internal"),
        (SystemExit(3), "internal", "internal"),
        (KeyboardInterrupt(), "internal", "internal"),
        (KeyError("x"), "internal", "internal"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "internal", "internal"),
        (LetterError(()), "internal", "internal"),
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
