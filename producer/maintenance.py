"""Periodic tasks: what workers do besides letters, asked for by the producer for as long as it is wanted.

A chore is a Celery task without arguments that finds out itself what there is to do, does a bounded part of it and may
be lost, doubled or late: it is asked for again. Nothing is asked of a deep queue, so that chores never pile up there.

Noticing that Redis may have lost something: the producer beats while the server that it knows answers.

See `worker.adapters.redis.server_continuity` for what a beat says. While there is doubt the producer asks for the chore
that checks what was filed away, and goes on with its own work: new letters need nothing that may be missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import redis

from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.identity import share_id
from worker.adapters.share.walk import walk
from worker.contract.names import ARCHIVE, CLAIMED, REVIEW

log = logging.getLogger("imr.producer")

MOST_MESSAGES: Final = 4
"""With more messages than this on the queue, an earlier one may be among them."""


class TaskQueue(Protocol):
    """The client half of the queue; both raise `QueueUnavailable`."""

    def ask(self, task: str) -> None:
        """One message that asks for this task."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """One task, how often it is asked for at most, and whether it is wanted now."""

    task: str
    every_s: float
    is_wanted: Callable[[], bool]
    """Asked at each turn of `PeriodicTasks.ask_for_due`; may raise redis.RedisError, which is no."""


class PeriodicTasks:
    """Asks for what is due."""

    def __init__(self, chores: Sequence[PeriodicTask], queue: TaskQueue, monotonic_s: Callable[[], float]) -> None:
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

    def _ask(self, chore: PeriodicTask) -> None:
        is_due = self._now_s() - self._asked_s[chore.task] >= chore.every_s
        if chore.is_wanted() and is_due and self._queue.depth() <= MOST_MESSAGES:
            self._queue.ask(chore.task)
            self._asked_s[chore.task] = self._now_s()
            log.info("asked for %s", chore.task)


class ServerHeartbeat:
    """The beat of one share, and the doubts that keep it still."""

    def __init__(self, trust: ServerContinuity, share: str, lease_s: float, share_id: str | None = None) -> None:
        self._trust = trust
        self._share = share
        self._id = share_id
        self._lease_ms = lease_s * 1000
        self._told: str | None = None

    def is_check_wanted(self) -> bool:
        """Beat; whether letters have to be held against their records. Raises redis.RedisError.

        Not before a lease has passed since the doubt was noticed: a worker that had its answer from the server that
        was lost may still be filing its letters away, and the check would pass them by.
        """
        doubt = self._trust.beat(self._is_empty, self._id or "")
        run_id = doubt.run_id if doubt is not None else None
        if run_id != self._told and doubt is not None:
            what = "a server with no memory of letters" if doubt.beat_ms is None else "another server process"
            level = logging.WARNING if doubt.beat_ms is None else logging.INFO
            log.log(level, "%s answers as Redis: letters filed since its last beat are checked", what)
        self._told = run_id
        return doubt is not None and doubt.now_ms - doubt.noticed_ms >= self._lease_ms

    def _is_empty(self) -> bool:
        """Whether the share holds no letter that Redis could have known."""
        try:
            if self._id is not None and share_id(Path(self._share)) != self._id:
                return False  # not mounted: an empty mount point is not an empty share
            return not any(
                True for folder in (CLAIMED, ARCHIVE, REVIEW) for _ in walk(os.path.join(self._share, folder))
            )
        except OSError:
            return False
