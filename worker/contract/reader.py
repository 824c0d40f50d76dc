"""Reading the streams from Python, so that nothing is missed: public API, described in docs/reading.md.

    with Reader("redis://localhost/0", ["imr:determinations"], group="claims-desk", consumer="desk-1") as reader:
        signal.signal(signal.SIGTERM, lambda *_: reader.stop())
        reader.run(handle)

A reader is one consumer of a consumer group that begins at the start of each stream. In this order it takes

1. what it was given and did not acknowledge: its last life ended in the middle, or a reply was lost;
2. what other consumers of the group were given and have held for `idle_s`: they are dead, or their handler failed;
3. what is new, waiting for it up to `block_s`.

An entry is acknowledged after `handle` has returned; until then the server keeps it for this group. So `handle` is
called at least once for each entry, and a second time when the reader was killed between handling and acknowledging.

What was given before is taken one by one: its deliveries are counted before it is handled, and an entry that kills its
reader must not use up the tries of those that were taken with it.

Redis may go away and come back, and may come back empty: the reader connects again, makes its group again and looks
first at what it holds. The time limit of its connection is longer than the longest wait for news, so that a silent
server is told from a quiet stream, and a connection whose other end is gone is given up within `block_s` + 10 seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
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

from worker.contract.entries import Entry, RecentIds, Seen, data_of, entries_of
from worker.contract.redis_client import connect

__all__ = ["Entry", "Handle", "Pace", "Reader", "RecentIds", "Seen"]

log = logging.getLogger("imr.reader")

REPLY_S: Final = 10.0
"""How much longer than it was asked to wait a server may take to answer."""
LONGEST_PAUSE_S: Final = 5.0
"""A server that is away is asked again after 0.1 s, then after twice as long each time, up to this."""
_GROUP_IS_GONE: Final = ("NOGROUP", "UNBLOCKED")
"""What Redis says when stream or group were deleted before, or in the middle of, a read."""
_PASSES: Final = ("MISCONF", "NOREPLICAS")
"""Refusals that end by themselves or when a person makes room."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reader waits and how often it tries."""

    block_s: float = 1.0
    """Longest wait for news in one request; `stop` is noticed after it."""
    idle_s: float = 60.0
    """After so long without an acknowledgement an entry is taken from whoever holds it, and a failed one is tried
    again. Longer than `batch` entries take to handle, or two consumers work on the same ones."""
    batch: int = 10
    """Most new entries taken at once."""
    max_deliveries: int = 5
    """An entry that was given so often without success goes to `give_up` instead, if there is one."""


Handle = Callable[[Entry], object]


class Reader:
    """One consumer of one group over one or more streams. Not for use by several threads, but for `stop`."""

    def __init__(
        self,
        url: str,
        streams: Sequence[str],
        *,
        group: str,
        consumer: str,
        seen: Seen | None = None,
        give_up: Handle | None = None,
        pace: Pace = Pace(),
    ) -> None:
        """`consumer` is a name that no other process of the group has, and the same after a restart.

        `seen` is asked before and told after each handling; by default the last 100,000 events. `give_up` gets, in
        place of the handler, what was tried too often; it is acknowledged when `give_up` has returned. Without one such
        an entry is tried again for ever.
        """
        self._client = connect(url, timeout_s=pace.block_s + REPLY_S)
        self._streams = list(streams)
        self._group = group
        self._consumer = consumer
        self._seen: Seen = seen if seen is not None else RecentIds()
        self._give_up = give_up
        self._pace = pace
        self._stopping = False
        self._look_back()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def stop(self) -> None:
        """End `run` after the entry it is at. Safe to call from a signal handler and from another thread."""
        self._stopping = True

    def run(self, handle: Handle) -> None:
        """Handle entries until stopped, whatever happens to the server.

        What `handle` raises is logged by its kind, and the entry is tried again. Raises redis.AuthenticationError and
        other refusals that no waiting ends.
        """
        failures = 0
        while not self._stopping:
            try:
                self._turn(handle, block_s=self._pace.block_s)
                failures = 0
            except redis.RedisError as error:
                if not _passes(error):
                    raise
                self._look_back()
                failures += 1
                pause_s = min(LONGEST_PAUSE_S, 0.05 * 2 ** min(failures, 10))
                log.warning("Redis does not answer (%s); asked again in %.1f s", type(error).__name__, pause_s)
                self._sleep(pause_s)

    def drain(self, handle: Handle) -> int:
        """Handle what is there without waiting for more; how many entries were taken. Raises redis.RedisError."""
        total = 0
        while not self._stopping and (taken := self._turn(handle, block_s=None)):
            total += taken
        return total

    def _look_back(self) -> None:
        """Begin again with the group and with what we hold: a reply may have been lost."""
        self._has_groups = False
        self._ours = dict.fromkeys(self._streams, "-")
        self._idle_due_s = float("-inf")

    def _turn(self, handle: Handle, block_s: float | None) -> int:
        """Take some entries and handle them; how many were taken."""
        try:
            if not self._has_groups:
                self._make_groups()
            entries = self._held() or self._abandoned() or self._news(block_s)
            for entry in entries:
                if not self._stopping:
                    self._deal_with(entry, handle)
        except ResponseError as error:
            if not _says(error, _GROUP_IS_GONE):
                raise
            log.warning("stream or group was deleted; made again, from the beginning")
            self._look_back()
            return 1  # not done yet
        return len(entries)

    def _make_groups(self) -> None:
        for stream in self._streams:
            try:
                self._client.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if not _says(error, ["BUSYGROUP"]):
                    raise
        self._has_groups = True

    def _held(self) -> list[Entry]:
        """What this consumer was given in an earlier life, or by a reply that never came."""
        while self._ours:
            stream, start = next(iter(self._ours.items()))
            looked_at, entry = self._take(stream, start, min_idle_ms=0, holder=self._consumer)
            if looked_at is None:
                del self._ours[stream]
            else:
                self._ours[stream] = f"({looked_at}"
            if entry is not None:
                return [entry]
        return []

    def _abandoned(self) -> list[Entry]:
        """What nobody has acknowledged for too long, our own failures included."""
        if time.monotonic() < self._idle_due_s:
            return []
        for stream in self._streams:
            looked_at: str | None = "-"
            while looked_at is not None:
                looked_at, entry = self._take(stream, "-", min_idle_ms=int(self._pace.idle_s * 1000), holder=None)
                if entry is not None:
                    return [entry]
        self._idle_due_s = time.monotonic() + self._pace.idle_s / 4
        return []

    def _take(
        self, stream: str, start: str, *, min_idle_ms: int, holder: str | None
    ) -> tuple[str | None, Entry | None]:
        """Claim the next pending entry: its id, None when there are no more, and the entry if it is ours now.

        XPENDING and XCLAIM in place of XAUTOCLAIM: they tell how often an entry was delivered, and on Redis 6.2 too
        which entries are gone.
        """
        rows = cast(
            "list[dict[str, Any]]",
            self._client.xpending_range(stream, self._group, start, "+", 1, holder, min_idle_ms or None),
        )
        if not rows:
            return None, None
        raw, deliveries = rows[0]["message_id"], rows[0]["times_delivered"] + 1
        claimed = cast("list[Any]", self._client.xclaim(stream, self._group, self._consumer, min_idle_ms, [raw]))
        if claimed and claimed[0][1]:
            return raw.decode(), Entry(stream, raw.decode(), data_of(claimed[0][1]), deliveries)
        self._forget_if_gone(stream, raw)
        return raw.decode(), None

    def _forget_if_gone(self, stream: str, entry: bytes) -> None:
        """Acknowledge a pending entry that was deleted; one that is there was claimed by another meanwhile."""
        if not self._client.xrange(stream, entry, entry):
            log.error("entry %s of %s was deleted before it was acknowledged", entry.decode(), stream)
            self._client.xack(stream, self._group, entry)

    def _news(self, block_s: float | None) -> list[Entry]:
        wanted: Any = dict.fromkeys(self._streams, ">")
        block_ms = int(block_s * 1000) if block_s is not None else None
        reply = self._client.xreadgroup(self._group, self._consumer, wanted, count=self._pace.batch, block=block_ms)
        return list(entries_of(reply))

    def _deal_with(self, entry: Entry, handle: Handle) -> None:
        if entry.event_id in self._seen or self._is_handled(entry, handle):
            self._client.xack(entry.stream, self._group, entry.id)

    def _is_handled(self, entry: Entry, handle: Handle) -> bool:
        """Handle the entry or give it up; whether that went well. If not it stays pending, and is tried again."""
        is_given_up = self._give_up is not None and entry.deliveries > self._pace.max_deliveries
        chosen = self._give_up if self._give_up is not None and is_given_up else handle
        try:
            chosen(entry)
        except Exception as error:  # noqa: BLE001 - one entry's failure must not end the reader
            kind, idle_s = type(error).__name__, self._pace.idle_s
            log.error("entry %s failed (%s), try %d; again in %g s", entry.id, kind, entry.deliveries, idle_s)
            return False
        if is_given_up:
            log.error("entry %s given up after %d tries", entry.id, entry.deliveries - 1)
        self._seen.add(entry.event_id)
        return True

    def _sleep(self, pause_s: float) -> None:
        """Wait in short steps: no lock is held that a signal handler could want, and `stop` is noticed."""
        deadline_s = time.monotonic() + pause_s
        while not self._stopping and time.monotonic() < deadline_s:
            time.sleep(0.05)


def _passes(error: redis.RedisError) -> bool:
    """Whether waiting can help."""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return False
    away = isinstance(error, redis.ConnectionError | redis.TimeoutError | ClusterDownError)
    refused = isinstance(error, ReadOnlyError | OutOfMemoryError)
    return away or refused or (isinstance(error, ResponseError) and _says(error, _PASSES))


def _says(error: ResponseError, codes: Sequence[str]) -> bool:
    return any(code in str(error) for code in codes)
