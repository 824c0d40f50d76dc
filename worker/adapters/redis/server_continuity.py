"""Whether the Redis that answers still has everything that it acknowledged.

The producer beats into Redis for as long as the same server process answers. The beat lies in the same append-only
file as everything else, so whatever was acknowledged before the beat that survived has survived too. Another process,
or no beat, means that what came after may be gone: a restart with a lost tail, an old snapshot, a fail-over, FLUSHALL,
an empty data folder. Then nobody beats until a worker has held the letters filed since against their records.

    imr:server  hash
      run_id      server process (INFO) that is known to have everything; gone with everything else
      at_ms       its last beat, on its own clock
      checking    server process that is being checked; noticed_ms  since when its doubt is known; share  whose letters
      place       how far the check has come (day and claim id, never a name)
      checked     letters held against their records so far; lost  those of them that are published again
      lost_ever   what the last check that found any found; lost_at_ms  when its doubt was noticed
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
_OF_A_CHECK: Final = ("checking", "noticed_ms", "share", "place", "checked", "lost")


@dataclass(frozen=True, slots=True)
class PendingCheck:
    """A server that may have lost what was acknowledged, and how far its check has come."""

    run_id: str
    beat_ms: int | None
    """Everything acknowledged before is there; None: nothing is known to be."""
    noticed_ms: int
    now_ms: int
    """Now, on the server's clock as the other times."""
    share: str = ""
    """Id of the share whose letters are checked, where it has one: a bare mount point is none."""
    place: str = ""
    checked: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class RecordLoss:
    """What was lost, as people are told."""

    letters: int
    noticed_ms: int


class ServerContinuity:
    """The beat of one installation, for producers and workers."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.server

    def beat(self, is_empty: Callable[[], bool], share: str = "") -> PendingCheck | None:
        """Beat, and None; or the doubt that keeps us from it. Raises redis.RedisError.

        A share for which `is_empty()` holds (nothing claimed, archived or in review) has nothing that could be missing.
        `share` is its id, for whoever checks it.
        """
        with self._client.pipeline(transaction=True) as pipe:
            run_id, now_ms, known = self._look(pipe)
            doubt = _doubt(run_id, now_ms, known)
            pipe.multi()
            if doubt is None:
                pipe.hset(self._key, "at_ms", str(now_ms))
            elif is_empty():
                _trust(pipe, self._key, run_id, now_ms)
                doubt = None
            elif known.get("checking") != run_id:
                pipe.hdel(self._key, *_OF_A_CHECK)
                pipe.hset(self._key, mapping={"checking": run_id, "noticed_ms": str(now_ms), "share": share})
            pipe.execute()
        return doubt

    def doubt(self) -> PendingCheck | None:
        """The doubt that a producer has noticed, None if there is none. Raises redis.RedisError."""
        with self._client.pipeline(transaction=True) as pipe:
            run_id, now_ms, known = self._look(pipe)
        return _doubt(run_id, now_ms, known) if known.get("checking") == run_id else None

    def proceed(self, doubt: PendingCheck, place: str, checked: int, lost: int) -> PendingCheck | None:
        """Note how far the check has come; None if it is not ours any more. Raises redis.RedisError.

        It is another's when they went on from the same place, and nobody's when the server was lost once more.
        """
        now = replace(doubt, place=place, checked=doubt.checked + checked, lost=doubt.lost + lost)
        figures: _Fields = {"place": place, "checked": now.checked, "lost": now.lost}
        return now if self._if_ours(doubt, lambda pipe: pipe.hset(self._key, mapping=figures)) else None

    def settle(self, doubt: PendingCheck) -> bool:
        """The check is through: this server is trusted from now on. False as None of `proceed`."""

        def settled(pipe: Pipeline) -> None:
            _trust(pipe, self._key, doubt.run_id, doubt.now_ms)
            if doubt.lost:
                loss: _Fields = {"lost_ever": doubt.lost, "lost_at_ms": doubt.noticed_ms}
                pipe.hset(self._key, mapping=loss)

        return self._if_ours(doubt, settled)

    def loss(self) -> RecordLoss | None:
        """The last loss that was found, until somebody has seen to it. Raises redis.RedisError."""
        letters, noticed_ms = cast("Any", self._client.hmget(self._key, ["lost_ever", "lost_at_ms"]))
        return RecordLoss(int(letters), int(noticed_ms or 0)) if letters else None

    def forget_loss(self) -> None:
        """Somebody has checked everything and found nothing missing. Raises redis.RedisError."""
        self._client.hdel(self._key, "lost_ever", "lost_at_ms")

    def _if_ours(self, doubt: PendingCheck, write: Callable[[Pipeline], object]) -> bool:
        with suppress(WatchError), self._client.pipeline(transaction=True) as pipe:
            run_id, _, known = self._look(pipe)
            if (run_id, known.get("checking"), known.get("place", "")) == (doubt.run_id, doubt.run_id, doubt.place):
                pipe.multi()
                write(pipe)
                pipe.execute()
                return True
        return False

    def _look(self, pipe: Pipeline) -> tuple[str, int, dict[str, str]]:
        """(process id of the server's run, its time, what `imr:server` says), and watch the key.

        What is written after that goes over the same connection: it never reaches another server than was looked at.
        """
        pipe.watch(self._key)  # type: ignore[no-untyped-call]
        raw = cast("dict[bytes, bytes]", pipe.hgetall(self._key))
        info = pipe.info("server")
        seconds, micros = cast("Any", pipe.time())
        known = {name.decode(): value.decode() for name, value in raw.items()}
        return str(info.get("run_id", "")), seconds * 1000 + micros // 1000, known


def _doubt(run_id: str, now_ms: int, known: dict[str, str]) -> PendingCheck | None:
    if known.get("run_id") == run_id:
        return None
    mine = known if known.get("checking") == run_id else {}
    return PendingCheck(
        run_id=run_id,
        beat_ms=int(known["at_ms"]) if "at_ms" in known else None,
        noticed_ms=int(mine.get("noticed_ms", now_ms)),
        now_ms=now_ms,
        share=mine.get("share", ""),
        place=mine.get("place", ""),
        checked=int(mine.get("checked", 0)),
        lost=int(mine.get("lost", 0)),
    )


def _trust(pipe: Pipeline, key: str, run_id: str, now_ms: int) -> None:
    pipe.hdel(key, *_OF_A_CHECK)
    pipe.hset(key, mapping={"run_id": run_id, "at_ms": str(now_ms)})
