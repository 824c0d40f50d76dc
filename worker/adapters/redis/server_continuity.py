"""Server continuity: whether the Redis that answers still has everything that it acknowledged.

The producer writes a heartbeat into Redis for as long as the same server process answers. The heartbeat lies in the
same append-only file as everything else, so whatever was acknowledged before the surviving heartbeat has survived too.
Another process, or no heartbeat, means that later data may be gone: a restart with a lost tail, an old snapshot, a
fail-over, FLUSHALL, an empty data folder. Then a check is pending: no heartbeat is written until a worker has compared
the letters filed since the last one with their records.

    imr:server  hash
      run_id      server process (INFO) that is known to have everything; lost together with everything else
      at_ms       its last heartbeat, on its own clock
      checking    server process that is being checked; noticed_ms  when that check became pending; share  whose letters
      place       how far the check has come (day and claim id, never a name)
      checked     letters compared with their records so far; lost  those of them that are published again
      lost_ever   what the last check with a loss found; lost_at_ms  when that check became pending
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from worker.contract.names import Keys

_Fields = dict[bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float]
_CHECK_FIELDS: Final = ("checking", "noticed_ms", "share", "place", "checked", "lost")


@dataclass(frozen=True, slots=True)
class PendingCheck:
    """The check of a server that may have lost acknowledged data, and how far it has come.

    `imr status --json` prints these fields.
    """

    run_id: str
    beat_ms: int | None
    """Last heartbeat: everything acknowledged before it is there. None: nothing is known to be there."""
    noticed_ms: int
    """When the check became pending."""
    now_ms: int
    """Now. All times are on the server's clock."""
    share: str = ""
    """Id of the share whose letters are checked; empty if it has none: a bare mount point has no id."""
    place: str = ""
    """Last letter that was checked (day and claim id)."""
    checked: int = 0
    """Letters checked so far."""
    lost: int = 0
    """Those of them whose record was gone."""


@dataclass(frozen=True, slots=True)
class RecordLoss:
    """The loss that a finished check found, as `imr status` shows it."""

    letters: int
    noticed_ms: int


class ServerContinuity:
    """The server heartbeat and the pending check of one installation, for producers and workers."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.server

    def heartbeat(self, is_empty: Callable[[], bool], share: str = "") -> PendingCheck | None:
        """Write the heartbeat and return None, or return the check that has to be done first. Raises redis.RedisError.

        `is_empty()` says that the share has nothing claimed, archived or in review: then nothing can be missing, and
        no check is needed. `share` is the id of that share, for the worker that does the check.
        """
        with self._client.pipeline(transaction=True) as pipe:
            run_id, now_ms, known = self._watch(pipe)
            check = _pending_check(run_id, now_ms, known)
            pipe.multi()
            if check is None:
                pipe.hset(self._key, "at_ms", str(now_ms))
            elif is_empty():
                _accept_server(pipe, self._key, run_id, now_ms)
                check = None
            elif known.get("checking") != run_id:
                pipe.hdel(self._key, *_CHECK_FIELDS)
                pipe.hset(self._key, mapping={"checking": run_id, "noticed_ms": str(now_ms), "share": share})
            pipe.execute()
        return check

    def pending_check(self) -> PendingCheck | None:
        """The check that a producer has asked for; None if there is none. Raises redis.RedisError."""
        with self._client.pipeline(transaction=True) as pipe:
            run_id, now_ms, known = self._watch(pipe)
        return _pending_check(run_id, now_ms, known) if known.get("checking") == run_id else None

    def save_progress(self, check: PendingCheck, place: str, checked: int, lost: int) -> PendingCheck | None:
        """Write down how far the check has come, and return it with the new figures. Raises redis.RedisError.

        None if the check was taken over: another worker went on from the same place, or the server was lost once more.
        """
        now = replace(check, place=place, checked=check.checked + checked, lost=check.lost + lost)
        figures: _Fields = {"place": place, "checked": now.checked, "lost": now.lost}
        return now if self._write_if_current(check, lambda pipe: pipe.hset(self._key, mapping=figures)) else None

    def complete(self, check: PendingCheck) -> bool:
        """End the check: from now on this server counts as complete. False if it was taken over (`save_progress`)."""

        def write(pipe: Pipeline) -> None:
            _accept_server(pipe, self._key, check.run_id, check.now_ms)
            if check.lost:
                loss: _Fields = {"lost_ever": check.lost, "lost_at_ms": check.noticed_ms}
                pipe.hset(self._key, mapping=loss)

        return self._write_if_current(check, write)

    def loss(self) -> RecordLoss | None:
        """The last loss that was found; None once it was acknowledged. Raises redis.RedisError."""
        letters, noticed_ms = cast("Any", self._client.hmget(self._key, ["lost_ever", "lost_at_ms"]))
        return RecordLoss(int(letters), int(noticed_ms or 0)) if letters else None

    def acknowledge_loss(self) -> None:
        """Forget the last loss: a full check found nothing missing any more. Raises redis.RedisError."""
        self._client.hdel(self._key, "lost_ever", "lost_at_ms")

    def _write_if_current(self, check: PendingCheck, write: Callable[[Pipeline], object]) -> bool:
        """Whether it was written: only while this server and this place of the check are the current ones."""
        with suppress(WatchError), self._client.pipeline(transaction=True) as pipe:
            run_id, _, known = self._watch(pipe)
            if (run_id, known.get("checking"), known.get("place", "")) == (check.run_id, check.run_id, check.place):
                pipe.multi()
                write(pipe)
                pipe.execute()
                return True
        return False

    def _watch(self, pipe: Pipeline) -> tuple[str, int, dict[str, str]]:
        """(run id of the server process, its time in ms, fields of `imr:server`), with the key watched.

        Later writes go over the same connection, so they never reach another server than the one that was read.
        """
        pipe.watch(self._key)  # type: ignore[no-untyped-call]
        raw = cast("dict[bytes, bytes]", pipe.hgetall(self._key))
        info = pipe.info("server")
        seconds, micros = cast("Any", pipe.time())
        known = {name.decode(): value.decode() for name, value in raw.items()}
        return str(info.get("run_id", "")), seconds * 1000 + micros // 1000, known


def _pending_check(run_id: str, now_ms: int, known: dict[str, str]) -> PendingCheck | None:
    if known.get("run_id") == run_id:
        return None
    progress = known if known.get("checking") == run_id else {}
    return PendingCheck(
        run_id=run_id,
        beat_ms=int(known["at_ms"]) if "at_ms" in known else None,
        noticed_ms=int(progress.get("noticed_ms", now_ms)),
        now_ms=now_ms,
        share=progress.get("share", ""),
        place=progress.get("place", ""),
        checked=int(progress.get("checked", 0)),
        lost=int(progress.get("lost", 0)),
    )


def _accept_server(pipe: Pipeline, key: str, run_id: str, now_ms: int) -> None:
    """This server process has everything: end its check, and write its first heartbeat."""
    pipe.hdel(key, *_CHECK_FIELDS)
    pipe.hset(key, mapping={"run_id": run_id, "at_ms": str(now_ms)})
