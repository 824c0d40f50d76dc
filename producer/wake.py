"""Waking a sleeping loop, from any thread and from a signal handler."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Wake:
    """Rings once for any number of calls; two threads that call in the same moment may ring twice, which is harmless.

    A `threading.Event` would not do: its lock is held for moments of every `wait` and `clear`, and a signal handler
    that calls `set` in such a moment, in the same thread, waits for itself for ever. `SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End the wait that is going on, or the next one."""
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout_s: float) -> None:
        """Sleep until rung, or for the time given."""
        with suppress(Empty):
            self._rung.get(timeout=timeout_s)
