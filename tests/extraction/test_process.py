"""The reading process dies, hangs, wears out and is forked: the caller gets a code, and the next letter is read."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.extraction import pdfs
from tests.extraction.inside import code_of, interrupt_after, pid_of, process_of
from tests.support.leaks import at_most_descriptors, children, is_alive, open_files, status_of
from tests.support.waiting import eventually
from worker.adapters.share.errors import Unreadable
from worker.extraction import ExtractionUnavailable, ReadLimits, Text, TextExtractor
from worker.extraction.limits import MIB
from worker.extraction.pdf.process import ReadingProcess

LETTER = pdfs.plain()

pytestmark = pytest.mark.usefixtures("leak_check")
# An interruption between the opening of a file and its `with` leaves the closing to the collector, which warns.
# That nothing stays open is what `leak_check` asks.
interrupted_anywhere = pytest.mark.filterwarnings("ignore::ResourceWarning")


def goes_on(extractor: TextExtractor) -> bool:
    return extractor.to_text(LETTER).text == pdfs.SENTENCE


@contextmanager
def reading(extractor: TextExtractor, content: bytes) -> Iterator[list[Any]]:
    """Reads in a thread; the block runs while the process is in the middle of it, the list holds the end of it."""
    end: list[Any] = []

    def read() -> None:
        try:
            end.append(extractor.to_text(content))
        except (Unreadable, OSError) as error:
            end.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        eventually(lambda: extractor._process is not None and extractor._process._asking, "the process being asked")
        yield end
    finally:
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_process_that_dies_in_the_middle_is_a_code(number: signal.Signals) -> None:
    with TextExtractor() as extractor:
        with reading(extractor, pdfs.slow()) as end:
            os.kill(pid_of(extractor), number)
        assert [error.code for error in end] == ["reader_crashed"]
        assert goes_on(extractor)


def test_a_process_that_outlived_other_letters_is_not_believed_when_it_dies() -> None:
    with TextExtractor() as extractor:
        assert goes_on(extractor)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        with reading(extractor, LETTER) as end:
            os.kill(pid_of(extractor), signal.SIGKILL)
        assert [text.text for text in end] == [pdfs.SENTENCE]


def test_a_process_that_hangs_is_a_code() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.3)) as extractor:
        assert goes_on(extractor)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        assert code_of(extractor, LETTER) == "read_timeout"
        assert goes_on(extractor)


def test_a_process_that_hangs_before_it_takes_a_large_file_is_a_code() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.3)) as extractor:
        assert goes_on(extractor)
        os.kill(pid_of(extractor), signal.SIGSTOP)
        assert code_of(extractor, LETTER + bytes(20_000_000)) == "read_timeout"
        assert goes_on(extractor)


def test_processor_time_is_bounded_while_the_worker_is_stopped() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.2)) as extractor:
        process = ReadingProcess(ReadLimits(timeout_s=0.2))
        process._limits = ReadLimits(timeout_s=60)
        extractor._process = process
        assert code_of(extractor, pdfs.slow()) == "read_timeout"


def test_a_process_killed_between_letters_costs_no_letter() -> None:
    with TextExtractor() as extractor:
        assert goes_on(extractor)
        os.kill(pid_of(extractor), signal.SIGKILL)
        eventually(lambda: not is_alive(pid_of(extractor)), "its end")
        assert goes_on(extractor)


def test_what_a_service_manager_sends_to_all_does_not_end_it() -> None:
    with TextExtractor() as extractor:
        assert goes_on(extractor)
        before = pid_of(extractor)
        for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(before, polite)
        assert goes_on(extractor)
        assert pid_of(extractor) == before


def test_one_process_serves_many_letters_and_is_replaced_in_time() -> None:
    with TextExtractor(ReadLimits(letters_per_process=5)) as extractor:
        pids = [goes_on(extractor) and pid_of(extractor) for _ in range(11)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5, 1]


def test_a_process_that_grew_is_replaced() -> None:
    with TextExtractor(ReadLimits(resident_bytes=1)) as extractor:
        pids = {goes_on(extractor) and pid_of(extractor) for _ in range(3)}
    assert len(pids) == 3


@interrupted_anywhere
def test_an_answer_after_an_interruption_is_never_taken_for_the_next_letter() -> None:
    """Celery's soft time limit raises out of a signal handler, wherever the worker happens to be."""

    other = pdfs.plain("Another letter altogether.")
    with TextExtractor() as extractor:
        for delay_us in range(0, 20_000, 500):
            assert goes_on(extractor)
            interrupt_after(delay_us, partial(extractor.to_text, other))
            assert goes_on(extractor)


@interrupted_anywhere
def test_an_interruption_of_the_start_leaves_nothing() -> None:
    for delay_us in range(0, 300_000, 15_000):
        with TextExtractor() as extractor:
            interrupt_after(delay_us, partial(extractor.to_text, LETTER))


def test_a_process_that_says_what_it_should_not_is_not_believed() -> None:
    with TextExtractor() as extractor:
        assert goes_on(extractor)
        process_of(extractor)._limits = ReadLimits(max_text_chars=1)
        assert goes_on(extractor)
        assert process_of(extractor).letters == 1, "the answer was too long: a new process was asked"


@pytest.mark.parametrize("descriptors", [0, 1])
def test_where_no_process_can_be_started_it_is_not_the_letter(descriptors: int) -> None:
    with TextExtractor() as extractor:
        with at_most_descriptors(descriptors), pytest.raises(OSError, match="Too many open files") as caught:
            extractor.to_text(LETTER)
        assert caught.value.errno == errno.EMFILE
        assert goes_on(extractor)


def test_where_the_interpreter_is_away_it_is_not_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with TextExtractor() as extractor, pytest.raises(FileNotFoundError):
        extractor.to_text(LETTER)


def test_a_worker_that_ignores_its_children_reads_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with TextExtractor() as extractor:
            with reading(extractor, pdfs.slow()) as end:
                os.kill(pid_of(extractor), signal.SIGSEGV)
            assert [error.code for error in end] == ["reader_crashed"]
            assert goes_on(extractor)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_process_that_ends_at_once_is_not_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with TextExtractor() as extractor, pytest.raises(ExtractionUnavailable, match=r"did not start .exit status 1"):
        extractor.to_text(LETTER)


def test_a_process_that_does_not_get_ready_in_time_is_not_the_letter() -> None:
    with (
        TextExtractor(ReadLimits(start_timeout_s=0.001)) as extractor,
        pytest.raises(ExtractionUnavailable, match="did not start"),
    ):
        extractor.to_text(LETTER)


def test_a_file_that_does_not_fit_its_memory_is_a_code() -> None:
    with TextExtractor(ReadLimits(memory_bytes=100_000_000)) as extractor:
        assert code_of(extractor, LETTER + bytes(100_000_000)) == "read_memory"
        assert goes_on(extractor)


def test_nothing_is_left_of_many_deaths() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.05)) as extractor:
        goes_on(extractor)
        before = open_files()
        for _ in range(5):
            assert code_of(extractor, pdfs.slow()) == "read_timeout"
        goes_on(extractor)
        assert len(open_files()) == len(before)
        assert len(children()) <= 1 + len({pid for pid in children() if is_alive(pid)})


def test_texts_need_no_process() -> None:
    with TextExtractor() as extractor:
        assert extractor.to_text(b"Upheld") == Text("Upheld", paged=False, page_count=None, kind="text")
        assert extractor._process is None


def test_a_refusal_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Unreadable("empty", "The file is empty.")))  # noqa: S301 - our own bytes
    assert (error.code, error.message, str(error)) == ("empty", "The file is empty.", "empty: The file is empty.")


def test_it_knows_nothing_of_the_workers_environment_and_printing_goes_nowhere() -> None:
    with TextExtractor() as extractor:
        goes_on(extractor)
        with open(f"/proc/{pid_of(extractor)}/environ", "rb") as file:
            names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0") if entry}
        assert names == {b"PYTHONPATH", b"MALLOC_TRIM_THRESHOLD_", b"MALLOC_MMAP_THRESHOLD_"}
        assert status_of(pid_of(extractor))["NoNewPrivs"] == "1"


def test_a_large_caller_is_not_taken_for_a_large_letter() -> None:
    """Before it executes its program the new process is a copy of its caller, and Linux counts that for its peak."""
    ballast = bytearray(b"x") * (300 * MIB)
    test_a_process_that_dies_in_the_middle_is_a_code(signal.SIGKILL)
    assert len(ballast) == 300 * MIB
