"""Chores: what workers do besides letters, asked for by the producer for as long as it is wanted.

A chore is a Celery task without arguments that finds out itself what there is to do, does a bounded part of it and may
be lost, doubled or late: it is asked for again. Nothing is asked of a deep queue, so that chores never pile up there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import redis

from worker.adapters.celery.client import QueueUnavailable

log = logging.getLogger("imr.producer")

MOST_MESSAGES: Final = 4
"""With more messages than this on the queue, an earlier one may be among them."""


class AsksForChores(Protocol):
    """The client half of the queue; both raise `QueueUnavailable`."""

    def ask(self, task: str) -> None:
        """One message that asks for this task."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


@dataclass(frozen=True, slots=True)
class Chore:
    """One task, how often it is asked for at most, and whether it is wanted now."""

    task: str
    every_s: float
    is_wanted: Callable[[], bool]
    """Asked at each turn of `Chores.ask_for_due`; may raise redis.RedisError, which is no."""


class Chores:
    """Asks for what is due."""

    def __init__(self, chores: Sequence[Chore], queue: AsksForChores, monotonic_s: Callable[[], float]) -> None:
        self._chores = tuple(chores)
        self._queue = queue
        self._now_s = monotonic_s
        self._asked_s = {chore.task: float("-inf") for chore in self._chores}

    def ask_for_due(self) -> None:
        """Ask for each chore that is wanted and was not asked for lately; never raises: what fails is asked later."""
        for chore in self._chores:
            try:
                self._ask(chore)
            except (QueueUnavailable, redis.RedisError) as error:
                log.warning("chore %s not asked for (%s); tried again", chore.task, type(error).__name__)

    def _ask(self, chore: Chore) -> None:
        is_due = self._now_s() - self._asked_s[chore.task] >= chore.every_s
        if chore.is_wanted() and is_due and self._queue.depth() <= MOST_MESSAGES:
            self._queue.ask(chore.task)
            self._asked_s[chore.task] = self._now_s()
            log.info("asked for %s", chore.task)
