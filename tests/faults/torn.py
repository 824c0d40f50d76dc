# ruff: noqa: T201  a command that prints its figures
"""The append-only file torn at every byte of BEGIN, FINISH and RESOLVE: a step is there whole, or not at all.

python -m tests.faults.torn [--every N]
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from tests.faults.server import FaultyServer
from tests.integration.test_records_durable import check_whole
from tests.support.letters import LONG_MS, burying, claim, deciding, lease, publishing
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys

LANES: Final = 4


def record(folder: Path) -> tuple[int, bytes]:
    """A server's life in its append-only file: where the steps begin, and all of it."""
    server = FaultyServer(folder)
    server.start()
    (file,) = (folder / "appendonlydir").glob("*.incr.aof")
    with contextlib.closing(server.client()) as client:
        records = RedisRecords(client, Keys("imr"))
        begin = file.stat().st_size
        published, dead = lease("a", claim(1)), lease("b", claim(2))
        records.begin([published, dead], lease_ms=LONG_MS, max_attempts=3)
        records.finish([publishing(published), burying(dead)])
        records.resolve(deciding("redrive", "b"))
    server.kill()
    return begin, file.read_bytes()


def tear(folder: Path, whole: bytes, cuts: list[int], failures: list[str]) -> None:
    """Start a server on each beginning of the file, and look at what it has."""
    server = FaultyServer(folder)
    (file,) = (folder / "appendonlydir").glob("*.incr.aof")
    for cut in cuts:
        file.write_bytes(whole[:cut])
        try:
            server.start()
            with contextlib.closing(server.client()) as client:
                check_whole(RedisRecords(client, Keys("imr")), client)
        except AssertionError as error:
            failures.append(f"torn at byte {cut}: {error}")
        finally:
            server.kill()


def run(folder: Path, every: int) -> tuple[int, list[str]]:
    """(how many places the file was torn at, what was wrong)."""
    begin, whole = record(folder / "whole")
    cuts, failures = list(range(begin, len(whole) + 1, every)), list[str]()
    for lane in range(LANES):
        shutil.copytree(folder / "whole", folder / str(lane), ignore=shutil.ignore_patterns("*.sock"))
    lanes = [
        threading.Thread(target=tear, args=(folder / str(lane), whole, cuts[lane::LANES], failures))
        for lane in range(LANES)
    ]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    return len(cuts), failures


def main() -> int:
    """Tear; 0 if every step was whole or not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="every so many bytes")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imr-torn-") as folder:
        cuts, failures = run(Path(folder), parser.parse_args().every)
    print(f"append-only file torn at {cuts} bytes, {len(failures)} half steps, took {time.monotonic() - began_s:.0f} s")
    print("\n".join(failures[:20]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
