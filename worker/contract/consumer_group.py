"""One consumer of a consumer group: what it holds, what others left, what is new; the base of `worker.contract.reader`.

Entries that were delivered before are taken one at a time: their deliveries are counted before they are handled, and an
entry that kills its reader must not use up the attempts of others that were taken with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, Final, cast

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from worker.contract.entries import Entry, data_of, entries_of

log = logging.getLogger("imr.reader")

_DELETED: Final = ("NOGROUP", "UNBLOCKED")
"""Codes of a read whose stream or group was deleted before it, or in the middle of it."""
_TEMPORARY: Final = ("MISCONF", "NOREPLICAS")
"""Codes of refusals that end by themselves, or when somebody makes room."""


class ConsumerGroup:
    """One consumer of one group over one or more streams. Every method raises redis.RedisError."""

    def __init__(self, client: redis.Redis, streams: Sequence[str], group: str, consumer: str, idle_s: float) -> None:
        """`idle_s`: an entry that was not acknowledged for so long is taken from the consumer that holds it."""
        self._client = client
        self._streams = list(streams)
        self._group = group
        self._consumer = consumer
        self._idle_s = idle_s
        self.restart()

    def restart(self) -> None:
        """Make the groups again, and read again what this consumer holds: a reply may have been lost."""
        self._has_groups = False
        self._own_positions = dict.fromkeys(self._streams, "-")
        self._idle_due_s = float("-inf")

    def make(self) -> None:
        """Make the group of each stream that has none, from the beginning of the stream; once until `restart`."""
        if self._has_groups:
            return
        for stream in self._streams:
            try:
                self._client.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if not _has_code(error, ["BUSYGROUP"]):
                    raise
        self._has_groups = True

    def own_pending(self) -> list[Entry]:
        """The next entry that this consumer holds: from before it was restarted, or from a reply that was lost."""
        while self._own_positions:
            stream, start = next(iter(self._own_positions.items()))
            examined, entry = self._claim_next(stream, start, min_idle_ms=0, holder=self._consumer)
            if examined is None:
                del self._own_positions[stream]
            else:
                self._own_positions[stream] = f"({examined}"
            if entry is not None:
                return [entry]
        return []

    def idle_pending(self) -> list[Entry]:
        """The next entry that no consumer has acknowledged for `idle_s`, this one's failures included."""
        if time.monotonic() < self._idle_due_s:
            return []
        for stream in self._streams:
            examined: str | None = "-"
            while examined is not None:
                examined, entry = self._claim_next(stream, "-", min_idle_ms=int(self._idle_s * 1000), holder=None)
                if entry is not None:
                    return [entry]
        self._idle_due_s = time.monotonic() + self._idle_s / 4
        return []

    def new(self, count: int, block_s: float | None) -> list[Entry]:
        """At most `count` new entries per stream, waited for up to `block_s`; None does not wait."""
        positions: Any = dict.fromkeys(self._streams, ">")
        block_ms = int(block_s * 1000) if block_s is not None else None
        reply = self._client.xreadgroup(self._group, self._consumer, positions, count=count, block=block_ms)
        return list(entries_of(reply))

    def acknowledge(self, entry: Entry) -> None:
        """The group is done with the entry."""
        self._client.xack(entry.stream, self._group, entry.id)

    def _claim_next(
        self, stream: str, start: str, *, min_idle_ms: int, holder: str | None
    ) -> tuple[str | None, Entry | None]:
        """(id of the next pending entry, None if there is none; the entry, None if it could not be claimed).

        XPENDING and XCLAIM in place of XAUTOCLAIM: they say how often an entry was delivered and, on Redis 6.2 too,
        which entries were deleted.
        """
        rows = cast(
            "list[dict[str, Any]]",
            self._client.xpending_range(stream, self._group, start, "+", 1, holder, min_idle_ms or None),
        )
        if not rows:
            return None, None
        raw_id, deliveries = rows[0]["message_id"], rows[0]["times_delivered"] + 1
        claimed = cast("list[Any]", self._client.xclaim(stream, self._group, self._consumer, min_idle_ms, [raw_id]))
        if claimed and claimed[0][1]:
            return raw_id.decode(), Entry(stream, raw_id.decode(), data_of(claimed[0][1]), deliveries)
        self._acknowledge_deleted(stream, raw_id)
        return raw_id.decode(), None

    def _acknowledge_deleted(self, stream: str, raw_id: bytes) -> None:
        """Acknowledge a pending entry if it was deleted; if it exists, another consumer has claimed it meanwhile."""
        if not self._client.xrange(stream, raw_id, raw_id):
            log.error("entry %s of %s was deleted before it was acknowledged", raw_id.decode(), stream)
            self._client.xack(stream, self._group, raw_id)


def is_temporary(error: redis.RedisError) -> bool:
    """Whether the error may end by itself, so that waiting makes sense."""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return False
    is_away = isinstance(error, redis.ConnectionError | redis.TimeoutError | ClusterDownError)
    is_refusing_writes = isinstance(error, ReadOnlyError | OutOfMemoryError)
    return is_away or is_refusing_writes or (isinstance(error, ResponseError) and _has_code(error, _TEMPORARY))


def is_deleted(error: ResponseError) -> bool:
    """Whether the stream or the group of a read was deleted."""
    return _has_code(error, _DELETED)


def _has_code(error: ResponseError, codes: Sequence[str]) -> bool:
    return any(code in str(error) for code in codes)
