"""What a producer tells of itself: the values of `imr:producers`, read by `imr status` and health checks.

A report is one JSON object. Readers take fields that they do not know for not there, and missing ones as their
defaults: producers and readers of different versions run side by side during an upgrade.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, cast

import orjson
import redis

from worker.contract.names import PRODUCER_REPORT_TTL_S, Keys


@dataclass(frozen=True, slots=True)
class ProducerReport:
    """Figures and fixed words only, never a name of a file or folder: it may be shown anywhere."""

    at_ms: int = 0
    """When it was told, in milliseconds since 1970."""
    pid: int = 0
    waiting: int = 0
    """Letters in the inbox that it knows of and has not claimed."""
    ignored: int = 0
    """Files in the inbox that are no letters by their names."""
    claimed: int = 0
    """Files in `claimed/`."""
    hold: str | None = None
    """What keeps it from claiming; None if nothing does."""
    trouble: str | None = None
    """What keeps it from seeing the inbox, a reason for alarm; None if nothing does."""
    watching: str = ""
    """`events and scan`, or `scan`."""
    why: str = ""
    """Why it watches like that."""
    repairs: dict[str, int] = field(default_factory=dict)
    """How often events were lost and the watch was put right since its start, by cause; see docs/intake.md."""
    too_deep: int = 0
    """Folders of the inbox that lie too deep and were not looked into by the last scan."""
    unreadable: int = 0
    """Folders of the inbox that the last scan could not list."""
    unwatched: int = 0
    """Folders of the inbox that the kernel would not watch: files in them are found by the scan."""
    scan_entries: int = 0
    """Files and folders that the last scan met."""
    scan_busy_s: float = 0.0
    """How long the last scan worked, in seconds, without its pauses."""
    scan_every_s: float = 0.0
    """How soon after the last scan the next one begins, in seconds."""

    def encode(self) -> bytes:
        """The report as JSON."""
        return orjson.dumps(self)


_NAMES = frozenset(one.name for one in fields(ProducerReport))


def decode(told: bytes) -> ProducerReport:
    """The report of that JSON."""
    values: dict[str, Any] = orjson.loads(told)
    return ProducerReport(**{name: value for name, value in values.items() if name in _NAMES})


def producer_reports(client: redis.Redis, keys: Keys) -> list[ProducerReport]:
    """The last reports of producers that are running, by the server's clock. Raises redis.RedisError."""
    raw = cast("dict[bytes, bytes]", client.hgetall(keys.producers))
    seconds, _ = client.time()
    reports = [decode(one) for one in raw.values()]
    return [one for one in reports if seconds * 1000 - one.at_ms < PRODUCER_REPORT_TTL_S * 1000]
