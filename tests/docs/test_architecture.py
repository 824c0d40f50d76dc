"""docs/architecture.md against the code: its files and functions exist, its rooms are those of the import rules."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.test_layers import ROOMS, room_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
DRAWING = (ROOT / "docs" / "architecture.svg").read_text()

_PATH = r"`([\w./-]+\.(?:py|lua|svg))`"
_NAMED = re.compile(_PATH + r"\s·\s+(`[\w.]+`(?:,\s+`[\w.]+`)*)")
_OF_A_CLASS = re.compile(r"`([A-Z]\w+\.[a-z_]\w*)`")
"""`Class.method` in a list after the file, wherever it stands: each must follow its file."""


def named_functions() -> list[tuple[str, str]]:
    """(file, class, function or method) as the page names them: `file.py` · `Class.method`, `function`."""
    return sorted(
        {(path, name) for path, names in _NAMED.findall(PAGE) for name in re.findall(r"`([\w.]+)`", names)}
        | {(path, name) for path, names in short_references() for name in names}
    )


def short_references() -> list[tuple[str, list[str]]]:
    """`Class.method` that stands without its file belongs to the file named last before it."""
    references = []
    path = ""
    for match in re.finditer(rf"{_PATH}|{_OF_A_CLASS.pattern}", PAGE):
        if match[1]:
            path = match[1]
        elif match[2]:
            references.append((path, [match[2]]))
    return references


@functools.cache
def names_in(path: str) -> frozenset[str]:
    """Classes, functions and `Class.method` that a file defines at its top level."""
    names: set[str] = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return frozenset(names)


@pytest.mark.parametrize("path", sorted(set(re.findall(_PATH, PAGE))))
def test_each_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(("path", "name"), named_functions())
def test_each_function_that_is_named_is_in_its_file(path: str, name: str) -> None:
    assert name in names_in(path)


def test_the_page_names_most_of_the_way() -> None:
    assert len(named_functions()) > 40


def walks() -> dict[str, list[int]]:
    """The numbers of the steps under each heading that has any."""
    parts = re.split(r"^#{2,3} (.+)$", PAGE, flags=re.MULTILINE)
    steps = {
        title: [int(number) for number in re.findall(r"^(\d+)\. ", body, re.MULTILINE)]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {title: numbers for title, numbers in steps.items() if numbers}


def test_steps_are_numbered_without_gap() -> None:
    assert list(walks()) == ["The way of a letter", "A dead letter, until it is redriven", "A Redis outage"]
    for title, numbers in walks().items():
        assert numbers == list(range(1, len(numbers) + 1)), title


def test_steps_that_other_steps_refer_to_exist() -> None:
    last = len(walks()["The way of a letter"])
    references = [int(number) for number in re.findall(r"\bsteps? (\d+)", PAGE)]
    assert references
    assert all(1 <= number <= last for number in references)


def table_of_rooms() -> dict[str, tuple[str, ...]]:
    """Room -> the rooms that it may import, as the table of the page has them."""
    part = PAGE.partition("<!-- rooms -->")[2].partition("<!-- end -->")[0]
    rows = re.findall(r"^\| `([\w.]+)` \|[^|]*\|([^|]*)\|$", part, re.MULTILINE)
    return {room: tuple(re.findall(r"`([\w.]+)`", imports)) for room, imports in rows}


def test_the_table_of_rooms_is_the_rule() -> None:
    assert {room: set(imports) for room, imports in table_of_rooms().items()} == {
        room: set(imports) for room, imports in ROOMS.items()
    }


def test_the_drawing_has_every_room() -> None:
    assert sorted(re.findall(r"<text class='room'[^>]*>([^<]+)<", DRAWING)) == sorted(ROOMS)


def arrows() -> set[tuple[str, str]]:
    """(from, to) of every arrow of the drawing."""
    return set(re.findall(r"<path class='import' data-from='([^']+)' data-to='([^']+)'", DRAWING))


def inside(packages: tuple[str, ...]) -> set[str]:
    """The rooms that lie in these packages; nothing imports an entry point or the application."""
    rooms = {room for room in ROOMS if any(room == name or room.startswith(name + ".") for name in packages)}
    return rooms - {"worker.app", "worker.entrypoints"}


def rooms_named(packages: tuple[str, ...]) -> set[str]:
    """The rooms that these names stand for: a room, a module of one, or a package of rooms."""
    rooms = {room_of(name) for name in packages}
    return {room for room in rooms if room} | inside(tuple(name for name in packages if not room_of(name)))


@pytest.mark.parametrize("room", ROOMS)
def test_the_arrows_of_a_room_are_imports_that_it_may_have(room: str) -> None:
    named = rooms_named(ROOMS[room]) - {room}
    drawn = {target for source, target in arrows() if source == room}
    assert drawn <= inside(ROOMS[room]) | named
    assert named <= reachable(room), "an import that no arrows lead to"


def reachable(room: str) -> set[str]:
    """The rooms that arrows lead to, over any number of rooms."""
    reached: set[str] = set()
    waiting = [room]
    while waiting:
        here = waiting.pop()
        targets = {target for source, target in arrows() if source == here} - reached
        reached |= targets
        waiting += targets
    return reached
