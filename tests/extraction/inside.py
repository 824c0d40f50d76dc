"""Looking into a text extractor, and interrupting it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

from worker.adapters.share.errors import Unreadable
from worker.extraction import TextExtractor
from worker.extraction.pdf.process import ReadingProcess


def process_of(extractor: TextExtractor) -> ReadingProcess:
    assert extractor._process is not None
    return extractor._process


def pid_of(extractor: TextExtractor) -> int:
    return process_of(extractor)._pid


def code_of(extractor: TextExtractor, content: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        extractor.to_text(content)
    return caught.value.code


def interrupt_after(delay_us: int, action: Callable[[], object]) -> None:
    """Runs the action; an exception comes out of a signal handler after that time, if it has not ended by then."""

    class SoftTimeLimit(Exception):
        pass

    def interrupt(_number: int, _frame: object) -> None:
        raise SoftTimeLimit

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with suppress(SoftTimeLimit):
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + delay_us / 1e6)
            action()
        with suppress(SoftTimeLimit):
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
