# ruff: noqa: T201  a command that prints its figures
"""Figures of the intake: `python -m tests.benchmarks.intake` (or `make bench-intake`).

A real producer on a real share and server, and no worker: what is measured is what the producer does.

- *flood*: letters renamed into the inbox one after the other, as fast as that goes, while the producer runs. A consumer
  that does nothing takes the hints and removes the claimed files, so that the producer is never held back by workers.
- *quiet*: a share in which nothing happens. Processor time and memory of the producer, after its first scan.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import redis

from tests.support.servers import running
from tests.support.waiting import eventually
from worker.contract.claim_ids import split_claimed_name
from worker.contract.names import ARCHIVE, CLAIMED, FOLDERS, INBOX, LETTERS_QUEUE, Keys

DURABLE: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
SAMPLES: Final = (1_000, 10_000, 100_000, 200_000)
IGNORED: Final = 100_000
ARCHIVED: Final = 10_000
GIVE_UP_S: Final = 3600.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Flood:
    """What one flood came to."""

    files: int
    taken_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    hints: int = 0
    rss_mb: dict[int, float] = field(default_factory=dict)
    """Letters taken -> memory of the producer then."""
    order: list[int] = field(default_factory=list)
    """Numbers of the letters, in the order of their claims."""

    def displacements(self) -> list[int]:
        """How many places each letter was claimed away from its place of arrival."""
        return [abs(place - number) for place, number in enumerate(self.order)]


class Watched:
    """A producer process on a share, and a client of its server."""

    def __init__(self, share: Path, process: subprocess.Popen[bytes], client: redis.Redis) -> None:
        self.share = share
        self.client = client
        self._process = process
        self.queue = f"{Keys('imr').broker}{LETTERS_QUEUE}"

    def rss_mb(self, what: str = "VmRSS") -> float:
        """Its resident memory now, or at its highest (`VmHWM`)."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def report(self) -> dict[str, Any]:
        """What it reported last; nothing before it did."""
        reports = cast("dict[bytes, bytes]", self.client.hgetall(Keys("imr").producers))
        return next((json.loads(one) for one in reports.values()), {})


@contextlib.contextmanager
def watched(share: Path) -> Iterator[Watched]:
    """A producer with the settings as they are delivered, once it has reported."""
    with running("valkey", **DURABLE) as server, contextlib.closing(server.client()) as client:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
        environment |= {"IMR_SHARE": str(share), "IMR_REDIS_URL": server.url}
        with (share.parent / "producer.log").open("wb") as log:
            command = [sys.executable, "-m", "producer"]
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            one = Watched(share, process, client)
            eventually(one.report, "a report of the producer", timeout_s=GIVE_UP_S)
            yield one
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def new_share() -> Iterator[Path]:
    """An empty share on this machine's disk."""
    with tempfile.TemporaryDirectory(prefix="imr-bench-intake-") as folder:
        share = Path(folder) / "share"
        for name in FOLDERS:
            (share / name).mkdir(parents=True)
        yield share


def flood(share: Path, files: int) -> Flood:
    """Drop so many letters at once and see them all claimed and hinted."""
    aside = share / "aside"
    aside.mkdir()
    for number in range(files):
        (aside / f"{number:07}.txt").write_bytes(b"a letter")
    with watched(share) as producer:
        cpu_s, begun_s = producer.cpu_s(), time.monotonic()
        pid = os.fork()
        if pid == 0:
            for number in range(files):
                os.rename(f"{aside}/{number:07}.txt", f"{share}/{INBOX}/{number:07}.txt")
            os._exit(0)
        found = Flood(files)
        _take(producer, found)
        os.waitpid(pid, 0)
        found.taken_s, found.cpu_s = time.monotonic() - begun_s, producer.cpu_s() - cpu_s
        found.peak_mb = producer.rss_mb("VmHWM")
    return found


def _take(producer: Watched, found: Flood) -> None:
    """Be the consumer that does nothing, until every letter has come."""
    numbers: dict[str, int] = {}
    taken: set[str] = set()
    while len(found.order) < found.files:
        item = cast("tuple[bytes, bytes] | None", producer.client.brpop([producer.queue], timeout=10))
        if item is None or b'"imr.letters"' not in item[1]:
            continue  # a chore
        claims = json.loads(base64.b64decode(json.loads(item[1])["body"]))[1]["claim_ids"]
        if any(one not in numbers for one in claims):
            numbers |= _claimed(producer.share)
        fresh = [one for one in claims if one not in taken and one in numbers]
        for claim in fresh:
            taken.add(claim)
            found.order.append(numbers[claim])
            os.unlink(f"{producer.share}/{CLAIMED}/{claim}~{numbers.pop(claim):07}.txt")
            if len(found.order) in SAMPLES:
                found.rss_mb[len(found.order)] = producer.rss_mb()
        found.hints += bool(fresh)


def _claimed(share: Path) -> dict[str, int]:
    splits = (split_claimed_name(name) for name in os.listdir(share / CLAIMED))
    return {claim: int(name[:7]) for claim, name in (split for split in splits if split is not None)}


def fill(folder: Path, files: int, suffix: str) -> None:
    """So many small files, a thousand in each sub-folder."""
    for number in range(files):
        place = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir()
        (place / f"{number:07}{suffix}").write_bytes(b"x")


def quiet(share: Path, seconds: float) -> tuple[float, float]:
    """(share of one processor, MB) of a producer with nothing to do, once it has looked at everything."""
    with watched(share) as producer:
        wanted = sum(len(names) for _, _, names in os.walk(share / INBOX))
        eventually(lambda: producer.report().get("ignored", 0) >= wanted, "the first scan", timeout_s=GIVE_UP_S)
        cpu_s, begun_s = producer.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (producer.cpu_s() - cpu_s) / (time.monotonic() - begun_s), producer.rss_mb()


def flood_rows(files: int) -> Iterable[str]:
    """The table of a flood."""
    with new_share() as share:
        found = flood(share, files)
    places = found.displacements()
    yield f"| flood of {files:,} letters | |"
    yield "|---|---|"
    pace = f"{files / found.taken_s:,.0f} a second"
    yield f"| claimed and hinted | {len(found.order):,} in {found.taken_s:.0f} s ({pace}) |"
    yield f"| processor time of the producer | {found.cpu_s:.0f} s ({1e6 * found.cpu_s / files:.0f} µs a letter) |"
    yield f"| hints | {found.hints:,} ({files / found.hints:.0f} letters each) |"
    for letters, rss_mb in found.rss_mb.items():
        yield f"| memory after {letters:,} | {rss_mb:.0f} MB |"
    yield f"| memory at its highest | {found.peak_mb:.0f} MB |"
    yield (
        f"| places away from the order of arrival | median {statistics.median(places):,.0f}, "
        f"99 % within {statistics.quantiles(places, n=100)[98]:,.0f}, at most {max(places):,} |"
    )


def quiet_rows(seconds: float) -> Iterable[str]:
    """The table of quiet shares."""
    yield f"| quiet for {seconds:.0f} s | of one processor | memory |"
    yield "|---|---|---|"
    for name, folder, files, suffix in (
        ("empty inbox", INBOX, 0, ""),
        (f"{ARCHIVED:,} letters in `archive/`", ARCHIVE, ARCHIVED, ".txt"),
        (f"{IGNORED:,} files in the inbox that are no letters", INBOX, IGNORED, ".tmp"),
    ):
        with new_share() as share:
            fill(share / folder, files, suffix)
            cpu, rss_mb = quiet(share, seconds)
        yield f"| {name} | {cpu:.2%} | {rss_mb:.0f} MB |"


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=200_000, help="letters of the flood")
    arguments.add_argument("--seconds", type=float, default=60, help="how long each quiet share is watched")
    asked = arguments.parse_args()
    kernel = platform.release().split("-")[0]
    print(f"{os.cpu_count()} processors, {platform.machine()}, Linux {kernel}, load {os.getloadavg()[0]:.0f}")
    for rows in (flood_rows(asked.files), quiet_rows(asked.seconds)):
        print()
        for row in rows:
            print(row, flush=True)


if __name__ == "__main__":
    main()
