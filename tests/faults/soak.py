# ruff: noqa: T201  a command that prints its figures
"""The soak: thousands of letters while faults of every kind rain; nothing may be missing, doubled, corrupt or leaked.

python -m tests.faults.soak --minutes 60 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.bench import POLL_S, SOLO, Bench, NotSettled, bench
from tests.faults.checker import OUR_FAULTS, Findings, check
from tests.faults.letters import Letter, Letters
from tests.faults.nursery import Figures, Nursery, Service, nursery
from tests.faults.storm import Storm
from tests.support.waiting import eventually

LETTERS: Final = 10_000
"""Promised for ten minutes or more; a thousand a minute for less."""
BACKLOG: Final = 600
"""No more letters are dropped while this many wait."""
BOUND_S: Final = 120.0
"""Within this time after the last fault everything must be done."""
SERVICES: Final = {
    "producer": (),
    "producer2": (),
    "worker": SOLO,
    "worker2": ("--pool", "prefork", "--concurrency", "2"),
}
ROUNDS, ROUND_LETTERS = 8, 150
"""Of quiet letters at the end, in which what a process holds must not grow."""
GROWTH_KIB: Final = 12_000
SAMPLES: Final = 10
"""Of each process in a round: a scan holds two descriptors for each level of folders that it is in."""


@dataclass(slots=True)
class Soaked:
    """The figures of a soak."""

    letters: int = 0
    promised: int = 0
    recovery_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    grown: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.findings or self.grown) and self.letters >= self.promised

    def report(self) -> str:
        """The figures in lines."""
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        lines = [
            f"letters under fault {self.letters} (promised {self.promised})",
            f"faults {sum(self.faults.values())}: {faults}",
            ", ".join(f"{kind} {count}" for kind, count in self.findings.counted().items()),
            f"worst recovery {self.recovery_s:.1f} s",
            *(f"grown: {line}" for line in self.grown),
        ]
        return "\n".join([*lines, *([str(self.findings)] if self.findings else [])])


def soak(nest: Nursery, folder: Path, minutes: float, seed: int) -> Soaked:
    """Rain faults on one bench for that long, and look at everything afterwards."""
    result = Soaked(promised=min(LETTERS, int(1000 * minutes)))
    with bench(folder, nest) as where:
        letters = Letters(seed)
        for name, arguments in SERVICES.items():
            where.start(name, arguments)
        where.wait_for_producer()
        storm = Storm(where, seed)
        _rain(where, storm, letters, result, 60 * minutes)
        result.faults = dict(storm.faults)
        result.letters = len(where.dropped)
        _look_at_growth(where, letters, result)
        where.sweep()
        result.findings = check(where)
    eventually(lambda: not nest.descendants(), "the end of every process", timeout_s=20)
    return result


def _rain(where: Bench, storm: Storm, letters: Letters, result: Soaked, seconds: float) -> None:
    """Letters and faults, with a calm a minute in which everything must be done."""
    began_s = time.monotonic()
    chance = random.Random(result.promised)  # noqa: S311 - when what comes is drawn, not what
    next_calm_s = began_s + 60
    while (now_s := time.monotonic()) < began_s + seconds or len(where.dropped) < result.promised:
        if now_s > began_s + 2 * seconds + 60:
            return
        due = result.promised * min(1.0, (now_s - began_s) / (0.9 * seconds))
        if len(where.dropped) < due and len(where.waiting()) < BACKLOG:
            where.drop(_batch(where, letters, chance, min(200, result.promised - len(where.dropped) or 1)))
        storm.blow()
        where.keep_running()
        _idle(where, storm, chance.uniform(0.2, 1.2))
        if now_s > next_calm_s:
            _calm(where, storm, result)
            next_calm_s = time.monotonic() + 60
    _calm(where, storm, result)


def _batch(where: Bench, letters: Letters, chance: random.Random, most: int) -> list[Letter]:
    """Some new letters, and copies of some that came before."""
    count = min(most, chance.randint(20, 200))
    old = chance.sample(where.dropped, min(len(where.dropped), count // 20))
    copies = [Letter(f"again {len(where.dropped)}/{letter.name}", letter.content, letter.kind) for letter in old]
    return [*letters.batch(count - len(copies)), *copies]


def _idle(where: Bench, storm: Storm, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        storm.wake(time.monotonic())
        where.keep_running()
        time.sleep(POLL_S)


def _calm(where: Bench, storm: Storm, result: Soaked) -> None:
    """No faults for a moment: how long until nothing waits."""
    storm.calm()
    began_s = time.monotonic()
    try:
        where.settle(BOUND_S, meanwhile=lambda: storm.wake(float("inf")))
    except NotSettled as error:
        raise NotSettled(f"{error}\n{where.story()}") from None
    where.recover()
    result.recovery_s = max(result.recovery_s, time.monotonic() - began_s)
    print(f"{len(where.dropped)} letters, {sum(storm.faults.values())} faults", file=sys.stderr, flush=True)


def _look_at_growth(where: Bench, letters: Letters, result: Soaked) -> None:
    """A person tries again what went to review for our faults; then quiet letters, round after round."""
    for code in OUR_FAULTS:
        where.excused += where.redrive(code)
    where.settle()
    for name in SERVICES:
        where.services[name].stop()
        where.start(name)
    where.wait_for_producer()
    rounds = [_round(where, letters) for _ in range(ROUNDS)]
    for name in SERVICES:
        result.grown += _grown(name, rounds[2][name], rounds[-1][name])


def _round(where: Bench, letters: Letters) -> dict[str, Figures]:
    where.drop(letters.batch(ROUND_LETTERS))
    where.settle()
    return {name: _figures(service) for name, service in where.services.items()}


def _figures(service: Service) -> Figures:
    """What it holds between the moments in which it looks into folders."""
    samples = []
    for _ in range(SAMPLES):
        samples.append(service.figures())
        time.sleep(POLL_S)
    return min(samples, key=lambda sample: sample.descriptors)


def _grown(name: str, early: Figures, late: Figures) -> list[str]:
    change = f"{name} from {early} to {late}"
    is_larger = late.rss_kib > early.rss_kib + GROWTH_KIB
    return [change] if is_larger or late.descriptors > early.descriptors + 3 or late.threads > early.threads + 1 else []


def main() -> int:
    """Run a soak; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imr-soak-") as folder, nursery() as nest:
        result = soak(nest, Path(folder) / "b", options.minutes, options.seed)
    print(f"seed {options.seed}, {options.minutes:g} minutes, took {time.monotonic() - began_s:.0f} s")
    print(result.report())
    return 0 if result.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
