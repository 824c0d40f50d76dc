"""From results to Markdown: every target beside its figure, every contestant beside the others."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.throughput.contestants import LIMIT, NAIVE, OURS
from tests.benchmarks.throughput.model import Flood, Results


@dataclass(frozen=True, slots=True)
class Target:
    """What was promised, what was measured."""

    what: str
    wanted: str
    measured: str
    is_met: bool


def targets(results: Results) -> Iterator[Target]:
    """Every target that this run has figures for."""
    yield from _rates(results)
    yield from _latency(results)
    yield from _memory(results)
    yield from _growth(results)


def _rates(results: Results) -> Iterator[Target]:
    mine, limit, naive = (results.rate("text", name) for name in (OURS, LIMIT, NAIVE))
    if mine and limit:
        yield _at_least("text flood, share of the limit", mine / limit, 0.80)
    if mine and naive and limit:
        yield _at_least(f"text flood, times naive Celery (the limit itself: {limit / naive:.1f})", mine / naive, 7.0)
    mine, limit = (results.rate("pdf", name) for name in (OURS, LIMIT))
    if mine and limit:
        yield _at_least("PDF flood, share of bare loops that extract and parse", mine / limit, 0.90)


def _latency(results: Results) -> Iterator[Target]:
    found = results.latency(OURS)
    if found is not None:
        above_ms = found.at(0.5) - results.parse_us["text"] / 1000
        yield _at_most("latency at a steady pace, median above the time to parse, ms", above_ms, 5.0)
        yield _at_most("latency at a steady pace, 99th percentile, ms", found.at(0.99), 20.0)


def _memory(results: Results) -> Iterator[Target]:
    worker = [flood.used["worker"].peak_bytes / 1e6 for flood in results.floods.get("text", {}).get(OURS, [])]
    if worker:
        yield _at_most("largest process of the worker, text, MB", max(worker), 120.0)
    long_run = results.long_runs.get(OURS, [])
    if len(long_run) >= 2:
        first, last = (long_run[at].used["producer"].peak_bytes / 1e6 for at in (0, -1))
        letters = sum(flood.letters for flood in long_run)
        what = f"producer, MB at most, from {long_run[0].letters:,} to {letters:,} letters"
        yield Target(what, "flat", f"{first:.0f} to {last:.0f}", last <= first * 1.25)


def _growth(results: Results) -> Iterator[Target]:
    long_run = results.long_runs.get(OURS, [])
    if len(long_run) >= 3:
        early, late = long_run[1].cpu_us, long_run[-1].cpu_us
        letters = sum(flood.letters for flood in long_run)
        what = f"processor time a letter, up to {letters:,} against up to 10,000{_growth_of_limit(results)}"
        told = f"{late / early - 1:+.0%} ({early:,.0f} to {late:,.0f} us)"
        yield Target(what, "at most + 10 %", told, late <= early * 1.1)


def _growth_of_limit(results: Results) -> str:
    floods = results.long_runs.get(LIMIT, [])
    return f" (the limit itself: {floods[-1].cpu_us / floods[1].cpu_us - 1:+.0%})" if len(floods) >= 3 else ""


def _at_least(what: str, measured: float, wanted: float) -> Target:
    return Target(what, f"at least {wanted:g}", f"{measured:.2f}", measured >= wanted)


def _at_most(what: str, measured: float, wanted: float) -> Target:
    return Target(what, f"at most {wanted:g}", f"{measured:.1f}", measured <= wanted)


def markdown(results: Results, machine: str) -> str:
    """The whole report."""
    return "\n".join(
        [
            machine,
            "",
            *_targets(results),
            "",
            *_contestants(results),
            "",
            *_steps(results),
            "",
            *_processes(results),
            *_long_runs(results),
            *_scaling(results),
        ]
    )


def _targets(results: Results) -> Iterator[str]:
    yield from ("| target | wanted | measured | met |", "|---|---|---|---|")
    for one in targets(results):
        yield f"| {one.what} | {one.wanted} | {one.measured} | {'yes' if one.is_met else 'no'} |"


def _contestants(results: Results) -> Iterator[str]:
    yield "| | text, letters/s | long text | PDF | CPU, us a letter | latency, median / p99, ms |"
    yield "|---|---|---|---|---|---|"
    for name in results.floods.get("text", {}):
        cells = [_rate(results.floods.get(kind, {}).get(name)) for kind in ("text", "long", "pdf")]
        cpu = statistics.median(flood.cpu_us for flood in results.floods["text"][name])
        steady = results.latency(name)
        latency = f"{steady.at(0.5):.1f} / {steady.at(0.99):.1f}" if steady else ""
        yield f"| {name} | {' | '.join(cells)} | {cpu:,.0f} | {latency} |"
    for name, why in results.skipped.items():
        yield f"| {name} | {why.splitlines()[0].replace('|', '/')} | | | | |"


def _rate(floods: list[Flood] | None) -> str:
    """Median and spread."""
    if not floods:
        return ""
    rates = sorted(flood.per_second for flood in floods)
    middle = f"{statistics.median(rates):,.0f}"
    return middle if len(rates) == 1 else f"{middle} ({rates[0]:,.0f} to {rates[-1]:,.0f})"


def _steps(results: Results) -> Iterator[str]:
    yield from ("| step, alone in one process, batches of 100 | us a letter |", "|---|---|")
    for name, us in results.steps_us.items():
        yield f"| {name} | {us:,.0f} |"


def _processes(results: Results) -> Iterator[str]:
    yield "| CPU of a text flood, us a letter | user | system | peak memory of its largest process, MB |"
    yield "|---|---|---|---|"
    for contestant in (OURS, LIMIT, NAIVE):
        for flood in results.floods.get("text", {}).get(contestant, [])[-1:]:
            for name, used in flood.used.items():
                user, system = (seconds / flood.letters * 1e6 for seconds in (used.user_s, used.system_s))
                yield f"| {contestant}: {name} | {user:,.0f} | {system:,.0f} | {used.peak_bytes / 1e6:,.0f} |"


def _long_runs(results: Results) -> Iterator[str]:
    """What each process costs more, the more letters there are."""
    floods = results.long_runs.get(OURS, [])[1:]
    if not floods:
        return
    yield from ("", f"| CPU, us a letter | {' | '.join(f'{one.letters:,} more letters' for one in floods)} |")
    yield f"|---|{'---|' * len(floods)}"
    for name, runs in ((name, runs[1:]) for name, runs in results.long_runs.items()):
        for process in runs[0].used:
            cells = (f"{flood.used[process].cpu_s / flood.letters * 1e6:,.0f}" for flood in runs)
            yield f"| {name}: {process} | {' | '.join(cells)} |"
    if results.steady_after is not None:
        after = results.steady_after
        yield from ("", f"Latency after all of these: {after.at(0.5):.1f} ms, p99 {after.at(0.99):.1f} ms.")


def _scaling(results: Results) -> Iterator[str]:
    if results.scaling:
        yield from ("", "| this system | text, letters/s | CPU, us a letter |", "|---|---|---|")
    for name, floods in results.scaling.items():
        yield f"| {name} | {_rate(floods)} | {statistics.median(flood.cpu_us for flood in floods):,.0f} |"
