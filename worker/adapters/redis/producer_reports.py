"""Reports of the producers: the values of `imr:producers`, read by `imr status` and health checks.

A report is one JSON object. A program that reads it ignores fields that it does not know, and takes the default of
a missing one: producers and readers of different versions run side by side during an upgrade.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, cast

import orjson
import redis

from worker.contract.names import PRODUCER_REPORT_TTL_S, Keys


@dataclass(frozen=True, slots=True)
class ProducerReport:
    """Figures and fixed words only, never the name of a file or folder: a report may be shown anywhere."""

    at_ms: int = 0
    """When the report was made, in milliseconds since 1970."""
    pid: int = 0
    waiting: int = 0
    """Letters in the inbox that it knows of and has not claimed."""
    ignored: int = 0
    """Files in the inbox with ignored names."""
    claimed: int = 0
    """Files in `claimed/`."""
    hold: str | None = None
    """Why it does not claim; None if it does."""
    trouble: str | None = None
    """Why it does not see the inbox, a reason for alarm; None if it does."""
    watching: str = ""
    """`events and scan`, or `scan`."""
    why: str = ""
    """Why it watches in this way."""
    repairs: dict[str, int] = field(default_factory=dict)
    """How often file events were lost and the watch was repaired since the start, by cause; see docs/intake.md."""
    too_deep: int = 0
    """Folders of the inbox that the last scan skipped because they lie too deep."""
    unreadable: int = 0
    """Folders of the inbox that the last scan could not list."""
    unwatched: int = 0
    """Folders of the inbox that the kernel would not watch: files in them are found by the scan."""
    scan_entries: int = 0
    """Files and folders that the last scan saw."""
    scan_busy_s: float = 0.0
    """How long the last scan worked, in seconds, without its pauses."""
    scan_every_s: float = 0.0
    """How soon after the last scan the next one begins, in seconds."""

    def encode(self) -> bytes:
        """The report as JSON."""
        return orjson.dumps(self)


_NAMES = frozenset(attribute.name for attribute in fields(ProducerReport))


def decode(data: bytes) -> ProducerReport:
    """The report in that JSON."""
    values: dict[str, Any] = orjson.loads(data)
    return ProducerReport(**{name: value for name, value in values.items() if name in _NAMES})


def producer_reports(client: redis.Redis, keys: Keys) -> list[ProducerReport]:
    """The last report of each running producer; running by the server's clock. Raises redis.RedisError."""
    raw = cast("dict[bytes, bytes]", client.hgetall(keys.producers))
    seconds, _ = client.time()
    reports = [decode(data) for data in raw.values()]
    return [report for report in reports if seconds * 1000 - report.at_ms < PRODUCER_REPORT_TTL_S * 1000]
