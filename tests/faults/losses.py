"""Redis loses what it acknowledged: power cut, emptied server, lost data folder, old snapshot, torn tail."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.faults.bench import Bench
from tests.faults.letters import Letters
from tests.faults.redis_faults import configured

UNSYNCED_S: Final = 1.0
"""With `everysec`, what was written in the last second need not be on the disk."""


def power_cut(bench: Bench, letters: Letters) -> None:
    """`appendfsync everysec`, and the power fails while letters are published: the last second is gone."""
    with configured(bench, "appendfsync", "everysec"):
        file = _tail_file(bench)
        bench.drop(letters.batch(60))
        sizes: list[tuple[float, int]] = []
        until_s = time.monotonic() + 2 * UNSYNCED_S
        while time.monotonic() < until_s:
            sizes.append((time.monotonic(), file.stat().st_size))
            bench.drop(letters.batch(2))
            time.sleep(0.05)
        bench.server.kill()
        synced = max(size for at_s, size in sizes if at_s <= until_s - UNSYNCED_S)
        with file.open("r+b") as tail:
            tail.truncate(synced)
        bench.server.start()


def emptied(bench: Bench, letters: Letters) -> None:
    """FLUSHALL by somebody who took it for another server."""
    bench.drop(letters.batch(20))
    bench.client().flushall()


def lost(bench: Bench, letters: Letters) -> None:
    """The data folder is gone: the server starts with nothing."""
    bench.drop(letters.batch(20))
    bench.server.forget()
    bench.server.start()


def old_snapshot(bench: Bench, letters: Letters) -> None:
    """Restored from a copy that was made before the last letters."""
    bench.settle()
    data, copy = bench.server.folder / "appendonlydir", bench.folder / "snapshot"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(data, copy)
    bench.drop(letters.batch(20))
    bench.settle()
    bench.drop(letters.batch(20))
    bench.server.kill()
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    bench.server.start()


def torn(bench: Bench, letters: Letters) -> None:
    """Killed with the last command half written."""
    bench.drop(letters.batch(20))
    time.sleep(0.2)
    bench.server.kill()
    file = _tail_file(bench)
    with file.open("r+b") as tail:
        tail.truncate(max(0, file.stat().st_size - 7))
    bench.server.start()


def _tail_file(bench: Bench) -> Path:
    return max((bench.server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)


LOSSES: Final[dict[str, Callable[[Bench, Letters], None]]] = {
    loss.__name__: loss for loss in (power_cut, emptied, lost, old_snapshot, torn)
}
"""By name. After each, what was filed away lately is held against the records and published again if it is missing."""
