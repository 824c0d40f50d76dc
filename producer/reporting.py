"""What the producer asks about the share and Redis before it claims, and what it tells about itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson
import redis

from producer.admission import Load
from worker.contract.names import PRODUCER_REPORT_TTL_S, Keys


@dataclass(frozen=True, slots=True)
class Report:
    """What the producer says of itself; figures and fixed words only, so it may be shown anywhere."""

    waiting: int
    """Letters in the inbox that it knows of and has not claimed."""
    ignored: int
    """Files in the inbox that are no letters by their names."""
    claimed: int
    """Files in `claimed/`."""
    hold: str | None
    """What keeps it from claiming; None if nothing does."""
    watching: str
    """How the inbox is watched."""


class Gauges(Protocol):
    """The outside, as the producer's loop sees it."""

    def load(self, claimed_letters: int | None) -> Load:
        """The figures for admission; never raises."""

    def report(self, report: Report) -> None:
        """Leave the last report where `imr status` finds it. Raises redis.RedisError."""


class RedisGauges:
    """Gauges of one share and one Redis."""

    def __init__(
        self, *, client: redis.Redis, keys: Keys, share: str, name: str, wall_clock_ms: Callable[[], int]
    ) -> None:
        self._client = client
        self._keys = keys
        self._share = share
        self._name = name
        self._now_ms = wall_clock_ms

    def load(self, claimed_letters: int | None) -> Load:
        """See `Gauges.load`."""
        free_disk_bytes = self._free_disk_bytes()
        try:
            info = self._info()
        except redis.RedisError:
            return Load(claimed_letters, free_disk_bytes, None, None, redis_writable=False)
        return Load(
            claimed_letters,
            free_disk_bytes,
            int(info.get("used_memory", 0)),
            int(info.get("maxmemory", 0)),
            redis_writable=takes_writes(info),
        )

    def _info(self) -> dict[str, Any]:
        with self._client.pipeline(transaction=False) as pipe:
            for section in ("memory", "replication", "persistence"):
                pipe.info(section)
            sections: list[dict[str, Any]] = cast("Any", pipe.execute())
        return {name: value for section in sections for name, value in section.items()}

    def _free_disk_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._share).free
        except OSError:
            return None

    def report(self, report: Report) -> None:
        """See `Gauges.report`."""
        told = orjson.dumps({"at_ms": self._now_ms(), "pid": os.getpid(), **_fields(report)})
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hset(self._keys.producers, self._name, told)
            pipe.expire(self._keys.producers, PRODUCER_REPORT_TTL_S)
            pipe.execute()

    def leave(self) -> None:
        """Take the report away: this producer has stopped. Raises redis.RedisError."""
        self._client.hdel(self._keys.producers, self._name)


def takes_writes(info: dict[str, Any]) -> bool:
    """Whether the server of that INFO accepts writes: a replica does not, nor one whose append-only file failed."""
    expected = {"role": "master", "aof_last_write_status": "ok"}
    return all(info.get(name, value) == value for name, value in expected.items())


def _fields(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__slots__}
