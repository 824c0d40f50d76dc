"""Values of the bench."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes used: seconds of processor time, bytes of memory."""

    user_s: float
    system_s: float
    memory_bytes: int
    """Resident now; the largest of them, where there are several."""
    peak_bytes: int
    """Resident at most; the largest of them."""

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s

    @classmethod
    def total(cls, each: Iterable[Self]) -> Usage:
        """Times together, memory of the largest."""
        all_of = list(each)
        return Usage(
            sum(one.user_s for one in all_of),
            sum(one.system_s for one in all_of),
            max((one.memory_bytes for one in all_of), default=0),
            max((one.peak_bytes for one in all_of), default=0),
        )

    def since(self, before: Usage) -> Usage:
        """Times since then, memory as it is now."""
        return Usage(self.user_s - before.user_s, self.system_s - before.system_s, self.memory_bytes, self.peak_bytes)


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood: letters renamed in as fast as they can be."""

    letters: int
    seconds: float
    """From before the first rename to the last entry of the stream, by the server's clock."""
    used: dict[str, Usage]
    """By process: what it used during the flood; `server` is Redis."""

    @property
    def per_second(self) -> float:
        """Letters per second."""
        return self.letters / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time a letter, everything together."""
        return sum(one.cpu_s for one in self.used.values()) / self.letters * 1e6


@dataclass(frozen=True, slots=True)
class Steady:
    """One steady load: milliseconds from before the rename to the entry in a reader's hand, of each letter."""

    ms: tuple[float, ...]

    def at(self, share: float) -> float:
        """The latency that so many stay below."""
        return sorted(self.ms)[min(len(self.ms) - 1, int(share * len(self.ms)))]


@dataclass(slots=True)
class Results:
    """Everything that was measured, by contestant."""

    floods: dict[str, dict[str, list[Flood]]] = field(default_factory=dict)
    """kind -> contestant -> repetitions."""
    steadies: dict[str, list[Steady]] = field(default_factory=dict)
    long_runs: dict[str, list[Flood]] = field(default_factory=dict)
    """By contestant, one system, one flood after the other: 1,000, then up to 10,000, then up to 200,000 letters."""
    steady_after: Steady | None = None
    """Latency of this system after all of those."""
    scaling: dict[str, list[Flood]] = field(default_factory=dict)
    parse_us: dict[str, float] = field(default_factory=dict)
    """The job alone, in one process without Redis, by kind of letter."""
    steps_us: dict[str, float] = field(default_factory=dict)
    """Each step of a letter's way, alone in one process."""
    skipped: dict[str, str] = field(default_factory=dict)

    def add_flood(self, kind: str, contestant: str, flood: Flood) -> None:
        """One more repetition."""
        self.floods.setdefault(kind, {}).setdefault(contestant, []).append(flood)

    def rate(self, kind: str, contestant: str) -> float | None:
        """The median of letters per second."""
        found = self.floods.get(kind, {}).get(contestant)
        return statistics.median(one.per_second for one in found) if found else None

    def latency(self, contestant: str) -> Steady | None:
        """All repetitions together."""
        found = self.steadies.get(contestant)
        return Steady(tuple(ms for one in found for ms in one.ms)) if found else None
