"""Fixtures for reading: one reader for the tests that leave it as it was, and a look at what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extraction.leaks import no_leaks
from tests.extraction.shares import CONTENT, LETTER
from worker.extraction import ReadLimits, TextExtractor


@pytest.fixture(scope="session")
def reader() -> Iterator[TextExtractor]:
    """A reader with limits that a test can reach; its process may be any number of letters old."""
    with TextExtractor(ReadLimits(timeout_s=5, memory_bytes=200_000_000)) as shared:
        yield shared


@pytest.fixture
def leak_check() -> Iterator[None]:
    """Fails a test that leaves a descriptor, a process or a zombie of its own."""
    with no_leaks():
        yield


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Path]:
    """A share with one letter that is claimed."""
    (tmp_path / "share" / "claimed").mkdir(parents=True)
    (tmp_path / "share" / LETTER).write_bytes(CONTENT)
    with no_leaks():
        yield tmp_path / "share"
