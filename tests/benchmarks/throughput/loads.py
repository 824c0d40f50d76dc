"""The loads, and what is measured under them."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import redis

from tests.benchmarks.throughput.contestants import Rig
from tests.benchmarks.throughput.job import STREAM
from tests.benchmarks.throughput.letters import Kind, each, stage
from tests.benchmarks.throughput.model import Flood, Steady, Usage
from tests.benchmarks.throughput.processes import usage
from tests.support.servers import Server

WARM_UP_LETTERS: Final = 24
_WARM_UP_FROM: Final = 9_000_000
SPARE_PDFS: Final = 100
"""PDFs below this number are for warming up: several hints, so that each worker has its reading process."""
_POLL_S: Final = 0.1
_START_TIMEOUT_S: Final = 90.0
_STALL_S: Final = 60.0
"""So long without a new entry means that letters are missing."""


def warm_up(rig: Rig, kind: Kind) -> None:
    """Wait until the contestant works: every process has imported what it needs and connected."""
    with contextlib.closing(rig.server.client()) as client:
        _warm_up(rig, kind, client)


def _warm_up(rig: Rig, kind: Kind, client: redis.Redis) -> None:
    # pathway and the naive ones see what comes after they have looked; a first letter may come too early for them.
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    number = _WARM_UP_FROM
    while not client.xlen(STREAM):
        _rename(stage(rig.staging, "text", number, 1), rig)
        number += 1
        time.sleep(0.5)
        _require(rig, deadline_s, "a first letter")
    there = client.xlen(STREAM)
    first, count = (0, SPARE_PDFS) if kind == "pdf" else (number, WARM_UP_LETTERS)
    _rename(stage(rig.staging, kind, first, count), rig)
    while client.xlen(STREAM) < there + count:
        time.sleep(_POLL_S)
        _require(rig, deadline_s, "the warm-up letters")
    time.sleep(1.0)


def flood(rig: Rig, kind: Kind, first: int, count: int) -> Flood:
    """Rename so many letters in at once and wait for their entries."""
    with contextlib.closing(rig.server.client()) as client:
        return _flood(rig, client, stage(rig.staging, kind, first, count))


def _flood(rig: Rig, client: redis.Redis, paths: Sequence[Path]) -> Flood:
    there = client.xlen(STREAM)
    before = used(rig)
    began_ms = time.time_ns() / 1e6
    _rename(paths, rig)
    _wait_for(client, rig, there + len(paths))
    after = used(rig)
    ended_ms = float(_last_entry(client).partition(b"-")[0])
    during = {name: after[name].since(before[name]) for name in after}
    return Flood(len(paths), (ended_ms - began_ms) / 1000, during)


def steady(rig: Rig, first: int, count: int, per_second: float) -> Steady:
    """Rename letters in one by one at a steady pace; the latency of each, as a reader of the stream sees it."""
    paths = stage(rig.staging, "text", first, count)
    renamed_s: dict[str, float] = {}
    came_s: dict[str, float] = {}
    with contextlib.closing(rig.server.client()) as client:
        position = _last_entry(client)
    reader = threading.Thread(target=_read, args=(rig.server, position, count, came_s), daemon=True)
    reader.start()
    began_s = time.monotonic()
    for number, (path, target) in enumerate(each(paths, rig.inbox)):
        time.sleep(max(0.0, began_s + number / per_second - time.monotonic()))
        renamed_s[_case_of(path)] = time.monotonic()
        os.rename(path, target)
    reader.join(_STALL_S)
    missing = len(set(renamed_s) - set(came_s))
    if missing:
        raise RuntimeError(f"{rig.contestant.name}: {missing} letters of {count} did not come")
    return Steady(tuple((came_s[case] - at_s) * 1000 for case, at_s in renamed_s.items()))


def _read(server: Server, position: bytes, count: int, came_s: dict[str, float]) -> None:
    """Note when each entry after `position` comes; gives up when nothing comes for long."""
    with contextlib.closing(server.client()) as client:
        while len(came_s) < count:
            found = cast("Any", client.xread({STREAM: position}, block=10_000))
            now_s = time.monotonic()
            if not found:
                return
            for _, entries in found:
                for entry_id, fields in entries:
                    position = entry_id
                    case = json.loads(fields[b"data"])["subject"].rpartition("-")[2]
                    came_s.setdefault(case, now_s)


def _case_of(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _rename(paths: Sequence[Path], rig: Rig) -> None:
    for path, target in each(list(paths), rig.inbox):
        os.rename(path, target)


def _wait_for(client: redis.Redis, rig: Rig, entries: int) -> None:
    last, changed_s = -1, time.monotonic()
    while (there := client.xlen(STREAM)) < entries:
        if there != last:
            last, changed_s = there, time.monotonic()
        _require(rig, changed_s + _STALL_S, f"{entries - there} of {entries} entries")
        time.sleep(_POLL_S)
    if there > entries:
        raise RuntimeError(f"{rig.contestant.name}: {there - entries} entries too many")


def _require(rig: Rig, deadline_s: float, what: str) -> None:
    for process in rig.processes:
        process.require_running()
    if time.monotonic() > deadline_s:
        raise RuntimeError(f"{rig.contestant.name}: waited in vain for {what}")


def _last_entry(client: redis.Redis) -> bytes:
    newest = cast("Any", client.xrevrange(STREAM, count=1))
    return bytes(newest[0][0])


def used(rig: Rig) -> dict[str, Usage]:
    """What each process and the server have used so far."""
    return {process.name: usage(process.popen.pid) for process in rig.processes} | {"server": usage(rig.server.pid)}
