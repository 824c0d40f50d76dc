"""docs/faults.md against the code: every fault has its row, every test that a row names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.mutations import MUTATIONS
from tests.faults.soak import LETTERS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "faults.md").read_text()
TABLE = TEXT.partition("<!-- faults -->")[2].partition("<!-- end -->")[0]
ROWS = {int(number): row for number, row in re.findall(r"^\| (\d+) \|(.*)\|$", TABLE, re.MULTILINE)}
NUMBERS = [*range(1, 15), *range(25, 56), 64, 65]
"""The faults of discovery, parsing, workers, Redis, disk, and both at once."""


def test_every_fault_has_a_row() -> None:
    assert sorted(ROWS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_each_row_names_tests_that_exist(number: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ROWS[number])
    assert named, "a fault without a test"
    missing = [f"{path}::{name}" for path, name in named if not _is_defined(ROOT / path, name)]
    assert missing == []


def _is_defined(path: Path, name: str) -> bool:
    return path.exists() and re.search(rf"def {name}\(", path.read_text()) is not None


def test_the_soak_promises_what_the_documentation_says() -> None:
    assert LETTERS == 10_000
    assert f"faults at random on {LETTERS:,} letters" in TEXT


def test_each_command_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\| `make ([a-z]+)", TEXT, re.MULTILINE)
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    assert {"faults", "soak", "mutations"} <= set(targets)


def test_each_safety_line_stands_where_the_mutation_check_takes_it_out() -> None:
    assert [mutation.what for mutation in MUTATIONS if mutation.line not in (ROOT / mutation.file).read_text()] == []
