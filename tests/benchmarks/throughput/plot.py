"""The plot: text floods as bars, with their spread, in SVG written by hand."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from html import escape

from tests.benchmarks.throughput.contestants import OURS
from tests.benchmarks.throughput.model import Flood, Results

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 760, 130, 190, 30, 46
_FONT = "font-family='system-ui, sans-serif' font-size='13'"


def svg(results: Results) -> str:
    """Letters per second of each contestant, with the median latency beside it."""
    floods = sorted(results.floods.get("text", {}).items(), key=lambda item: -_median(item[1]))
    most = max((flood.per_second for _, each in floods for flood in each), default=1.0)
    height = _TOP + _ROW * len(floods) + 16
    title = "Text letters a second in a flood (line: spread), median latency at 20 a second"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img' {_FONT}>",
            f"<title>{title}</title>",
            f"<rect width='{_WIDTH}' height='{height}' fill='#ffffff'/>",
            f"<text x='12' y='26' fill='#222222'>{title}</text>",
            *(line for row, (name, each) in enumerate(floods) for line in _bar(results, name, each, row, most)),
            "</svg>",
            "",
        ]
    )


def _bar(results: Results, name: str, floods: list[Flood], row: int, most: float) -> Iterator[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    rates = [flood.per_second for flood in floods]
    top, middle = _TOP + row * _ROW, _TOP + row * _ROW + _ROW / 2
    end = _LEFT + _median(floods) * scale
    low, high = (_LEFT + rate * scale for rate in (min(rates), max(rates)))
    colour = "#1f6f4a" if name == OURS else "#9aa5b1"
    steady = results.latency(name)
    told = f"{_median(floods):,.0f}/s" + (f", {steady.at(0.5):.1f} ms" if steady else "")
    yield f"<text x='{_LEFT - 8}' y='{middle + 4:.0f}' text-anchor='end' fill='#222222'>{escape(name)}</text>"
    yield f"<rect x='{_LEFT}' y='{top + 5}' width='{end - _LEFT:.1f}' height='{_ROW - 10}' fill='{colour}'/>"
    yield f"<path d='M{low:.1f} {middle:.0f}H{high:.1f}' stroke='#222222' stroke-width='2'/>"
    yield f"<text x='{max(end, high) + 8:.1f}' y='{middle + 4:.0f}' fill='#222222'>{told}</text>"


def _median(floods: list[Flood]) -> float:
    return statistics.median(flood.per_second for flood in floods)
