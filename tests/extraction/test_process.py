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
from tests.extraction.leaks import at_most_descriptors, children, is_alive, open_files, status_of
from tests.support.waiting import eventually
from worker.adapters.share.errors import Unreadable
from worker.extraction import ReaderUnavailable, ReadLimits, Text, TextExtractor
from worker.extraction.limits import MIB
from worker.extraction.pdf.process import ReadingProcess

LETTER = pdfs.plain()

pytestmark = pytest.mark.usefixtures("leak_check")
# An interruption between the opening of a file and its `with` leaves the closing to the collector, which warns.
# That nothing stays open is what `leak_check` asks.
interrupted_anywhere = pytest.mark.filterwarnings("ignore::ResourceWarning")


def goes_on(reader: TextExtractor) -> bool:
    return reader.to_text(LETTER).text == pdfs.SENTENCE


@contextmanager
def reading(reader: TextExtractor, content: bytes) -> Iterator[list[Any]]:
    """Reads in a thread; the block runs while the process is in the middle of it, the list holds the end of it."""
    end: list[Any] = []

    def read() -> None:
        try:
            end.append(reader.to_text(content))
        except (Unreadable, OSError) as error:
            end.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        eventually(lambda: reader._process is not None and reader._process._asking, "the process being asked")
        yield end
    finally:
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_process_that_dies_in_the_middle_is_a_code(number: signal.Signals) -> None:
    with TextExtractor() as reader:
        with reading(reader, pdfs.slow()) as end:
            os.kill(pid_of(reader), number)
        assert [error.code for error in end] == ["reader_crashed"]
        assert goes_on(reader)


def test_a_process_that_outlived_other_letters_is_not_believed_when_it_dies() -> None:
    with TextExtractor() as reader:
        assert goes_on(reader)
        os.kill(pid_of(reader), signal.SIGSTOP)
        with reading(reader, LETTER) as end:
            os.kill(pid_of(reader), signal.SIGKILL)
        assert [text.text for text in end] == [pdfs.SENTENCE]


def test_a_process_that_hangs_is_a_code() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.3)) as reader:
        assert goes_on(reader)
        os.kill(pid_of(reader), signal.SIGSTOP)
        assert code_of(reader, LETTER) == "read_timeout"
        assert goes_on(reader)


def test_a_process_that_hangs_before_it_takes_a_large_file_is_a_code() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.3)) as reader:
        assert goes_on(reader)
        os.kill(pid_of(reader), signal.SIGSTOP)
        assert code_of(reader, LETTER + bytes(20_000_000)) == "read_timeout"
        assert goes_on(reader)


def test_processor_time_is_bounded_while_the_worker_is_stopped() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.2)) as reader:
        process = ReadingProcess(ReadLimits(timeout_s=0.2))
        process._limits = ReadLimits(timeout_s=60)
        reader._process = process
        assert code_of(reader, pdfs.slow()) == "read_timeout"


def test_a_process_killed_between_letters_costs_no_letter() -> None:
    with TextExtractor() as reader:
        assert goes_on(reader)
        os.kill(pid_of(reader), signal.SIGKILL)
        eventually(lambda: not is_alive(pid_of(reader)), "its end")
        assert goes_on(reader)


def test_what_a_service_manager_sends_to_all_does_not_end_it() -> None:
    with TextExtractor() as reader:
        assert goes_on(reader)
        before = pid_of(reader)
        for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(before, polite)
        assert goes_on(reader)
        assert pid_of(reader) == before


def test_one_process_serves_many_letters_and_is_replaced_in_time() -> None:
    with TextExtractor(ReadLimits(letters_per_process=5)) as reader:
        pids = [goes_on(reader) and pid_of(reader) for _ in range(11)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5, 1]


def test_a_process_that_grew_is_replaced() -> None:
    with TextExtractor(ReadLimits(resident_bytes=1)) as reader:
        pids = {goes_on(reader) and pid_of(reader) for _ in range(3)}
    assert len(pids) == 3


@interrupted_anywhere
def test_an_answer_after_an_interruption_is_never_taken_for_the_next_letter() -> None:
    """Celery's soft time limit raises out of a signal handler, wherever the worker happens to be."""

    other = pdfs.plain("Another letter altogether.")
    with TextExtractor() as reader:
        for delay_us in range(0, 20_000, 500):
            assert goes_on(reader)
            interrupt_after(delay_us, partial(reader.to_text, other))
            assert goes_on(reader)


@interrupted_anywhere
def test_an_interruption_of_the_start_leaves_nothing() -> None:
    for delay_us in range(0, 300_000, 15_000):
        with TextExtractor() as reader:
            interrupt_after(delay_us, partial(reader.to_text, LETTER))


def test_a_process_that_says_what_it_should_not_is_not_believed() -> None:
    with TextExtractor() as reader:
        assert goes_on(reader)
        process_of(reader)._limits = ReadLimits(max_text_chars=1)
        assert goes_on(reader)
        assert process_of(reader).letters == 1, "the answer was too long: a new process was asked"


@pytest.mark.parametrize("descriptors", [0, 1])
def test_where_no_process_can_be_started_it_is_not_the_letter(descriptors: int) -> None:
    with TextExtractor() as reader:
        with at_most_descriptors(descriptors), pytest.raises(OSError, match="Too many open files") as caught:
            reader.to_text(LETTER)
        assert caught.value.errno == errno.EMFILE
        assert goes_on(reader)


def test_where_the_interpreter_is_away_it_is_not_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with TextExtractor() as reader, pytest.raises(FileNotFoundError):
        reader.to_text(LETTER)


def test_a_worker_that_ignores_its_children_reads_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with TextExtractor() as reader:
            with reading(reader, pdfs.slow()) as end:
                os.kill(pid_of(reader), signal.SIGSEGV)
            assert [error.code for error in end] == ["reader_crashed"]
            assert goes_on(reader)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_process_that_ends_at_once_is_not_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with TextExtractor() as reader, pytest.raises(ReaderUnavailable, match=r"did not start .exit status 1"):
        reader.to_text(LETTER)


def test_a_process_that_does_not_get_ready_in_time_is_not_the_letter() -> None:
    with (
        TextExtractor(ReadLimits(start_timeout_s=0.001)) as reader,
        pytest.raises(ReaderUnavailable, match="did not start"),
    ):
        reader.to_text(LETTER)


def test_a_file_that_does_not_fit_its_memory_is_a_code() -> None:
    with TextExtractor(ReadLimits(memory_bytes=100_000_000)) as reader:
        assert code_of(reader, LETTER + bytes(100_000_000)) == "read_memory"
        assert goes_on(reader)


def test_nothing_is_left_of_many_deaths() -> None:
    with TextExtractor(ReadLimits(timeout_s=0.05)) as reader:
        goes_on(reader)
        before = open_files()
        for _ in range(5):
            assert code_of(reader, pdfs.slow()) == "read_timeout"
        goes_on(reader)
        assert len(open_files()) == len(before)
        assert len(children()) <= 1 + len({pid for pid in children() if is_alive(pid)})


def test_texts_need_no_process() -> None:
    with TextExtractor() as reader:
        assert reader.to_text(b"Upheld") == Text("Upheld", paged=False, page_count=None, kind="text")
        assert reader._process is None


def test_a_refusal_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Unreadable("empty", "The file is empty.")))  # noqa: S301 - our own bytes
    assert (error.code, error.message, str(error)) == ("empty", "The file is empty.", "empty: The file is empty.")


def test_it_knows_nothing_of_the_workers_environment_and_printing_goes_nowhere() -> None:
    with TextExtractor() as reader:
        goes_on(reader)
        with open(f"/proc/{pid_of(reader)}/environ", "rb") as file:
            names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0") if entry}
        assert names == {b"PYTHONPATH", b"MALLOC_TRIM_THRESHOLD_", b"MALLOC_MMAP_THRESHOLD_"}
        assert status_of(pid_of(reader))["NoNewPrivs"] == "1"


def test_a_large_caller_is_not_taken_for_a_large_letter() -> None:
    """Before it executes its program the new process is a copy of its caller, and Linux counts that for its peak."""
    ballast = bytearray(b"x") * (300 * MIB)
    test_a_process_that_dies_in_the_middle_is_a_code(signal.SIGKILL)
    assert len(ballast) == 300 * MIB
