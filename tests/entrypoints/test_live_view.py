"""The live view of `imr up`: whole on one terminal, plain lines everywhere else."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.support.screen import COLUMNS, run_on_terminal
from tests.support.system import IMR, QUICK
from worker.contract.event import DEAD_LETTERED
from worker.entrypoints.cli.event_line import folded_lines
from worker.entrypoints.live_view import LiveView, figures_line
from worker.operations.status import Balance

BALANCE = Balance(
    seen=7,
    published=3,
    dead=1,
    discarded=0,
    duplicate=2,
    ignored=0,
    in_flight=1,
    lost_claims=0,
    holds=("the disk is full",),
    producers=1,
)
PUBLISHED: dict[str, Any] = {
    "type": "imr.determination.published",
    "id": "091607b0c11a55d0:1",
    "time": "2026-11-28T23:01:05Z",
    "data": {
        "case_number": "CM18-9970021",
        "issues": [{}, {}, {}],
        "outcome": "partially_overturned",
        "deadlines": {"authorize_by": "2026-12-04"},
    },
}
DEAD: dict[str, Any] = {
    "type": DEAD_LETTERED,
    "id": "7cee9fa2ae8000d0:1",
    "time": "2026-11-28T23:01:06Z",
    "data": {"code": "issue_without_decision", "message": "An issue has no decision."},
}

SHOW_ALL = """
from tests.entrypoints.test_live_view import BALANCE, DEAD, PUBLISHED
from worker.entrypoints.live_view import live_view
with live_view() as view:
    for number in range(12):
        view.show_result(PUBLISHED)
        view.show_figures(BALANCE)
        view.show_message(f"the worker ended ({number}) and is started again; see /srv/imr/share/.imr/logs/worker.log")
    view.show_result(DEAD)
    view.show_trouble("Redis does not answer; letters wait for it")
view.show_total(BALANCE)
"""


def recorded(*, is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=COLUMNS, color_system=None, soft_wrap=True)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def show(view: LiveView) -> None:
    with view:
        view.show_result(PUBLISHED)
        view.show_figures(BALANCE)
        view.show_figures(BALANCE)
        view.show_trouble("Redis does not answer; letters wait for it")
        view.show_trouble("Redis does not answer; letters wait for it")


class TestOneTerminal:
    def test_no_line_is_overwritten_or_cut(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        code, screens = run_on_terminal([sys.executable, "-c", SHOW_ALL], environment, tmp_path)
        lines = screens[-1]
        assert code == 0, lines
        assert lines.count("23:01:05 ✓ published  CM18-9970021  3 issues  partially overturned") == 12
        assert lines.count("           authorize by 2026-12-04  091607b0c11a") == 12
        assert sum(line.endswith("dead-letters show 7cee9fa2ae80") for line in lines) == 1
        assert sum("/srv/imr/share/.imr/logs/worker.log" in line for line in lines) == 12, "paths are whole"
        assert lines[-1] == "3 published, 1 in review, 1 in flight, 2 duplicates, the disk is full"
        assert not any("Redis does not answer" in line for line in lines), "what is redrawn leaves nothing behind"

    def test_the_figures_stay_on_the_last_line(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        _, screens = run_on_terminal([sys.executable, "-c", SHOW_ALL], environment, tmp_path)
        for screen in screens[:-1]:
            figures = [number for number, line in enumerate(screen) if "3 published" in line]
            assert len(figures) <= 1, screen

    def test_samples_that_a_newcomer_drops(self, tmp_path: Path) -> None:
        """`imr up --sample --drain` on a screen of 80x24, as the README has a newcomer run it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IMR_")}
        environment |= {**QUICK, "IMR_SHARE": str(tmp_path / "share")}
        code, screens = run_on_terminal([IMR, "up", "--sample", "--drain", "--workers", "1"], environment, tmp_path)
        lines = screens[-1]
        assert code == 0, lines
        assert sum("✓ published" in line for line in lines) == 5
        assert sum("✗ to review" in line for line in lines) == 1
        assert all(line[8:10] == " ✓" or line[8:10] == " ✗" for line in lines if "✓" in line or "✗" in line), lines
        assert lines[-2].startswith("stopping")
        assert lines[-1] == "5 published, 1 in review, 0 in flight"
        assert len([line for line in lines if "in flight" in line]) == 1, "the figures that were redrawn are gone"


class TestElsewhere:
    def test_a_file_has_plain_lines_and_no_figures(self) -> None:
        results, messages = recorded(), recorded()
        show(LiveView(results, messages, is_live=False))
        assert text_of(results).splitlines() == [folded_lines(PUBLISHED, 1000)[0].plain]
        assert text_of(messages) == "Redis does not answer; letters wait for it\n"

    def test_a_terminal_beside_a_pipe_has_the_figures_once_for_each_change(self) -> None:
        """As with `imr up | tee results`: nothing may move the cursor on the terminal that both write to."""
        results, messages = recorded(), recorded(is_terminal=True)
        show(LiveView(results, messages, is_live=False))
        assert text_of(messages).splitlines() == [
            "3 published, 1 in review, 1 in flight, 2 duplicates, the disk is full",
            "Redis does not answer; letters wait for it",
        ]

    def test_letters_that_are_nowhere_are_shown(self) -> None:
        assert "unexplained" not in figures_line(BALANCE).plain
        lost = Balance(2, 1, 0, 0, 0, 0, 0, 1, (), 1)
        assert figures_line(lost).plain == "1 published, 0 in review, 0 in flight, 1 unexplained"


class TestNarrowScreens:
    @pytest.mark.parametrize("event", [PUBLISHED, DEAD], ids=["published", "dead"])
    @pytest.mark.parametrize("width", [36, 60, 80, 200])
    def test_every_word_is_there_and_whole(self, event: dict[str, Any], width: int) -> None:
        lines = [line.plain for line in folded_lines(event, width)]
        assert all(len(line) <= width for line in lines), lines
        (whole,) = [line.plain for line in folded_lines(event, 1000)]
        assert " ".join(lines).split() == whole.split()

    def test_a_long_message_is_broken_between_words(self) -> None:
        event = {**DEAD, "data": {"code": "x", "message": "word " * 40}}
        lines = [line.plain for line in folded_lines(event, 80)]
        assert len(lines) == 5
        assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {11}


def test_the_screen_of_these_tests_redraws_a_line(tmp_path: Path) -> None:
    written = r"figures 1\r\033[2Kresult\nfigures 2\n\033[1A\033[2Kend" + "x" * COLUMNS
    code, screens = run_on_terminal(["printf", written], os.environ, tmp_path)
    assert (code, screens[-1]) == (0, ["result", "end" + "x" * (COLUMNS - 3), "xxx"])
