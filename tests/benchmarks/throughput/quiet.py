# ruff: noqa: T201  a command that prints its figures
"""What watching costs when nothing comes: `make bench-quiet MINUTES=60`.

The system works off 10,000 letters, so that they lie in the archive, and is then left alone. Each minute: the share of
a core that each of its processes and the server used since the last one, and what memory they hold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput import loads
from tests.benchmarks.throughput.contestants import Rig, ours, started
from tests.benchmarks.throughput.model import Usage
from tests.support.waiting import eventually
from worker.contract.names import CLAIMED

REST_S: Final = 20.0
"""After the last letter: filing, the last hints' time-outs and reports are over."""


def minutes(rig: Rig, count: int, length_s: float) -> Iterator[tuple[dict[str, float], dict[str, Usage]]]:
    """Per cent of a core by process, and what each used so far, one minute after the other."""
    before = loads.used(rig)
    for _ in range(count):
        began_s = time.monotonic()
        time.sleep(length_s)
        now = loads.used(rig)
        took_s = time.monotonic() - began_s
        yield {name: now[name].since(before[name]).cpu_s / took_s * 100 for name in now}, now
        before = now


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a minute is")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imr-bench-") as folder, started(ours(), Path(folder)) as rig:
        loads.warm_up(rig, "text")
        loads.flood(rig, "text", 1000, asked.letters)
        eventually(lambda: not any((rig.share / CLAIMED).iterdir()), "claimed/ to be empty", timeout_s=120)
        time.sleep(REST_S)
        for number, (shares, used) in enumerate(minutes(rig, asked.minutes, asked.seconds), start=1):
            told = ", ".join(
                f"{name} {share:.2f} % {used[name].memory_bytes / 1e6:.1f} MB" for name, share in shares.items()
            )
            print(f"minute {number}: {sum(shares.values()):.2f} % of a core; {told}", flush=True)


if __name__ == "__main__":
    main()
