"""What is run, in which order and how much of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput import letters, loads, steps
from tests.benchmarks.throughput.contestants import (
    LIMIT,
    LIMIT_LOOPS,
    NAIVE_CELERY,
    OURS,
    Contestant,
    Rig,
    ours,
    started,
)
from tests.benchmarks.throughput.job import fields_of_bytes
from tests.benchmarks.throughput.letters import Kind
from tests.benchmarks.throughput.model import Results, Steady

_FIRST: Final = 1_000
_STEADY_FROM: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    repetitions: int
    other_repetitions: int
    """Of the rivals, and of everything but text."""
    text: int
    rival_text: int
    """Letters of a flood for naive Celery and the rivals: their rates do not depend on it, and they take long."""
    long: int
    pdf: int
    steady: int
    per_second: float
    long_run: tuple[int, ...]
    """Floods into one system without a pause between, the last one large."""
    scaling: int


FULL: Final = Sizes(3, 2, 20_000, 4_000, 2_000, 2_000, 160, 20.0, (1_000, 9_000, 190_000), 6_000)
QUICK: Final = Sizes(1, 1, 2_000, 400, 200, 100, 60, 20.0, (500, 1_500, 4_000), 1_000)
TINY: Final = Sizes(1, 1, 60, 30, 0, 0, 10, 20.0, (), 0)

Tell = Callable[[str], None]


class Bench:
    """One run; results gather as it goes."""

    def __init__(self, sizes: Sizes, rivals: Sequence[Contestant], tell: Tell) -> None:
        self._sizes = sizes
        self._rivals = list(rivals)
        self._tell = tell
        self.results = Results()

    def run(self) -> None:
        """Everything, the contestants taking turns."""
        own = [ours(), LIMIT_LOOPS, NAIVE_CELERY]
        self._time_jobs()
        self._time_others(own[:2])
        self.results.steps_us = steps.measure()
        for repetition in range(self._sizes.repetitions):
            with_rivals = repetition < self._sizes.other_repetitions
            for one in [*own, *(self._rivals if with_rivals else ())]:
                self._attempt(one, self._text)
        if self._sizes.long_run:
            for one in own[:2]:
                self._attempt(one, self._long_run)
        if self._sizes.scaling:
            for producers, workers in ((1, 1), (1, 2), (1, 4), (2, 2)):
                self._scale(producers, workers)

    def _time_jobs(self) -> None:
        """What a letter costs in one process without anything around it."""
        kinds: tuple[Kind, ...] = ("text", "long", "pdf")
        for kind in kinds:
            contents = [letters.content(kind, number) for number in range(20 if kind == "text" else 4)]
            best = min(_seconds(contents) for _ in range(10))
            self.results.parse_us[kind] = best / len(contents) * 1e6

    def _time_others(self, contestants: Sequence[Contestant]) -> None:
        """Loads under which files are made; first, and no folder is removed until they are through.

        ext4 passes over inodes that were freed in the last minutes, one by one: after thousands of files were removed,
        making one takes up to a millisecond of processor time.
        """
        with contextlib.ExitStack() as folders:
            for _ in range(self._sizes.other_repetitions if self._sizes.pdf else 0):
                for one in contestants:
                    self._run(one, self._others, folders.enter_context(_folder()))

    def _attempt(self, contestant: Contestant, do: Callable[[Rig], None], workers: int = 2) -> None:
        """Run a load on a fresh rig; a rival that fails is left out from then on and says why."""
        if contestant.name in self.results.skipped:
            return
        with _folder() as folder:
            try:
                self._run(contestant, do, folder, workers)
            except RuntimeError as error:
                if contestant not in self._rivals:
                    raise
                self.results.skipped[contestant.name] = f"failed: {str(error)[:300]}"
                self._tell(f"{contestant.name}: {error}")

    def _run(self, contestant: Contestant, do: Callable[[Rig], None], folder: str, workers: int = 2) -> None:
        with started(contestant, Path(folder), workers) as rig:
            loads.warm_up(rig, "text")
            do(rig)

    def _text(self, rig: Rig) -> None:
        # The steady load first: a server that still rewrites the file of a flood is another measurement.
        if rig.contestant is not LIMIT_LOOPS:
            self.results.steadies.setdefault(rig.contestant.name, []).append(self._steady(rig))
        count = self._sizes.text if rig.contestant.name in (OURS, LIMIT) else self._sizes.rival_text
        self._flood(rig, "text", count)

    def _steady(self, rig: Rig) -> Steady:
        steady = loads.steady(rig, _STEADY_FROM, self._sizes.steady, self._sizes.per_second)
        self._tell(f"{rig.contestant.name}: steady, median {steady.at(0.5):.1f} ms, p99 {steady.at(0.99):.1f} ms")
        return steady

    def _others(self, rig: Rig) -> None:
        self._flood(rig, "long", self._sizes.long)
        loads.warm_up(rig, "pdf")
        self._flood(rig, "pdf", self._sizes.pdf)

    def _flood(self, rig: Rig, kind: Kind, count: int) -> None:
        flood = loads.flood(rig, kind, _FIRST if kind != "pdf" else loads.SPARE_PDFS, count)
        self.results.add_flood(kind, rig.contestant.name, flood)
        self._tell(f"{rig.contestant.name}: {count:,} {kind}, {flood.per_second:,.0f}/s, {flood.cpu_us:,.0f} us each")

    def _long_run(self, rig: Rig) -> None:
        name, first = rig.contestant.name, _FIRST
        for count in self._sizes.long_run:
            flood = loads.flood(rig, "text", first, count)
            first += count
            self.results.long_runs.setdefault(name, []).append(flood)
            self._tell(f"{name}, long run: {count:,} more, {flood.per_second:,.0f}/s, {flood.cpu_us:,.0f} us each")
        if rig.contestant is not LIMIT_LOOPS:
            self.results.steady_after = self._steady(rig)

    def _scale(self, producers: int, workers: int) -> None:
        name = f"{producers} producer{'s' * (producers > 1)}, {workers} worker process{'es' * (workers > 1)}"

        def flood(rig: Rig) -> None:
            found = loads.flood(rig, "text", _FIRST, self._sizes.scaling)
            self.results.scaling.setdefault(name, []).append(found)
            self._tell(f"{name}: {found.per_second:,.0f}/s")

        self._attempt(ours(producers), flood, workers=workers)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="imr-bench-")


def _seconds(contents: Sequence[bytes]) -> float:
    began_s = time.perf_counter()
    for one in contents:
        fields_of_bytes(one, "letter")
    return time.perf_counter() - began_s
