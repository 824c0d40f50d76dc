"""Files and folders that change while they are opened and read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.adapters.share.safe_read.letter import CONTENT, LIMIT, read_letter
from worker.adapters.share.errors import Gone, Unreadable


def test_a_file_that_never_stops_growing_ends_at_the_budget(share: Path) -> None:
    done = threading.Event()

    def grow() -> None:
        with open(share / "claimed/letter.txt", "r+b", buffering=0) as file:
            while not done.is_set():
                file.truncate(1)
                for _ in range(40):
                    file.write(b"x" * 5000)

    with running(grow, done):
        seen: set[str] = set()
        while "too_large" not in seen or len(seen) < 2:
            try:
                letter = read_letter(share)
                assert len(letter.content) <= LIMIT
                seen.add("taken")
            except Unreadable as error:
                seen.add(error.code)
        assert seen <= {"taken", "too_large"}


@pytest.mark.parametrize("swapped", ["claimed", "claimed/letter.txt"])
def test_a_component_swapped_while_it_is_opened_never_leads_outside(share: Path, tmp_path: Path, swapped: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "letter.txt").write_bytes(b"bait")
    target = outside if swapped == "claimed" else outside / "letter.txt"
    real, aside, done = share / swapped, share / "aside", threading.Event()

    def swap() -> None:
        while not done.is_set():
            real.rename(aside)
            real.symlink_to(target)
            real.unlink()
            aside.rename(real)

    seen: dict[str, int] = {}
    with running(swap, done):
        deadline_s = time.monotonic() + 20
        while len(seen) < 3 or sum(seen.values()) < 2000:
            outcome = outcome_of(share)
            seen[outcome] = seen.get(outcome, 0) + 1
            assert time.monotonic() < deadline_s, seen
    assert seen.keys() == {"taken", "gone", "symbolic_link"}


def outcome_of(share: Path) -> str:
    try:
        assert read_letter(share).content == CONTENT
    except Gone:
        return "gone"
    except Unreadable as error:
        return error.code
    return "taken"


@contextmanager
def running(target: Callable[[], None], done: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
