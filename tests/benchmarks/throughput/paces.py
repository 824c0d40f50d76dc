# ruff: noqa: T201  a command that prints its figures
"""From letters that come alone to letters that never stop: `make bench-paces`, about two minutes.

Letters renamed in at a steady pace; for each pace the latency, from before the rename until a reader of the stream has
the entry, and the processor time a letter, of this system and of naive Celery in turn.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput import loads
from tests.benchmarks.throughput.contestants import NAIVE_CELERY, Rig, ours, started

FIRST: Final = 5_000_000


def measure(rig: Rig, pace: int, seconds: float, first: int) -> str:
    """A line of the table."""
    count = max(1, round(pace * seconds))
    before = loads.used(rig)
    steady = loads.steady(rig, first, count, pace)
    after = loads.used(rig)
    cpu_us = sum(after[name].since(before[name]).cpu_s for name in after) / count * 1e6
    latency = " | ".join(f"{steady.at(share):,.1f}" for share in (0.5, 0.99, 1.0))
    return f"| {pace:,} | {rig.contestant.name} | {latency} | {cpu_us:,.0f} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paces", type=int, nargs="+", default=[20, 100, 200, 500, 1000, 1500])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long letters come at each pace")
    asked = parser.parse_args()
    print("| letters a second | | median, ms | p99, ms | at most, ms | CPU, us a letter |\n|---|---|---|---|---|---|")
    for pace in asked.paces:
        for contestant in (ours(), NAIVE_CELERY):
            with (
                tempfile.TemporaryDirectory(prefix="imr-bench-") as folder,
                started(contestant, Path(folder)) as rig,
            ):
                loads.warm_up(rig, "text")
                print(measure(rig, pace, asked.seconds, FIRST), flush=True)


if __name__ == "__main__":
    main()
