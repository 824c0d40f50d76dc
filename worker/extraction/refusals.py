"""Refusals: why a PDF has no text, in words for a claims examiner: what happened, and what to do."""

from __future__ import annotations

import signal

from worker.adapters.share.errors import Unreadable
from worker.extraction.limits import MIB, ReadLimits
from worker.extraction.pdf.process import ProcessExit
from worker.extraction.pdf.protocol import OUT_OF_MEMORY_EXIT, PdfAnswer, ReadOutcome
from worker.extraction.plain_text import too_much_text

_NEW_COPY = "Ask the sender for another copy, or print it to a new PDF, and put that into the inbox."


def refused(answer: PdfAnswer, limits: ReadLimits) -> Unreadable:
    """The refusal for an answer without text."""
    match answer.outcome:
        case ReadOutcome.PASSWORD_PROTECTED:
            return _password_protected()
        case ReadOutcome.NO_TEXT:
            return _no_text(answer)
        case ReadOutcome.TOO_MANY_PAGES:
            return _too_many_pages(answer.pages, limits.max_pages)
        case ReadOutcome.TOO_MUCH_TEXT:
            return too_much_text(limits.max_text_chars)
        case ReadOutcome.DAMAGED:
            return _damaged()
        case _:
            return _crashed()


def timed_out(limits: ReadLimits) -> Unreadable:
    """The refusal of a PDF that took too long."""
    return Unreadable(
        "read_timeout",
        f"Reading this PDF was stopped after {limits.timeout_s:g} seconds; a letter takes less than one. The file is "
        f"probably damaged, or made to do harm. {_NEW_COPY}",
    )


def died(end: ProcessExit, limits: ReadLimits) -> Unreadable:
    """The refusal of a PDF over which the reading process died; `end` says how it died."""
    if end.code == -signal.SIGXCPU:
        return timed_out(limits)
    if end.code == OUT_OF_MEMORY_EXIT or end.peak_bytes > limits.memory_bytes // 2:  # PDFium aborts when refused
        return _too_much_memory(limits)
    return _crashed()


def incomplete() -> Unreadable:
    """The refusal of a file that breaks off before its end, or has parts that were not written yet."""
    return Unreadable(
        "incomplete",
        f"This file breaks off before its end, or parts of it were never written. {_NEW_COPY}",
    )


def _password_protected() -> Unreadable:
    return Unreadable(
        "password_protected",
        "This PDF cannot be opened without a password. Open it with the password, print it to a new PDF without one, "
        "and put that into the inbox.",
    )


def _no_text(answer: PdfAnswer) -> Unreadable:
    pages = "1 page" if answer.pages == 1 else f"{answer.pages} pages"
    shown = "and holds pictures instead of text: it is a scan" if answer.picture_pages else "and no text on any of them"
    return Unreadable(
        "no_text",
        f"This PDF has {pages} {shown}. Have its text recognized (OCR), save it as a searchable PDF, and put that "
        "into the inbox.",
    )


def _too_many_pages(pages: int, max_pages: int) -> Unreadable:
    return Unreadable(
        "too_many_pages",
        f"This PDF has {pages:,} pages; a letter has no more than {max_pages}. Take the letter out of it and put that "
        "into the inbox; if it holds several letters, each as a file of its own.",
    )


def _damaged() -> Unreadable:
    return Unreadable("damaged_pdf", f"This PDF is damaged or incomplete and cannot be read as a whole. {_NEW_COPY}")


def _too_much_memory(limits: ReadLimits) -> Unreadable:
    return Unreadable(
        "read_memory",
        f"Reading this PDF was stopped because it needs more than the {limits.memory_bytes // MIB} MiB of memory "
        "allowed; a letter needs less than a tenth of that. The file is probably damaged, or made to do harm. "
        f"{_NEW_COPY}",
    )


def _crashed() -> Unreadable:
    return Unreadable(
        "reader_crashed",
        f"The program that reads PDFs broke down over this one. The file is probably damaged. {_NEW_COPY}",
    )
