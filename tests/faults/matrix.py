# ruff: noqa: T201  a command that prints its figures
"""The matrix: every failpoint that the services pass, with every action, on benches side by side.

    python -m tests.faults.matrix [--lanes N] [--only TEXT] [--limit N]

The points are found by running letters through first (`tour`), so a new step is in the matrix without a line here.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.bench import Bench, NotSettled, bench
from tests.faults.checker import Findings, check
from tests.faults.letters import Letters
from tests.faults.losses import LOSSES
from tests.faults.nursery import Nursery, nursery
from tests.faults.points import WHEN, Arm, reached
from tests.faults.redis_faults import FAULTS
from tests.faults.seams import script_names
from tests.faults.striking import PROXY, REDIS, Outcome, Strike, is_look, load, strike, strikes

SERVICES = ("producer", "worker")
MOST_MISSED = 0.15
"""Of all failpoints: with more than that the run has not tried what it promised."""


def everything(points: Sequence[tuple[str, str]]) -> list[Strike]:
    """The whole matrix for these failpoints."""
    alone = [strike for service, point in points for strike in strikes(service, point)]
    chosen = [(service, point) for service, point in points if "redis script" in point or "redis LPUSH" in point]
    of_redis = [
        Strike(service, Arm(point, when, "pause"), fault)
        for service, point in chosen
        for when in WHEN
        for fault in FAULTS
    ]
    scripts = {point.rpartition("redis script ")[2] for _, point in points} & set(script_names().values())
    commands = sorted({*scripts, "LPUSH", "BRPOP", "ZREM", "MULTI", "HSET"})
    actions = [("cut", 1), ("cut", 3), ("drop", 1), ("drop", 3), ("delay", 1), ("deaf", 1)]
    cut = [Strike(PROXY, Arm(command, "before", action, times)) for command in commands for action, times in actions]
    lost = [Strike(REDIS, Arm(loss, "after", "lose")) for loss in LOSSES for _ in range(3)]
    return [*lost, *cut, *of_redis, *_pairs(points), *alone]


def _pairs(points: Sequence[tuple[str, str]]) -> list[Strike]:
    """Killed at each effect, and killed again somewhere else while recovering."""
    killed = [(service, point) for service, point in points if not is_look(point) and "__main__" not in point]
    pairs = []
    for number, (service, point) in enumerate(killed):
        others = [other for role, other in killed if role == service]
        again = others[(number * 7 + 3) % len(others)]
        pairs.append(Strike(service, Arm(point, "after", "kill"), then=Arm(again, "before", "kill")))
    return pairs


@dataclass(slots=True)
class Result:
    """The figures of a run."""

    findings: Findings = field(default_factory=Findings)
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    letters: int = 0

    def add(self, other: Result) -> None:
        """Put another lane's figures to these."""
        self.findings.add(other.findings)
        self.outcomes += other.outcomes
        self.failures += other.failures
        self.letters += other.letters

    def report(self) -> str:
        """The figures in lines."""
        fired = [outcome for outcome in self.outcomes if outcome.fired]
        worst = max(fired, key=lambda outcome: outcome.recovery_s, default=None)
        kinds = Counter(outcome.strike.arm.action.partition(":")[0] for outcome in fired)
        points = {(outcome.strike.service, outcome.strike.arm.point) for outcome in fired}
        lines = [
            f"failpoints {len(points)}, strikes {len(fired)}",
            ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())),
            f"not reached when struck: {len(self.outcomes) - len(fired)}",
            f"letters under fault {self.letters}",
            ", ".join(f"{kind} {count}" for kind, count in self.findings.counted().items()),
            f"worst recovery {worst.recovery_s:.1f} s ({worst.strike})" if worst else "nothing fired",
        ]
        lines += [f"never reached: {point}" for point in sorted(self.missed)]
        lines += [f"ended unasked: {outcome.strike}" for outcome in self.outcomes if outcome.died]
        return "\n".join([*lines, *self.failures, *([str(self.findings)] if self.findings else [])])

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept, and everything promised was tried."""
        points = {outcome.strike.arm.point for outcome in self.outcomes}
        is_whole = len(self.missed) <= MOST_MISSED * len(points)
        return is_whole and not (self.findings or self.failures or any(outcome.died for outcome in self.outcomes))

    @property
    def missed(self) -> set[str]:
        """Failpoints at which nothing fired at all: some are passed once in the life of a share."""
        return {outcome.strike.arm.point for outcome in self.outcomes} - {
            outcome.strike.arm.point for outcome in self.outcomes if outcome.fired
        }


def tour(where: Bench, letters: Letters) -> list[tuple[str, str]]:
    """(service, failpoint) of everything that letters of all kinds pass, from start to stop."""
    for service in SERVICES:
        where.start(service)
    where.wait_for_producer()
    for _ in range(2):
        where.drop(load(letters))
        where.orphan(letters.make("text"))
        where.settle()
    return [(service, point) for service in SERVICES for point in reached(where.control(service))]


def run(wanted: Sequence[Strike], nest: Nursery, folder: Path, lanes: int, seed: int = 1) -> Result:
    """Strike everywhere, `lanes` benches at once."""
    waiting: queue.SimpleQueue[Strike] = queue.SimpleQueue()
    for planned in wanted:
        waiting.put(planned)
    results = [Result() for _ in range(lanes)]
    threads = [
        threading.Thread(target=_lane, args=(waiting, nest, folder / str(number), seed + number, results[number]))
        for number in range(lanes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = Result()
    for result in results:
        total.add(result)
    return total


def _lane(waiting: queue.SimpleQueue[Strike], nest: Nursery, folder: Path, seed: int, result: Result) -> None:
    letters = Letters(seed)
    while not waiting.empty():
        try:
            with bench(folder / str(len(result.outcomes)), nest) as where:
                tour(where, letters)
                _strike_all(waiting, where, letters, result)
                where.recover()
                where.sweep()
                result.findings.add(check(where))
                result.letters += len(where.dropped)
        except NotSettled as error:
            result.failures.append(str(error))
        except Exception:  # noqa: BLE001 - one broken bench must not hide what the others find
            result.failures.append(traceback.format_exc(limit=-4))


def _strike_all(waiting: queue.SimpleQueue[Strike], where: Bench, letters: Letters, result: Result) -> None:
    """Strike until nothing is wanted any more; a strike that fails ends this bench, and the lane makes a new one."""
    while True:
        try:
            wanted = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            outcome = strike(where, letters, wanted)
        except AssertionError as error:
            raise NotSettled(f"after {wanted}: {error}\n{where.story()}") from None
        result.outcomes.append(outcome)
        _say(f"{'ok' if outcome.fired and not outcome.died else '??'} {outcome.recovery_s:5.1f} s  {wanted}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Run the matrix; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--only", default="", help="strikes that hold this text")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imr-faults-") as folder, nursery() as nest:
        with bench(Path(folder) / "tour", nest) as where:
            points = tour(where, Letters(0))
        wanted = [strike for strike in everything(points) if options.only in str(strike)]
        print(f"{len(points)} failpoints, {len(wanted)} strikes", flush=True)
        if options.list:
            print("\n".join(map(str, wanted)))
            return 0
        result = run(wanted[: options.limit], nest, Path(folder), options.lanes)
    print(result.report())
    print(f"took {time.monotonic() - began_s:.0f} s")
    return 0 if result.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
