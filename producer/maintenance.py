"""Maintenance besides letters: periodic tasks for the workers, and the server heartbeat that says which are needed.

A *periodic task* is a Celery task without arguments that finds out itself what there is to do, and does a bounded part
of it. The producer requests it for as long as it is wanted, so a request may be lost, doubled or late. None is sent
into a deep queue, where requests would pile up.

The *server heartbeat* finds out whether Redis may have lost records: the producer writes it while the Redis server that
it knows answers (`worker.adapters.redis.server_continuity` says what it proves). While a check is pending the producer
requests the task that checks the letters filed away, and goes on with its own work: new letters need nothing that may
be missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import redis

from producer.policy import may_send_again
from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.logs import LogOnChange
from worker.adapters.redis.server_continuity import PendingCheck, ServerContinuity
from worker.adapters.share.identity import share_id as read_share_id
from worker.adapters.share.walk import readable_files_below
from worker.contract.names import ARCHIVE, CLAIMED, REVIEW

log = logging.getLogger("imr.producer")


class TaskQueue(Protocol):
    """The queue as periodic tasks need it; both methods raise `QueueUnavailable`."""

    def start_task(self, task: str) -> None:
        """Send one message that requests this task."""

    def depth(self) -> int:
        """Messages waiting on the queue."""


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """One task, how often it is requested at most, and whether it is wanted now."""

    name: str
    every_s: float
    is_wanted: Callable[[], bool]
    """Called at each `PeriodicTasks.request_due`, due or not; redis.RedisError counts as no."""


class PeriodicTasks:
    """Requests the tasks that are due."""

    def __init__(self, tasks: Sequence[PeriodicTask], queue: TaskQueue, monotonic_s: Callable[[], float]) -> None:
        self._tasks = tuple(tasks)
        self._queue = queue
        self._now_s = monotonic_s
        self._requested_s = {task.name: float("-inf") for task in self._tasks}

    def request_due(self) -> None:
        """Request each task that is wanted and due. Never raises: what fails is requested later."""
        for task in self._tasks:
            try:
                self._request_if_due(task)
            except (QueueUnavailable, redis.RedisError) as error:
                log.warning("task %s not requested (%s); it will be requested later", task.name, type(error).__name__)

    def _request_if_due(self, task: PeriodicTask) -> None:
        is_due = self._now_s() - self._requested_s[task.name] >= task.every_s
        if task.is_wanted() and is_due and may_send_again(self._queue.depth()):
            self._queue.start_task(task.name)
            self._requested_s[task.name] = self._now_s()
            log.info("task %s requested", task.name)


class ServerHeartbeat:
    """The server heartbeat of one share, and the pending check that stops it."""

    def __init__(self, continuity: ServerContinuity, share: str, lease_s: float, share_id: str | None = None) -> None:
        self._continuity = continuity
        self._share = share
        self._share_id = share_id
        self._lease_ms = lease_s * 1000
        self._server_changes = LogOnChange(log)

    def is_check_wanted(self) -> bool:
        """Write the heartbeat; whether letters have to be checked against their records. Raises redis.RedisError.

        No check is wanted before a lease has passed since it was found to be necessary: a worker that had its reply
        from the server that was lost may still be filing its letters away, and the check would miss them.
        """
        pending = self._continuity.heartbeat(self._is_empty, self._share_id or "")
        self._log_new_server(pending)
        return pending is not None and pending.now_ms - pending.noticed_ms >= self._lease_ms

    def _log_new_server(self, pending: PendingCheck | None) -> None:
        if pending is None:
            self._server_changes.reset()
            return
        has_records = pending.beat_ms is not None
        what = "another server process" if has_records else "a server without records of letters"
        level = logging.INFO if has_records else logging.WARNING
        message = "%s answers as Redis: letters filed since its last server heartbeat will be checked"
        self._server_changes.log(pending.run_id, level, message, what)

    def _is_empty(self) -> bool:
        """Whether the share holds no letter that Redis could have known."""
        try:
            if self._share_id is not None and read_share_id(Path(self._share)) != self._share_id:
                return False  # not mounted: an empty mount point is not an empty share
            folders = (os.path.join(self._share, folder) for folder in (CLAIMED, ARCHIVE, REVIEW))
            return not any(True for folder in folders for _ in readable_files_below(folder))
        except OSError:
            return False
