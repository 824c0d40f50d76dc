"""Fixtures for reading: one reader for the tests that leave it as it was, and a look at what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reading.leaks import no_leaks
from worker.reading import Reader, ReadLimits


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """A reader with limits that a test can reach; its process may be any number of letters old."""
    with Reader(ReadLimits(timeout_s=5, memory_bytes=200_000_000)) as shared:
        yield shared


@pytest.fixture
def leak_check() -> Iterator[None]:
    """Fails a test that leaves a descriptor, a process or a zombie of its own."""
    with no_leaks():
        yield
