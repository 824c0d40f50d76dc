"""Waking a sleeping loop, and stopping a program, from any thread and from a signal handler."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue


class Wake:
    """Ends the wait of one loop; any number of calls ends one wait.

    Two threads that call in the same moment may end two waits, which is harmless.

    A `threading.Event` would not do: its lock is held for moments of every `wait` and `clear`, and a signal handler
    that calls `set` in such a moment, in the same thread, waits for itself forever. `SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End the wait that is going on, or the next one."""
        if self._calls.empty():
            self._calls.put(None)

    def wait(self, timeout_s: float) -> None:
        """Sleep until `set` is called, or for the time given."""
        with suppress(Empty):
            self._calls.get(timeout=timeout_s)


class StopSignal:
    """A request to stop, made by SIGTERM or SIGINT; it is never taken back."""

    def __init__(self) -> None:
        self.is_requested = False
        self._wake = Wake()
        self._stop: Callable[[], None] | None = None

    def install(self) -> None:
        """Handle SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request())

    def request(self) -> None:
        """Stop. Safe to call from a signal handler."""
        self.is_requested = True
        self._wake.set()
        if self._stop is not None:
            self._stop()

    def wait(self, timeout_s: float) -> None:
        """Sleep, at most until the stop is requested."""
        if not self.is_requested:
            self._wake.wait(timeout_s)

    def forward_to(self, stop: Callable[[], None]) -> None:
        """Call `stop` at the request, or now if it was made already."""
        self._stop = stop
        if self.is_requested:
            stop()
