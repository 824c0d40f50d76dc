"""Reading the streams from Python without missing an entry: public API, described in docs/reading.md.

    with Reader("redis://localhost/0", ["imr:determinations"], group="claims-desk", consumer="desk-1") as reader:
        signal.signal(signal.SIGTERM, lambda *_: reader.stop())
        reader.run(handle)

A reader is one consumer of a consumer group that begins at the start of each stream. It takes entries in this order:

1. entries that were delivered to it and that it did not acknowledge: it was ended in the middle, or a reply was lost;
2. entries that other consumers of the group have held for `idle_s`: those are dead, or their handler failed;
3. new entries, waited for up to `block_s`.

An entry is acknowledged after `handle` has returned; until then the server keeps it for this group. So `handle` is
called at least once for each entry, and a second time if the reader was killed between handling and acknowledging.

Redis may go away and come back, and may come back empty: the reader connects again, makes its group again and first
takes what it holds. The time limit of its connection is longer than the longest wait for new entries, so a quiet stream
is not mistaken for a silent server, and a dead connection is given up within `block_s` + 10 seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import redis
from redis.exceptions import ResponseError

from worker.contract.consumer_group import ConsumerGroup, is_deleted, is_temporary
from worker.contract.entries import Entry, RecentIds, Seen
from worker.contract.redis_client import connect

__all__ = ["Entry", "Handle", "Pace", "Reader", "RecentIds", "Seen"]

log = logging.getLogger("imr.reader")

REPLY_S: Final = 10.0
"""Time for a reply beyond the wait that was asked for."""
MAX_RETRY_DELAY_S: Final = 5.0
"""A server that is away is tried again after 0.1 s, then after twice as long each time, up to this."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a reader waits, and how often it tries."""

    block_s: float = 1.0
    """Longest wait for new entries in one request; `stop` takes effect after it."""
    idle_s: float = 60.0
    """An entry that was not acknowledged for so long is taken from the consumer that holds it, and a failed one is
    tried again. Longer than handling `batch` entries takes; otherwise two consumers handle the same entries."""
    batch: int = 10
    """Most new entries taken at once."""
    max_deliveries: int = 5
    """An entry that was delivered more often than this goes to `give_up` instead, if there is one."""


Handle = Callable[[Entry], object]


class Reader:
    """One consumer of one group over one or more streams. For one thread, except for `stop`."""

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
        """`consumer` is unique among the processes of the group, and the same after a restart.

        `seen` is asked before each handling, and gets the event id after it; by default it holds the last 100,000
        events. `give_up` gets, in place of the handler, an entry that was tried too often; the entry is acknowledged
        when `give_up` has returned. Without `give_up` such an entry is tried again for ever.
        """
        self._client = connect(url, timeout_s=pace.block_s + REPLY_S)
        self._group = ConsumerGroup(self._client, streams, group, consumer, pace.idle_s)
        self._seen: Seen = seen if seen is not None else RecentIds()
        self._give_up = give_up
        self._pace = pace
        self._stopping = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def stop(self) -> None:
        """End `run` after the entry in hand. Safe to call from a signal handler and from another thread."""
        self._stopping = True

    def run(self, handle: Handle) -> None:
        """Handle entries until stopped, whatever happens to the server.

        An error that `handle` raises is logged by its class, and the entry is tried again. Raises
        redis.AuthenticationError and other refusals that do not end by waiting.
        """
        failures = 0
        while not self._stopping:
            try:
                self._turn(handle, block_s=self._pace.block_s)
                failures = 0
            except redis.RedisError as error:
                if not is_temporary(error):
                    raise
                self._group.restart()
                failures += 1
                delay_s = min(MAX_RETRY_DELAY_S, 0.05 * 2 ** min(failures, 10))
                log.warning("Redis does not answer (%s); asked again in %.1f s", type(error).__name__, delay_s)
                self._sleep(delay_s)

    def drain(self, handle: Handle) -> int:
        """Handle the entries that are there, without waiting for more; their number. Raises redis.RedisError."""
        total = 0
        while not self._stopping and (taken := self._turn(handle, block_s=None)):
            total += taken
        return total

    def _turn(self, handle: Handle, block_s: float | None) -> int:
        """Take some entries and handle them; their number, not 0 if there may be more."""
        try:
            entries = self._take(block_s)
            for entry in entries:
                if not self._stopping and (entry.event_id in self._seen or self._is_handled(entry, handle)):
                    self._group.acknowledge(entry)
        except ResponseError as error:
            if not is_deleted(error):
                raise
            log.warning("stream or group was deleted; made again, from the beginning")
            self._group.restart()
            return 1
        return len(entries)

    def _take(self, block_s: float | None) -> list[Entry]:
        self._group.make()
        return self._group.own_pending() or self._group.idle_pending() or self._group.new(self._pace.batch, block_s)

    def _is_handled(self, entry: Entry, handle: Handle) -> bool:
        """Handle the entry or give it up; whether that succeeded. If not, it stays pending and is tried again."""
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

    def _sleep(self, delay_s: float) -> None:
        """Sleep in short steps: `stop` takes effect, and no lock is held that a signal handler could need."""
        deadline_s = time.monotonic() + delay_s
        while not self._stopping and time.monotonic() < deadline_s:
            time.sleep(0.05)
