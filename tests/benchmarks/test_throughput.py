"""The bench itself, in seconds: so that it works when it is wanted."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.benchmarks.throughput import __main__ as command
from tests.benchmarks.throughput.contestants import LIMIT, NAIVE, OURS
from tests.benchmarks.throughput.letters import content
from tests.benchmarks.throughput.model import Flood, Results, Steady, Usage
from tests.benchmarks.throughput.plan import TINY, Bench
from tests.benchmarks.throughput.plot import svg
from tests.benchmarks.throughput.report import markdown, targets


def flood(seconds: float, letters: int = 1000, peak_bytes: int = 80_000_000) -> Flood:
    used = Usage(seconds, seconds, peak_bytes, peak_bytes)
    return Flood(letters, seconds, {"producer": used, "worker": used, "server": used})


def measured() -> Results:
    """A run in which this system does exactly what is asked for."""
    results = Results(parse_us={"text": 1000.0}, skipped={"huey": "not installed: no | network"})
    for kind, seconds in (("text", (1.25, 1.0, 8.75)), ("pdf", (10.0, 9.0, 30.0))):
        for name, taken in zip((OURS, LIMIT, NAIVE), seconds, strict=True):
            results.add_flood(kind, name, flood(taken))
    results.steadies[OURS] = [Steady((6.0,) * 99 + (20.0,))]
    results.long_runs[OURS] = [flood(1.0, 1000), flood(9.0, 9000), flood(190.0, 190_000)]
    results.long_runs[LIMIT] = [flood(1.0, 1000), flood(9.0, 9000), flood(209.0, 190_000)]
    results.steady_after = Steady((7.0,) * 99 + (21.0,))
    results.scaling["2 producers, 2 worker processes"] = [flood(1.0)]
    return results


def test_what_meets_its_targets_is_said_to() -> None:
    found = list(targets(measured()))
    assert [one.what for one in found if not one.is_met] == []
    assert len(found) == 8


@pytest.mark.parametrize(
    ("kind", "name", "seconds", "what"),
    [
        ("text", OURS, 1.30, "text flood, share of the limit"),
        ("text", OURS, 1.30, "text flood, times naive Celery (the limit itself: 8.8)"),
        ("pdf", OURS, 10.1, "PDF flood, share of bare loops that extract and parse"),
    ],
)
def test_what_is_too_slow_is_said_to_be(kind: str, name: str, seconds: float, what: str) -> None:
    results = measured()
    results.floods[kind][name] = [flood(seconds)]
    assert what in [one.what for one in targets(results) if not one.is_met]


def test_latency_memory_and_growth_are_judged() -> None:
    results = measured()
    results.steadies[OURS] = [Steady((6.1,) * 98 + (21.0,) * 2)]
    results.floods["text"][OURS] = [flood(1.0, peak_bytes=121_000_000)]
    results.long_runs[OURS][-1] = flood(210.0, 190_000, peak_bytes=110_000_000)
    missed = [one.what.split(",")[0] for one in targets(results) if not one.is_met]
    assert missed == [
        "latency at a steady pace",
        "latency at a steady pace",
        "largest process of the worker",
        "producer",
        "processor time a letter",
    ]


def test_the_table_names_everyone_and_why_somebody_is_missing() -> None:
    told = markdown(measured(), "a machine")
    assert "| text flood, share of the limit | at least 0.8 | 0.80 | yes |" in told
    assert "| huey | not installed: no / network | | | | |" in told
    assert "| 2 producers, 2 worker processes | 1,000 | 6,000 |" in told


def test_the_table_says_which_process_costs_more_the_more_letters_there_are() -> None:
    told = markdown(measured(), "a machine")
    assert "up to 200,000 against up to 10,000 (the limit itself: +10%) |" in told
    assert "| CPU, us a letter | 9,000 more letters | 190,000 more letters |" in told
    assert "| limit: server | 2,000 | 2,200 |" in told
    assert "Latency after all of these: 7.0 ms, p99 21.0 ms." in told


def test_the_plot_is_a_picture_with_a_bar_for_each() -> None:
    bars = ET.fromstring(svg(measured())).findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - our own
    assert len(bars) == 1 + 3


def test_a_run_replaces_the_table_in_the_page_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{command.BEGIN}old\n{command.END}\nafter\n")
    command.write("new", "<svg/>", tmp_path)
    before, rest = page.read_text().split(command.BEGIN)
    told, after = rest.split(command.END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert told.endswith("new\n")
    assert "(bench.svg)" in told
    assert "old" not in told
    assert (tmp_path / "bench.svg").read_text() == "<svg/>"


def test_letters_are_distinct() -> None:
    texts = {content("text", number) for number in range(300)}
    assert len(texts) == 300


@pytest.mark.services
def test_a_tiny_run_measures_this_system_the_limit_and_naive_celery() -> None:
    bench = Bench(TINY, rivals=[], tell=lambda line: None)
    bench.run()
    floods = bench.results.floods["text"]
    assert set(floods) == {OURS, LIMIT, NAIVE}
    assert {name: each[0].letters for name, each in floods.items()} == {
        OURS: TINY.text,
        LIMIT: TINY.text,
        NAIVE: TINY.rival_text,
    }
    assert all(each[0].per_second > 0 for each in floods.values()), floods
    assert bench.results.steps_us["parse, validate, deadlines"] > 0
    assert len(bench.results.steadies[OURS][0].ms) == TINY.steady
    assert "largest process of the worker" in markdown(bench.results, command.machine())
