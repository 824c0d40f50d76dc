"""Fixtures of the fault harness: one nursery for the session, benches of their own for the tests."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bench import Bench, bench
from tests.faults.letters import Letters
from tests.faults.matrix import tour
from tests.faults.nursery import Nursery, nursery
from tests.support.servers import IN_CI, ServerMissing, binary_of

MakeBench = Callable[..., contextlib.AbstractContextManager[Bench]]


@pytest.fixture(scope="session")
def nest() -> Iterator[Nursery]:
    """The process that services are forked off."""
    try:
        binary_of("valkey")
    except ServerMissing as error:
        if IN_CI:
            raise
        pytest.skip(str(error))
    with nursery() as made:
        yield made


@pytest.fixture(scope="session")
def make_bench(nest: Nursery) -> MakeBench:
    """Benches in short folders: addresses of sockets have 108 bytes."""

    @contextlib.contextmanager
    def make(**given: Any) -> Iterator[Bench]:
        with (
            tempfile.TemporaryDirectory(prefix="imr-faults-") as folder,
            bench(Path(folder) / "b", nest, **given) as made,
        ):
            yield made

    return make


@pytest.fixture(scope="module")
def toured(make_bench: MakeBench) -> Iterator[tuple[Bench, list[tuple[str, str]], Letters]]:
    """A bench on which letters have gone every way, the failpoints that they passed, and more letters."""
    letters = Letters(17)
    with make_bench() as made:
        yield made, tour(made, letters), letters
