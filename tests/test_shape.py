"""The shape of the code: rooms of few modules, short functions, small classes, plain words."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_layers import MODULES

ROOT = Path(__file__).resolve().parents[1]

MAX_FUNCTION_LINES = 30
MAX_CLASS_LINES = 150
MAX_MEDIAN_LINES = 6
AT_THE_TOP = {"worker": 9, "producer": 10}
"""Modules and packages at most, so that a stranger sees the whole at a glance."""

RIDDLES = re.compile(r"\b(told|anew|put off|of ours|in vain|so many|whoever)\b", re.IGNORECASE)
"""Words that stood for many things in this project; each place says now what it means."""

SOURCES = sorted(
    path
    for package in ("worker", "producer")
    for path in (ROOT / package).rglob("*")
    if path.suffix in (".py", ".lua") and path.is_file()
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def nodes(module: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(MODULES[module].read_text()))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("package", AT_THE_TOP)
def test_few_modules_stand_at_the_top(package: str) -> None:
    tops = {name.split(".")[1] for name in MODULES if name.startswith(f"{package}.")}
    assert len(tops) <= AT_THE_TOP[package], sorted(tops)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_function_and_no_class_is_long(module: str) -> None:
    long = [
        f"{node.name}: {lines} lines"
        for node in nodes(module)
        if isinstance(node, FUNCTIONS) and (lines := body_lines(node)) > MAX_FUNCTION_LINES
    ]
    long += [
        f"{node.name}: {lines} lines"
        for node in nodes(module)
        if isinstance(node, ast.ClassDef) and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_CLASS_LINES
    ]
    assert not long


def test_most_functions_are_short() -> None:
    lengths = [body_lines(node) for module in MODULES for node in nodes(module) if isinstance(node, FUNCTIONS)]
    assert statistics.median(length for length in lengths if length) <= MAX_MEDIAN_LINES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_is_a_riddle(path: Path) -> None:
    lines = enumerate(path.read_text().splitlines(), 1)
    assert [f"{number}: {line.strip()}" for number, line in lines if RIDDLES.search(line)] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_variable_is_named_by_a_noun(module: str) -> None:
    """`one` says nothing about what it holds."""
    vague = [node.lineno for node in nodes(module) if isinstance(node, ast.Name) and node.id == "one"]
    vague += [node.lineno for node in nodes(module) if isinstance(node, ast.arg) and node.arg == "one"]
    assert sorted(set(vague)) == []
