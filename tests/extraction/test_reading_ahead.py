"""The letter that follows is read while the caller works on this one: nothing but the time it takes may differ."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from tests.extraction import pdfs
from tests.extraction.inside import code_of, interrupt_after, pid_of, process_of
from tests.support.leaks import is_alive
from tests.support.waiting import eventually
from worker.adapters.share.errors import Unreadable
from worker.extraction import ReadLimits, TextExtractor

LETTER, OTHER, THIRD = pdfs.plain(), pdfs.plain("Another letter altogether."), pdfs.plain("The third one.")
SHOWN = {LETTER: pdfs.SENTENCE, OTHER: "Another letter altogether.", THIRD: "The third one."}

pytestmark = pytest.mark.usefixtures("leak_check")


def reads(extractor: TextExtractor, content: bytes, following: bytes | None = None) -> bool:
    return extractor.to_text(content, following).text == SHOWN[content]


def is_read(extractor: TextExtractor) -> bool:
    """Whether the answer to what was begun is there."""
    return not process_of(extractor)._is_quiet()


def test_what_follows_is_read_meanwhile() -> None:
    with TextExtractor() as extractor:
        assert reads(extractor, LETTER, OTHER)
        eventually(partial(is_read, extractor), "the text of the one that follows")
        os.kill(pid_of(extractor), signal.SIGSTOP)
        assert reads(extractor, OTHER, THIRD)
        os.kill(pid_of(extractor), signal.SIGCONT)
        assert reads(extractor, THIRD)
        assert process_of(extractor).letters == 3


def test_what_follows_a_refused_letter_is_begun_too() -> None:
    with TextExtractor() as extractor:
        with pytest.raises(Unreadable):
            extractor.to_text(pdfs.blank(1), OTHER)
        assert process_of(extractor).has_begun(OTHER)
        assert reads(extractor, OTHER)


@pytest.mark.parametrize("following", [b"Upheld", b"GIF89a", b""])
def test_what_is_no_pdf_is_not_begun(following: bytes) -> None:
    with TextExtractor() as extractor:
        assert reads(extractor, LETTER, following)
        assert process_of(extractor).is_usable


def test_no_process_is_started_for_what_follows() -> None:
    with TextExtractor() as extractor:
        assert extractor.to_text(b"Upheld", LETTER).text == "Upheld"
        assert extractor._process is None


def test_what_was_begun_and_not_asked_for_is_never_the_answer_to_something_else() -> None:
    with TextExtractor() as extractor:
        assert reads(extractor, LETTER, OTHER)
        assert reads(extractor, THIRD)
        assert reads(extractor, OTHER)
        assert reads(extractor, LETTER, OTHER)
        assert reads(extractor, b"".join([OTHER])), "equal bytes, asked for again"


def test_a_used_up_process_begins_nothing() -> None:
    with TextExtractor(ReadLimits(letters_per_process=2)) as extractor:
        pids = [
            reads(extractor, LETTER, OTHER) and reads(extractor, OTHER, LETTER) and pid_of(extractor) for _ in range(3)
        ]
    assert len(set(pids)) == 3


def test_a_process_that_dies_of_what_follows_costs_this_letter_nothing() -> None:
    with TextExtractor(ReadLimits(memory_bytes=100_000_000)) as extractor:
        too_large = LETTER + bytes(100_000_000)
        assert reads(extractor, LETTER, too_large)
        assert code_of(extractor, too_large) == "read_memory"
        assert reads(extractor, OTHER)


def test_a_process_that_was_killed_meanwhile_is_not_believed() -> None:
    with TextExtractor() as extractor:
        assert reads(extractor, LETTER, pdfs.slow())
        before = pid_of(extractor)
        os.kill(before, signal.SIGKILL)
        assert reads(extractor, OTHER)
        assert pid_of(extractor) != before

        assert reads(extractor, LETTER)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        extractor._read_ahead(OTHER)
        assert process_of(extractor).has_begun(OTHER)
        os.kill(pid_of(extractor), signal.SIGKILL)
        eventually(lambda: not is_alive(pid_of(extractor)), "its end")
        assert reads(extractor, OTHER), "a new process reads it"


def test_the_time_of_what_follows_counts_from_when_it_was_begun() -> None:
    with TextExtractor(ReadLimits(timeout_s=1)) as extractor:
        assert reads(extractor, LETTER)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        began_s = time.monotonic()
        extractor._read_ahead(OTHER)
        assert code_of(extractor, OTHER) == "read_timeout"
        assert 1 <= time.monotonic() - began_s < 3
        assert reads(extractor, OTHER)


def test_who_comes_late_still_gets_an_answer_that_is_ready() -> None:
    long = pdfs.plain(*["\n".join(["many words on a line of a letter " * 4] * 50)] * 60)
    with TextExtractor(ReadLimits(timeout_s=2)) as extractor:
        assert reads(extractor, LETTER)
        began_s = time.monotonic()
        extractor._read_ahead(long)
        eventually(partial(is_read, extractor), "the text")
        eventually(lambda: time.monotonic() > began_s + 2, "the end of its time")
        assert len(extractor.to_text(long).text) > 300_000, "more than a socket holds"


def test_a_process_that_does_not_take_what_follows_holds_nobody_up_for_long() -> None:
    with TextExtractor(ReadLimits(timeout_s=5)) as extractor:
        assert reads(extractor, LETTER)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        began_s = time.monotonic()
        extractor._read_ahead(LETTER + bytes(20_000_000))
        assert time.monotonic() - began_s < 4
        assert reads(extractor, OTHER)


def test_what_a_process_begins_is_not_its_forks_to_ask_for() -> None:
    with TextExtractor() as extractor:
        assert reads(extractor, LETTER, OTHER)
        process_of(extractor)._owner -= 1
        assert not process_of(extractor).has_begun(OTHER)
        process_of(extractor)._owner += 1
        assert reads(extractor, OTHER)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("asked", [OTHER, THIRD])
def test_an_interruption_anywhere_leaves_every_letter_its_own_text(asked: bytes) -> None:
    """Celery's soft time limit raises out of a signal handler, wherever the worker happens to be."""
    with TextExtractor() as extractor:
        for delay_us in range(0, 12_000, 800):
            interrupt_after(delay_us, partial(extractor.to_text, LETTER, OTHER))
            assert reads(extractor, asked, LETTER)
            assert reads(extractor, LETTER)
