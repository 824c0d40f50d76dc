"""The Redis that the services of a share use: its address, and whether it is safe for letters."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import redis

from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.settings import Settings

OLDEST_VERSION: Final = (6, 2)
"""ZMSCORE and XAUTOCLAIM appeared in Redis 6.2."""
WAITAOF_VERSION: Final = (7, 2)
"""WAITAOF appeared in Redis 7.2, from which Valkey came."""
_MAX_SOCKET_PATH: Final = 100
"""Addresses of unix sockets have 108 bytes on Linux, 104 on macOS."""


def embedded_socket(state_folder: Path) -> Path:
    """Path of the socket on which the embedded server of that state folder listens."""
    path = state_folder.absolute() / "redis.sock"
    if len(str(path)) <= _MAX_SOCKET_PATH:
        return path
    path_hash = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"imr-{path_hash}" / "redis.sock"


def redis_url(settings: Settings) -> str:
    """URL of the Redis to use: `IMR_REDIS_URL`, or the embedded server. Raises `StartRefused` if there is neither."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    socket = embedded_socket(settings.state_folder)
    if not socket.exists():
        what = f"no Redis is set, and no embedded one runs for the share {settings.share}"
        raise StartRefused([Problem(what, "start `imr up` on this share, or set IMR_REDIS_URL")])
    return f"unix://{socket}"


def broker_of(settings: Settings, url: str) -> str:
    """URL of Celery's broker: `IMR_BROKER_URL`, or the Redis at `url`."""
    return settings.broker_url.get_secret_value() if settings.broker_url is not None else url


def require_server(client: redis.Redis) -> list[Problem]:
    """Raise `StartRefused` for a Redis that would lose letters; return the problems that are only worth a warning."""
    problems = server_problems(client)
    fatal = [problem for problem, is_fatal in problems if is_fatal]
    if fatal:
        raise StartRefused(fatal)
    return [problem for problem, _ in problems]


def server_problems(client: redis.Redis) -> list[tuple[Problem, bool]]:
    """(problem, whether it forbids starting) for each problem of a Redis; empty if it is safe for letters."""
    try:
        info = client.info()
        config = _config(client)
    except redis.RedisError as error:
        what = f"Redis does not answer ({type(error).__name__})"
        return [(Problem(what, "start it, and check IMR_REDIS_URL, the network, user and password"), True)]
    return [*_version(info), *_role(info), *_eviction(info), *_persistence(info, config)]


def _config(client: redis.Redis) -> dict[str, str]:
    """The configuration; empty if this user may not read it: managed servers forbid CONFIG."""
    try:
        return cast("dict[str, str]", client.config_get("*append*")) | cast("dict[str, str]", client.config_get("save"))
    except redis.ResponseError:
        return {}


def _version(info: dict[str, Any]) -> list[tuple[Problem, bool]]:
    if _number(info) >= OLDEST_VERSION:
        return []
    text = str(info.get("redis_version", "0"))
    return [(Problem(f"Redis {text} is too old", "use Redis 6.2 or later, or Valkey"), True)]


def _number(info: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdigit())


def _role(info: dict[str, Any]) -> list[tuple[Problem, bool]]:
    if info.get("role", "master") == "master":
        return []
    return [(Problem("this Redis is a read-only replica", "set IMR_REDIS_URL to the primary"), True)]


def _eviction(info: dict[str, Any]) -> list[tuple[Problem, bool]]:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return []
    what = f"Redis deletes keys when its memory is full (maxmemory-policy {policy})"
    return [(Problem(what, "CONFIG SET maxmemory-policy noeviction, and write it to redis.conf"), True)]


def _persistence(info: dict[str, Any], config: dict[str, str]) -> list[tuple[Problem, bool]]:
    if int(info.get("aof_enabled", 0)):
        if not syncs_never(config):
            return []
        what = "Redis never syncs its append-only file (`appendfsync no`): no letter would ever be filed away"
        return [(Problem(what, "CONFIG SET appendfsync everysec (or always), and write it to redis.conf"), True)]
    remedy = "CONFIG SET appendonly yes, and write it to redis.conf"
    if config.get("save"):
        what = "Redis only takes snapshots: a crash loses the records since the last one"
        return [(Problem(what, remedy), True)]
    return [(Problem("Redis keeps nothing on disk: a restart loses every record and result", remedy), True)]


def syncs_always(config: Mapping[str, str]) -> bool:
    """Whether a server with this configuration syncs each write to its disk before it answers."""
    required = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
    return all(config.get(name) == value for name, value in required.items())


def syncs_never(config: Mapping[str, str]) -> bool:
    """Whether a server with this configuration leaves it to the operating system when writes come to the disk."""
    return config.get("appendonly") == "no" or config.get("appendfsync") == "no"


def describe_filing_delay(client: redis.Redis) -> str:
    """What a finished letter waits for before its file leaves `claimed/`, in a sentence. Raises redis.RedisError."""
    if syncs_always(_config(client)):
        return "letters are filed away at once: Redis syncs before it answers (appendfsync always)"
    if _number(client.info("server")) >= WAITAOF_VERSION:
        return "letters are filed away once Redis confirms that they are on its disk (WAITAOF): in about a second"
    return "letters are filed away after the time that Redis needs to sync (it has no WAITAOF): 3 to 6 seconds"
