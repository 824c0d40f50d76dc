"""One strike: a few letters, one failpoint, one action, and the way back to a system in which nothing waits."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from producer.__main__ import EXIT_REFUSED
from tests.faults.bench import POLL_S, Bench
from tests.faults.letters import Letter, Letters
from tests.faults.losses import LOSSES
from tests.faults.nursery import Service
from tests.faults.points import Arm, arm, disarm, fired
from tests.faults.proxy import Action, Rule
from tests.faults.redis_faults import FAULTS
from tests.faults.seams import EFFECTS, LOOKS, STEPS
from tests.support.waiting import eventually

DISK: Final = ("ENOSPC", "EIO", "EROFS", "EDQUOT")
_LOOKED: Final = ("EIO", "EACCES", "ESTALE")
_OPENED: Final = ("EIO", "EACCES", "EMFILE")
_IN_A_STEP: Final = ("memory", "recursion", "exit", "value")
_MOVES: Final = ("os.rename", "os.replace", "rename_no_replace")
"""Calls that a network share may have done although it reports a failure."""
REDIS: Final = "redis"
"""Whose memory is struck, in the place of a service's name."""
PROXY: Final = "proxy"
"""Who strikes connections, in the place of a service's name."""
DELAY_S: Final = 1.0
IDLE_S: Final = 2.5
"""Longer than any interval of a service: a point that was not reached by then is not reached without letters."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What is done to whom."""

    service: str
    arm: Arm
    during: str = ""
    """A fault of Redis (`redis_faults.FAULTS`) while the service is stopped or dead."""

    then: Arm | None = None
    """What is done to the service that takes over from a dead one, while it recovers."""

    def __str__(self) -> str:
        during = f" [Redis: {self.during}]" if self.during else ""
        then = f" [then {self.then.action} {self.then.when} {self.then.point}]" if self.then else ""
        return f"{self.arm.action} {self.arm.when} {self.service}: {self.arm.point}{during}{then}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a strike."""

    strike: Strike
    fired: bool
    recovery_s: float
    died: bool
    """Whether a service ended unasked; one that refuses to start says so, and is started again."""


def is_look(point: str) -> bool:
    """Whether the call only looks, so that being killed around it is being killed around the next effect."""
    return point.rpartition(": ")[2] in {*(f"os.{name}" for name in LOOKS), "open"}


def is_step(point: str) -> bool:
    """Whether the point is around a step that reads a letter."""
    return point.rpartition(": ")[2] in {f"{owner}.{name}" for _, owner, name in STEPS}


def strikes(service: str, point: str) -> Iterator[Strike]:
    """Everything that is done at a point."""
    for action in () if is_look(point) else ("kill", "pause", "stop"):
        yield Strike(service, Arm(point, "before", action))
        yield Strike(service, Arm(point, "after", action))
    for action in raises(point):
        yield Strike(service, Arm(point, "before", f"raise:{action}"))
    call = point.rpartition(": ")[2]
    if call in _MOVES:
        yield Strike(service, Arm(point, "after", "raise:EIO"))
    if call.startswith("redis "):
        yield Strike(service, Arm(point, "after", "raise:connection"))


def raises(point: str) -> tuple[str, ...]:
    """What can be raised at a point, instead of its effect."""
    call = point.rpartition(": ")[2]
    if is_step(point):
        return _IN_A_STEP
    if call.startswith("redis "):
        return ("connection", "timeout")
    if call == "os.posix_spawn":
        return ("EAGAIN", "EMFILE")
    if is_look(point):
        return _OPENED if call in ("os.open", "open") else _LOOKED
    if call.removeprefix("os.") in EFFECTS or call in ("open to write", "file.write", "rename_no_replace"):
        return DISK
    return ()


def load(letters: Letters) -> list[Letter]:
    """Letters that go every way there is: archive with and without text, review, copies, sub-folders."""
    text, pdf, broken = letters.make("text"), letters.make("pdf"), letters.make("broken")
    deep = Letter(f"{text.digest[:6]}/in a folder/{broken.name}", letters.make("text").content, "text")
    return [text, pdf, broken, deep, Letter(f"copies/{text.name}", text.content, "text"), letters.make("noise")]


def strike(bench: Bench, letters: Letters, what: Strike) -> Outcome:
    """Do it, and wait until nothing waits."""
    bench.keep_running()
    if what.service == REDIS:
        return _lose(bench, letters, what)
    if what.service == PROXY:
        return _strike_connection(bench, letters, what)
    before = len(bench.ends)
    if what.arm.point.endswith("SCRIPT LOAD"):
        bench.client().script_flush()
    control = bench.control(what.service)
    arm(control, what.arm)
    has_fired, victim = _wait_until_fired(bench, letters, what)
    began_s = time.monotonic()
    if has_fired and what.arm.action == "pause":
        _overtake(bench, what, victim)
    elif has_fired and what.arm.action in ("kill", "stop"):
        victim.wait()
        _break_redis(bench, what)
        if what.then:
            arm(control, what.then)
            bench.settle()
    disarm(control)
    bench.settle()
    if has_fired and what.arm.action.startswith("raise") and is_step(what.arm.point):
        bench.excused += bench.redrive("internal")
        bench.settle()
    meant = (what.arm.action in ("kill", "stop")) + (what.then is not None and fired(control))
    refused = [name for name, status in bench.ends[before:] if status == EXIT_REFUSED and name.startswith("producer")]
    died = len(bench.ends) - before - len(refused) > meant
    return Outcome(what, has_fired, time.monotonic() - began_s if has_fired else 0.0, died)


def _wait_until_fired(bench: Bench, letters: Letters, what: Strike) -> tuple[bool, Service]:
    """Drop letters, then others, then start the service again, for points that are passed once in its life.

    Whether it has fired, and in whom.
    """
    control, victim = bench.control(what.service), bench.services[what.service]
    # Nothing passes some points but a service that starts.
    for attempt in range(2 if "__main__" in what.arm.point else 0, 3):
        if attempt == 2:
            victim.stop()
            victim = bench.start(what.service)
        bench.drop(load(letters))
        bench.orphan(letters.make("text"))
        quiet_s = time.monotonic() + IDLE_S
        while time.monotonic() < quiet_s or not bench.is_done():
            if fired(control):
                return True, victim
            bench.keep_running()
            time.sleep(POLL_S)
    return fired(control), victim


def _overtake(bench: Bench, what: Strike, victim: Service) -> None:
    """While it is stopped another service does its work; then it continues, and its leases have run out."""
    eventually(victim.is_paused, f"{what.service} to stand still", timeout_s=20)
    _break_redis(bench, what)
    substitute = f"{what.service}9"
    bench.start(substitute)
    bench.settle()
    victim.signal(signal.SIGCONT)
    bench.stop(substitute)


def _break_redis(bench: Bench, what: Strike) -> None:
    if what.during:
        FAULTS[what.during](bench)


def _lose(bench: Bench, letters: Letters, what: Strike) -> Outcome:
    """Have Redis lose something, and wait until all is published again."""
    before, bench.forgot = len(bench.ends), True
    LOSSES[what.arm.point](bench, letters)
    return Outcome(what, True, bench.recover(), len(bench.ends) > before)


def _strike_connection(bench: Bench, letters: Letters, what: Strike) -> Outcome:
    """Break the connection that sends the command `what.arm.point`, as often as it says."""
    before = len(bench.ends), len(bench.proxy.applied)
    action = cast("Action", what.arm.action)
    bench.proxy.add(Rule(what.arm.point, action, what.arm.times, seconds=DELAY_S, skip=what.arm.skip))
    bench.drop(load(letters))
    began_s = time.monotonic()
    bench.settle()
    has_fired = len(bench.proxy.applied) > before[1]
    bench.proxy.heal()
    return Outcome(what, has_fired, time.monotonic() - began_s, len(bench.ends) > before[0])
