"""Read-only look-ups in Redis: what `imr explain` needs besides the port of the workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, cast

import orjson
import redis

from worker.adapters.redis.producer_reports import ProducerReport, producer_reports
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.processing.records import Record

MAX_MATCHES: Final = 10
"""Most letters listed for the beginning of an id: a person who sees ten gives more characters."""
_PAGE: Final = 1000
_MAX_ENTRIES: Final = 100_000
"""Most entries after a dead letter's own that are searched for decisions about it."""


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that is begun and not finished."""

    digest: str
    """The letter that the claim is open for."""
    lease_left_ms: int | None
    """Time until the lease ends, negative once it has; None while no worker has the letter and it waits."""
    incomplete_ms: int | None
    """Time since the letter was first seen to be incomplete; None if it is not."""


class Lookup:
    """Look-ups that change nothing; every method raises `RecordsUnavailable` or redis.RedisError."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._records = RedisRecords(client, keys)

    def record(self, digest: str) -> Record | None:
        """What is known of a letter."""
        return self._records.record(digest)

    def open_claim(self, claim_id: str) -> OpenClaim | None:
        """The state of a claim that is begun and not finished; None for any other."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hget(self._keys.open_letters, claim_id)
            pipe.zscore(self._keys.open, claim_id)
            pipe.time()
            digest, end_ms, (seconds, micros) = cast("Any", pipe.execute())
        if digest is None or end_ms is None:
            return None
        now_ms = seconds * 1000 + micros // 1000
        since_ms = cast("bytes | None", self._client.hget(self._keys.letter(digest.decode()), "incomplete"))
        return OpenClaim(
            digest=digest.decode(),
            lease_left_ms=int(end_ms) - now_ms if end_ms else None,
            incomplete_ms=now_ms - int(since_ms) if since_ms is not None else None,
        )

    def digests(self, start: str) -> list[str]:
        """Ids of letters that begin with `start`, at most `MAX_MATCHES`. Scans every key of the server."""
        key_prefix = self._keys.letter("")
        keys = islice(self._client.scan_iter(f"{self._keys.letter(start)}*", count=_PAGE), MAX_MATCHES)
        return sorted({key.decode().removeprefix(key_prefix) for key in keys})

    def event(self, entry: str) -> dict[str, Any] | None:
        """The event of a published letter; None if its entry was trimmed."""
        rows = cast("Any", self._client.xrange(self._keys.determinations, entry, entry))
        return cast("dict[str, Any]", orjson.loads(rows[0][1][b"data"])) if rows else None

    def decisions(self, digest: str, entry: str) -> list[dict[str, Any]]:
        """Decisions about a letter (`Resolution` as JSON), oldest first, from the entries after its dead letter's."""
        events = (orjson.loads(data) for data in self._data_after(entry) if digest.encode() in data)
        return [
            event["data"] for event in events if "action" in event.get("data", {}) and event["id"].startswith(digest)
        ]

    def _data_after(self, entry: str) -> Iterator[bytes]:
        start = entry
        for _ in range(_MAX_ENTRIES // _PAGE):
            rows = cast("Any", self._client.xrange(self._keys.dead_letters, f"({start}", "+", _PAGE))
            for entry_id, fields in rows:
                start = entry_id.decode()
                yield fields.get(b"data", b"")
            if len(rows) < _PAGE:
                return

    def reports(self) -> list[ProducerReport]:
        """The last report of each running producer."""
        return producer_reports(self._client, self._keys)
