# ruff: noqa: T201  a command that prints its figures
"""`make bench`: this system against the limit, naive Celery and other queues, with the same letters and parser.

    python -m tests.benchmarks.throughput            everything, 12 to 27 minutes; writes docs/
    python -m tests.benchmarks.throughput --quick    the same in small, about a minute; writes nothing

Every contestant starts from nothing on a share and a server of its own (Valkey, append-only file, everysec), is warmed
up, and takes turns with the others. *Flood*: all letters are renamed into the folder at once; letters per second from
before the first rename to the last entry of the stream. *Steady*: renamed in one by one; from before the rename until
a reader that waits for the stream has the entry.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput.contestants import ROOT, Contestant
from tests.benchmarks.throughput.environment import install
from tests.benchmarks.throughput.plan import FULL, QUICK, TINY, Bench
from tests.benchmarks.throughput.plot import svg
from tests.benchmarks.throughput.report import markdown

DOCS: Final = ROOT / "docs"
BEGIN, END = "<!-- bench -->\n", "<!-- end bench -->"


def main() -> int:
    """Run from the command line."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything it started is ended
    began_s = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - began_s:5.0f} s] {line}", file=sys.stderr, flush=True)

    rivals, skipped = _rivals(asked)
    for name, why in skipped.items():
        tell(f"{name} is skipped: {why}")
    bench = Bench(asked.sizes, rivals, tell)
    bench.results.skipped.update(skipped)
    bench.run()
    told = markdown(bench.results, machine())
    print(told)
    if asked.sizes is FULL:
        write(told, svg(bench.results), DOCS)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(sizes=FULL)
    parser.add_argument("--quick", dest="sizes", action="store_const", const=QUICK, help="small sizes")
    parser.add_argument("--tiny", dest="sizes", action="store_const", const=TINY, help="only whether it works")
    parser.add_argument("--no-rivals", action="store_true", help="install and run no other queue")
    parser.add_argument("--no-pathway", action="store_true", help="leave out pathway, which installs 1.4 GB")
    return parser.parse_args()


def _rivals(asked: argparse.Namespace) -> tuple[list[Contestant], dict[str, str]]:
    if asked.no_rivals:
        return [], {}
    return install(with_pathway=not asked.no_pathway)


def machine() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    load = os.getloadavg()[2]
    return (
        f"{os.cpu_count()} processors ({model}), Python {platform.python_version()}, load of the last quarter of an "
        f"hour {load:.1f}; {time.strftime('%Y-%m-%d', time.gmtime())}."
    )


def write(told: str, plot: str, docs: Path) -> None:
    """Put table and plot into the documentation."""
    (docs / "bench.svg").write_text(plot)
    page = docs / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    picture = "![Text letters a second, and latency](bench.svg)\n\n"
    page.write_text(before + BEGIN + picture + told + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    sys.exit(main())
