"""Fixtures for the whole suite: real servers, empty for each test, and a look at what a test leaves in them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.key_list import stray_keys
from tests.support.servers import IN_CI, NAMES, Server, ServerMissing, running

EmptyServer = Callable[[str], contextlib.AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def empty_server() -> Iterator[EmptyServer]:
    """Servers by parameter id, as blocks with an empty server; each is started once and kept for the session."""
    started: dict[str, Server] = {}
    with contextlib.ExitStack() as stack:

        @contextlib.contextmanager
        def get(name: str) -> Iterator[Server]:
            if name not in started:
                started[name] = _start_or_skip(name, stack)
            with _empty(started[name]):
                yield started[name]

        yield get


def _start_or_skip(name: str, stack: contextlib.ExitStack) -> Server:
    try:
        return stack.enter_context(running(name))
    except ServerMissing as error:
        if IN_CI:
            raise
        pytest.skip(str(error))


@contextlib.contextmanager
def _empty(server: Server) -> Iterator[None]:
    """Empty at the start; at the end every key that is left must stand on the list of keys."""
    with contextlib.closing(server.client()) as client:
        client.flushall()
        yield
        stray = stray_keys(client)
        client.flushall()
    assert not stray, f"keys that are not on the list in worker/contract/names.py: {stray}"


@pytest.fixture(params=[pytest.param(name, id=name, marks=pytest.mark.services) for name in NAMES])
def server(request: pytest.FixtureRequest, empty_server: EmptyServer) -> Iterator[Server]:
    """Each kind of server in turn, empty."""
    with empty_server(request.param) as found:
        yield found


@pytest.fixture
def redis_server(empty_server: EmptyServer) -> Iterator[Server]:
    """Any server, empty: one Valkey for the whole session."""
    with empty_server("valkey") as found:
        yield found


@pytest.fixture(autouse=True)
def no_narration_left() -> Iterator[None]:
    """A narration that a test began writes to the standard error of that test, which is closed for the next one."""
    loggers = [logging.getLogger(name) for name in ("imr", "celery")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)
