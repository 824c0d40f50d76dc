"""The limit: a bare loop that reads, hashes, parses, encodes and adds in pipelines of 100, and nothing else.

Several of them run, each with every so manieth name. Nothing is watched, claimed, kept or filed away.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Iterator

from tests.benchmarks.throughput.job import STREAM, client, fields_of, inbox

PIPELINE = 100


def new_names(mine: int, of: int, done: set[str]) -> Iterator[str]:
    """Names that are this loop's and were not there before."""
    for name in os.listdir(inbox()):
        if zlib.crc32(name.encode()) % of == mine and name not in done:
            done.add(name)
            yield name


def main(mine: int, of: int) -> None:
    """Loop until ended."""
    done: set[str] = set()
    while True:
        names = list(new_names(mine, of, done))
        for start in range(0, len(names), PIPELINE):
            with client().pipeline(transaction=False) as pipe:
                for name in names[start : start + PIPELINE]:
                    pipe.xadd(STREAM, fields_of(os.path.join(inbox(), name)))
                pipe.execute()
        if not names:
            time.sleep(0.001)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
