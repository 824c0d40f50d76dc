"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

POLL_S = 0.01


def eventually(condition: Callable[[], Seen], what: str, timeout_s: float = 10.0) -> Seen:
    """The first true value of `condition`; fails with what was awaited and what was seen last."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s for {what}; saw {seen!r}"
        time.sleep(POLL_S)
