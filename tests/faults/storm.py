"""Faults of every kind, drawn at random: what a soak rains on a bench. The same seed draws the same faults."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import redis

from tests.faults.bench import Bench
from tests.faults.nursery import Service, children
from tests.faults.points import WHEN, Arm, arm, disarm, reached
from tests.faults.proxy import Action, Rule
from tests.faults.redis_faults import FAULTS, make_well
from tests.faults.seams import script_names
from tests.faults.striking import is_look, raises

PAUSES_S: Final = (0.5, 6.0)
"""Shorter and longer than a lease."""
_ACTIONS: Final[tuple[Action, ...]] = ("cut", "drop", "delay", "cut", "drop", "deaf")
_COMMANDS: Final = ("LPUSH", "BRPOP", "ZREM", "INFO", "HSET", "MULTI")


class Storm:
    """What happens to one bench, one fault after another."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench = bench
        self._random = random.Random(seed)  # noqa: S311 - the same faults for the same seed
        self._asleep: list[tuple[float, Service]] = []
        self._lasting: list[threading.Thread] = []
        self.faults: Counter[str] = Counter()
        self._kinds: list[tuple[int, Callable[[], str]]] = [
            (3, self._kill),
            (1, self._kill_a_child),
            (2, self._stop),
            (2, self._pause),
            (6, self._strike),
            (3, self._break_redis),
            (4, self._break_connections),
        ]

    def blow(self) -> None:
        """One fault; services that were stopped for long enough are continued."""
        self.wake(time.monotonic())
        weights = [weight for weight, _ in self._kinds]
        _, fault = self._random.choices(self._kinds, weights)[0]
        with contextlib.suppress(redis.RedisError, OSError):
            self.faults[fault()] += 1

    def wake(self, now_s: float) -> None:
        """Continue services whose time is over; a service stopped by a failpoint gets a time."""
        for service in self._bench.services.values():
            if service.is_paused() and all(service is not sleeper for _, sleeper in self._asleep):
                self._asleep.append((now_s + self._random.uniform(*PAUSES_S), service))
        for due_s, service in [entry for entry in self._asleep if entry[0] <= now_s]:
            service.signal(signal.SIGCONT)
            self._asleep.remove((due_s, service))

    def calm(self) -> None:
        """Nothing is broken any more; the services run, or will when they are started again."""
        while self._lasting:
            self._lasting.pop().join()
        make_well(self._bench)
        for name in self._bench.services:
            disarm(self._bench.control(name))
        self._bench.proxy.heal()
        self.wake(float("inf"))
        for service in self._bench.services.values():
            service.signal(signal.SIGCONT)

    def _service(self) -> tuple[str, Service]:
        return self._random.choice(sorted(self._bench.services.items()))

    def _kill(self) -> str:
        name, service = self._service()
        service.kill()
        return f"kill -9 of a {name.rstrip('0123456789')}"

    def _kill_a_child(self) -> str:
        """A process of a worker's pool, or the one that reads PDFs."""
        _, service = self._service()
        pids = children(service.pid)
        if pids:
            Service("child", self._random.choice(pids), service.nursery, service.log).signal(signal.SIGKILL)
        return "kill -9 of a child"

    def _stop(self) -> str:
        name, service = self._service()
        service.signal(signal.SIGTERM)
        return f"SIGTERM to a {name.rstrip('0123456789')}"

    def _pause(self) -> str:
        _, service = self._service()
        service.signal(signal.SIGSTOP)
        self._asleep.append((time.monotonic() + self._random.uniform(*PAUSES_S), service))
        return "SIGSTOP"

    def _strike(self) -> str:
        """A failpoint, anywhere that a service has passed."""
        name, _ = self._service()
        points = reached(self._bench.control(name))
        if not points:
            return "nothing"
        point = self._random.choice(points)
        errors = [f"raise:{error}" for error in raises(point)]
        action = self._random.choice([*errors, *(() if is_look(point) else ("kill", "pause", "stop"))] or ["kill"])
        when = "before" if action.startswith("raise") else self._random.choice(WHEN)
        arm(self._bench.control(name), Arm(point, when, action, times=self._random.choice((1, 1, 3))))
        return f"failpoint, {action.partition(':')[0]}"

    def _break_redis(self) -> str:
        name = self._random.choice(sorted(FAULTS))
        # Beside the storm: some of these last a second.
        thread = threading.Thread(target=_quietly, args=(FAULTS[name], self._bench), daemon=True)
        thread.start()
        self._lasting.append(thread)
        return f"Redis: {name}"

    def _break_connections(self) -> str:
        command = self._random.choice([*script_names().values(), *_COMMANDS])
        action = self._random.choice(_ACTIONS)
        self._bench.proxy.add(Rule(command, action, self._random.choice((1, 2, 5)), seconds=0.5))
        return f"connection: {action}"


def _quietly(fault: Callable[[Bench], None], bench: Bench) -> None:
    with contextlib.suppress(redis.RedisError, AssertionError, OSError):
        fault(bench)
