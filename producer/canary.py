"""The canary: a file of our own, made in the inbox and removed at once, whose event must come back to us.

It goes the whole way of every event: kernel, reader, watches, listener. Whatever is deaf on that way, for
whatever reason, the canary is not heard. Its name is hidden and that of a temporary file, it is empty, it exists for
microseconds and is counted nowhere. Where none can be made (read-only, disk full) it says nothing either way.

Time is counted in turns (calls, `producer.lookout.SIGNS_S` apart) and not by a clock: a process that was stopped for an
hour has not listened for an hour, and is not deaf.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import Final

from worker.contract.filenames import OWN_PREFIX

CANARY_PREFIX: Final = f"{OWN_PREFIX}canary-"

REST_TURNS: Final = 3
"""Turns between one that was heard and the next."""
PATIENCE_TURNS: Final = 4
"""Turns in which it must be heard. With the rest that is 7 seconds from deafness to its discovery, at most."""
BUSY_PATIENCE_TURNS: Final = 30
"""The same while other events come in: in a flood it waits behind tens of thousands of them."""


class Canary:
    """Canaries of one watch."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._awaited: str | None = None
        self._events_before = 0
        self._turns = REST_TURNS

    def is_deaf(self, heard: str | None, events: int) -> bool:
        """One turn: whether the last canary should have been heard by now.

        `heard` is the name of the last canary that came back, `events` how many events came in so far.
        """
        self._turns += 1
        if self._awaited is not None and heard != self._awaited:
            is_busy = events != self._events_before
            return self._turns >= (BUSY_PATIENCE_TURNS if is_busy else PATIENCE_TURNS)
        if self._awaited is not None:
            self._awaited, self._turns = None, 0
        elif self._turns >= REST_TURNS:
            self._send(events)
        return False

    def _send(self, events: int) -> None:
        name = f"{CANARY_PREFIX}{secrets.token_hex(8)}"
        path = os.path.join(self._inbox, name)
        with suppress(OSError):
            os.mknod(path, 0o600)
            self._awaited, self._events_before, self._turns = name, events, 0
        with suppress(OSError):  # gone: another producer takes it for one that a crash left
            os.unlink(path)
