"""Which recorded outcomes are on the server's disk: asked before a file leaves `claimed/`.

A server may lose what it has answered: the tail of its append-only file that was not synced when it was killed. Then a
letter's record and its stream entry are gone together, and its file must still lie in `claimed/` to be published again.

| server                                   | what is waited for                                                     |
|------------------------------------------|------------------------------------------------------------------------|
| `appendfsync always`                     | nothing: it syncs before it answers                                    |
| with WAITAOF (Redis 7.2, Valkey)         | its answer that a write of this connection is synced; 0.1 to 2 s       |
| without (6.2, 7.0)                       | `GRACE_S`, and that it is the same process and has no sync under way   |
| `appendfsync no`, or no append-only file | nothing helps: the letter stays in `claimed/`                          |

The only thing remembered about a server is that it does not always sync. Each wait reads its configuration again, so a
server that is restarted, replaced or reconfigured meanwhile is handled correctly. The recorded outcomes are read on the
connection that waits, before its write: an outcome that a restart lost is missing there, and its file stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

import redis
from redis.exceptions import NoPermissionError, ResponseError

from worker.adapters.redis.replies import parse_reply, unavailable_on_error
from worker.adapters.redis.server import syncs_always, syncs_never
from worker.contract.names import Keys
from worker.processing.records import RecordDamaged, RecordsUnavailable

WAIT_MS: Final = 5000
"""A sync that takes longer means a failing disk; Redis itself stops taking writes after a sync of two seconds."""
GRACE_S: Final = 3.0
"""With `everysec` Redis holds a write back for at most 2 s while a sync is under way, and begins the next sync within
1 s. After that time the server is asked whether that sync has ended."""
BARRIER_TTL_S: Final = 86_400
"""The key expires once nothing has been filed for a day."""


class RedisDurability:
    """`Durability` over a Redis client that nothing else uses."""

    def __init__(self, client: redis.Redis, keys: Keys, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._keys = keys
        self._sleep = sleep
        self._always: bool | None = None

    def now(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.now`."""
        if self._always is False:
            return None  # `later` notices when that changes
        with unavailable_on_error(), self._client.pipeline(transaction=False) as pipe:
            pipe.config_get("*append*")
            pipe.hmget(self._keys.finished, list(outcomes))
            config, stored = pipe.execute(raise_on_error=False)
        self._always = syncs_always(_config(config))
        return _recorded(outcomes, stored) if self._always else None

    def later(self, outcomes: Mapping[str, str]) -> Collection[str] | None:
        """See `Durability.later`."""
        with unavailable_on_error(), self._client.pipeline(transaction=False) as pipe:
            pipe.config_get("*append*")
            self._read_and_write(pipe, outcomes)
            pipe.waitaof(1, 0, WAIT_MS)
            config_reply, stored, *written, waited = pipe.execute(raise_on_error=False)
        config = _config(config_reply)
        self._always = syncs_always(config)
        _require_written(written)
        if _has_no_waitaof(waited):
            return self._after_grace(outcomes, config)
        synced = parse_reply(waited, lambda reply: int(reply[0])) == 1
        return _recorded(outcomes, stored) if synced else None

    def _read_and_write(self, pipe: Any, outcomes: Mapping[str, str]) -> None:
        """Read the recorded outcomes, then write something to wait for; EXPIRE is a write that a full server takes."""
        pipe.hmget(self._keys.finished, list(outcomes))
        pipe.set(self._keys.barrier, 1)
        pipe.expire(self._keys.barrier, BARRIER_TTL_S)

    def _after_grace(self, outcomes: Mapping[str, str], config: Mapping[str, str]) -> Collection[str] | None:
        if syncs_never(config):
            return None
        with unavailable_on_error(), self._client.pipeline(transaction=False) as pipe:
            pipe.info("server")
            self._read_and_write(pipe, outcomes)
            before, stored, *written = pipe.execute(raise_on_error=False)
        _require_written(written)
        self._sleep(GRACE_S)
        with unavailable_on_error():
            after = self._client.info()
        same = parse_reply(before, lambda info: info["run_id"]) == after["run_id"]
        return _recorded(outcomes, stored) if same and _has_synced(after, config) else None

    def filed(self, claim_ids: Collection[str]) -> None:
        """See `Durability.filed`."""
        if claim_ids:
            with unavailable_on_error():
                self._client.hdel(self._keys.finished, *claim_ids)

    def finished(self) -> Collection[str]:
        """See `Durability.finished`."""
        with unavailable_on_error():
            return [claim_id.decode() for claim_id in cast("list[bytes]", self._client.hkeys(self._keys.finished))]


def _config(reply: Any) -> dict[str, str]:
    """The configuration; empty if this user may not read it."""
    return reply if isinstance(reply, dict) else {}


def _require_written(replies: list[Any]) -> None:
    """Raise `RecordsUnavailable` if neither write was done: there is nothing to wait for."""
    if not any(reply is True for reply in replies):
        parse_reply(replies[0], bool)


def _has_no_waitaof(reply: Any) -> bool:
    unknown = isinstance(reply, ResponseError) and "unknown command" in str(reply).lower()
    return unknown or isinstance(reply, NoPermissionError)


def _has_synced(info: Mapping[str, Any], config: Mapping[str, str]) -> bool:
    """Whether a server that syncs every second has no sync under way: then the one after the write has ended."""
    child = int(info.get("aof_rewrite_in_progress", 0)) or int(info.get("rdb_bgsave_in_progress", 0))
    if child and config.get("no-appendfsync-on-rewrite") != "no":
        return False
    enabled, pending = int(info.get("aof_enabled", 0)), int(info.get("aof_pending_bio_fsync", 0))
    return enabled == 1 and pending == 0 and info.get("aof_last_write_status", "ok") == "ok"


def _recorded(outcomes: Mapping[str, str], reply: Any) -> Collection[str]:
    """The claims whose recorded outcome is the expected one."""
    stored = parse_reply(reply, list)
    if isinstance(stored, RecordDamaged):
        raise RecordsUnavailable(str(stored))
    pairs = zip(outcomes.items(), stored, strict=True)
    return {claim_id for (claim_id, outcome), value in pairs if value == outcome.encode()}
