"""What the producer measures of the share and Redis before it claims, and the report that it leaves about itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol, cast

import redis

from producer.policy import Load
from worker.adapters.redis.producer_reports import ProducerReport
from worker.adapters.share.pause import is_paused
from worker.contract.names import PRODUCER_REPORT_TTL_S, Keys

UNKNOWN_FREE_BYTES: Final = sys.maxsize
"""The free space of a file system that does not say its size. Some in user space report 0 bytes free of 0, which does
not mean that they are full."""


class Gauges(Protocol):
    """Share and Redis, as the producer's loop measures them and reports to them."""

    def load(self, claimed_letters: int | None) -> Load:
        """The figures for admission; never raises."""

    def report(self, report: ProducerReport) -> None:
        """Leave the last report where `imr status` finds it. Raises redis.RedisError."""


class RedisGauges:
    """Gauges of one share and one Redis."""

    def __init__(
        self, *, client: redis.Redis, keys: Keys, share: str, name: str, wall_clock_ms: Callable[[], int]
    ) -> None:
        """`name` is the producer's own, unique among the producers of this Redis."""
        self._client = client
        self._keys = keys
        self._share = share
        self._name = name
        self._now_ms = wall_clock_ms

    def load(self, claimed_letters: int | None) -> Load:
        """See `Gauges.load`."""
        free_disk_bytes, paused = self._free_disk_bytes(), self._paused()
        try:
            info = self._info()
        except redis.RedisError:
            return Load(claimed_letters, free_disk_bytes, None, None, redis_writable=False, paused=paused)
        return Load(
            claimed_letters,
            free_disk_bytes,
            int(info.get("used_memory", 0)),
            int(info.get("maxmemory", 0)),
            redis_writable=takes_writes(info),
            paused=paused,
            finished_letters=int(info["finished"]),
        )

    def report(self, report: ProducerReport) -> None:
        """See `Gauges.report`."""
        encoded = replace(report, at_ms=self._now_ms(), pid=os.getpid()).encode()
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hset(self._keys.producers, self._name, encoded)
            pipe.expire(self._keys.producers, PRODUCER_REPORT_TTL_S)
            pipe.execute()

    def remove_report(self) -> None:
        """Remove the report: this producer has stopped. Raises redis.RedisError."""
        self._client.hdel(self._keys.producers, self._name)

    def _info(self) -> dict[str, Any]:
        with self._client.pipeline(transaction=False) as pipe:
            for section in ("memory", "replication", "persistence"):
                pipe.info(section)
            pipe.hlen(self._keys.finished)
            *sections, finished = cast("Any", pipe.execute())
        return {"finished": finished, **{name: value for section in sections for name, value in section.items()}}

    def _free_disk_bytes(self) -> int | None:
        try:
            usage = shutil.disk_usage(self._share)
        except OSError:
            return None
        return usage.free if usage.total else UNKNOWN_FREE_BYTES

    def _paused(self) -> bool:
        try:
            return is_paused(self._share)
        except OSError:
            return True  # it may be paused: a pause that cannot be read must not be overruled


def takes_writes(info: dict[str, Any]) -> bool:
    """Whether the server of that INFO accepts writes: a replica does not, nor one whose append-only file failed."""
    expected = {"role": "master", "aof_last_write_status": "ok"}
    return all(info.get(name, value) == value for name, value in expected.items())
