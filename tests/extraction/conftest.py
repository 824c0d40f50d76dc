"""One text extractor for the tests that leave it as it was, and a check for leaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.leaks import no_leaks
from worker.extraction import ReadLimits, TextExtractor


@pytest.fixture(scope="session")
def extractor() -> Iterator[TextExtractor]:
    """A text extractor with limits that a test can reach; its process may be any number of letters old."""
    with TextExtractor(ReadLimits(timeout_s=5, memory_bytes=200_000_000)) as shared:
        yield shared


@pytest.fixture
def leak_check() -> Iterator[None]:
    """Fails a test that leaves a descriptor, a process or a zombie of its own."""
    with no_leaks():
        yield
