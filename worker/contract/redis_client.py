"""The only way to make a Redis client, for producer, workers and the command line.

redis-py repeats every command ten times by default: an `XADD` whose replies are lost leaves one entry per repetition.
Here the client repeats nothing. Only scripts that check first are safe to repeat, and their callers repeat them.
"""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_S = 5.0
"""A server on the same network answers within milliseconds; an unreachable one must not stop a service for longer."""
COMMAND_TIMEOUT_S = 15.0
"""Longer than a server needs to fork for a rewrite of its append-only file, shorter than any lease."""


def connect(url: str, *, timeout_s: float | None = COMMAND_TIMEOUT_S) -> redis.Redis:
    """A client for `url` (`redis://`, `rediss://`, `unix://`), its replies in bytes; it connects when it is first used.

    `timeout_s` bounds each reply; pass None for a connection that blocks (`XREADGROUP BLOCK`): with a shorter timeout
    the client gives up before the server answers.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "imr-intake",
    }
    return redis.Redis.from_url(url, **options)


def broker_url(url: str) -> str:
    """`url` in the form that Celery uses, where a unix socket is `redis+socket://`."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url
