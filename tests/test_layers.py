"""Who may import whom. The rules are the architecture; docs/architecture.md draws it.

Each module lies in one room, and each room lists the rooms that it may import from. No arrow runs up.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDARD_LIBRARY = sys.stdlib_module_names

COMPOSITION_ROOTS = ("worker.app", "worker.entrypoints", "producer.__main__")
"""The only places that read the environment, make clients and own the clock."""

CELERY = {"celery", "kombu", "billiard", "vine"}
REDIS = {"redis", "valkey"}
WATCHDOG = {"watchdog"}

PORTS = "worker.processing.records"
"""The ports that adapters implement: they live with the code that uses them."""

ROOMS: dict[str, tuple[str, ...]] = {
    "worker.letter": (),
    "worker.contract": ("worker.letter",),
    "worker.adapters.start_problem": (),
    "worker.adapters.share": ("worker.contract", "worker.adapters.start_problem"),
    "worker.adapters.celery": ("worker.contract",),
    "worker.adapters.redis": ("worker.contract", "worker.letter", "worker.adapters", PORTS),
    "worker.adapters": ("worker.contract",),
    "worker.extraction": ("worker.contract", "worker.adapters.share"),
    "worker.processing": ("worker.contract", "worker.letter", "worker.extraction", "worker.adapters.share"),
    "worker.operations": (
        "worker.contract",
        "worker.letter",
        "worker.extraction",
        "worker.processing",
        "worker.adapters",
    ),
    "worker.app": (
        "worker.contract",
        "worker.letter",
        "worker.extraction",
        "worker.processing",
        "worker.adapters",
        "worker.operations",
    ),
    "worker.entrypoints": ("worker", "producer"),
    "producer": (
        "worker.contract",
        "worker.adapters.share",
        "worker.adapters.start_problem",
        "worker.adapters.logs",
        "worker.adapters.celery.client",
        "worker.adapters.redis.producer_reports",
        "worker.adapters.redis.server",
        "worker.adapters.redis.server_continuity",
    ),
}
"""Room -> what it may import of this project besides itself; the longest name that fits a module is its room."""


def modules() -> dict[str, Path]:
    found = {}
    for package in ("worker", "producer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


@functools.cache
def imports_of(module: str) -> set[str]:
    """Absolute names that the module imports anywhere, `from a import b` giving both `a` and `a.b`."""
    names: set[str] = set()
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def top_levels(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def of(*packages: str) -> list[str]:
    return [module for module in MODULES if within(module, *packages)]


def foreign(module: str) -> set[str]:
    """Third-party and own packages that the module imports."""
    return top_levels(imports_of(module)) - set(STANDARD_LIBRARY)


def room_of(module: str) -> str | None:
    """The room that the module lies in; None if it has none."""
    return max((room for room in ROOMS if within(module, room)), key=len, default=None)


def ours(module: str) -> set[str]:
    """Our own modules that the module imports."""
    return {name for name in imports_of(module) if name in MODULES and name not in ("worker", "producer")}


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ("worker", "producer")])
def test_each_module_lies_in_a_room_and_imports_from_the_rooms_below_it(module: str) -> None:
    room = room_of(module)
    assert room is not None, f"{module} lies in no room: see ROOMS"
    up = {name for name in ours(module) if not within(name, room, *ROOMS[room])}
    assert not up, f"{module} may not import {sorted(up)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_imports_an_entrypoint(module: str) -> None:
    imported = {name for name in ours(module) if within(name, "worker.app", "worker.entrypoints", "producer.__main__")}
    allowed: tuple[str, ...] = ("worker.entrypoints",) if within(module, "worker.entrypoints") else ()
    # `imr watch` is the producer, started by the command line.
    allowed += ("producer.__main__",) if module == "worker.entrypoints.cli.services" else ()
    assert {name for name in imported if not within(name, *allowed)} == set()


@pytest.mark.parametrize("module", of("worker.letter"))
def test_the_parser_needs_the_standard_library_alone(module: str) -> None:
    assert foreign(module) <= {"worker"}


@pytest.mark.parametrize("module", of("worker.letter"))
def test_the_parser_is_pure(module: str) -> None:
    """No I/O, no clock, no logging, no randomness: what it needs is given to it."""
    impure = {
        "io",
        "logging",
        "os",
        "pathlib",
        "random",
        "socket",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
    }
    assert not top_levels(imports_of(module)) & impure


@pytest.mark.parametrize(
    "module",
    of(
        "producer.policy",
        "producer.discovery.stability",
        "producer.discovery.arrival_order",
        "worker.adapters.share.completion_rule",
    ),
)
def test_decisions_of_the_producer_are_pure(module: str) -> None:
    assert foreign(module) <= {"producer", "worker"}
    allowed = ("producer", "worker.contract", "worker.adapters.share.file_sample")
    assert all(within(name, *allowed) for name in ours(module))
    assert not top_levels(imports_of(module)) & {"logging", "pathlib", "socket", "subprocess", "threading", "time"}


@pytest.mark.parametrize("module", of("worker.letter", "worker.extraction", "worker.processing"))
def test_a_letter_is_processed_without_knowing_any_transport(module: str) -> None:
    assert not foreign(module) & (CELERY | REDIS | WATCHDOG)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_application_and_its_adapter_know_celery(module: str) -> None:
    if foreign(module) & CELERY:
        assert within(module, "worker.app", "worker.adapters.celery")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_discovery_of_files_knows_watchdog(module: str) -> None:
    if foreign(module) & WATCHDOG:
        assert within(module, "producer.discovery.inotify")


@pytest.mark.parametrize("module", of("worker"))
def test_the_worker_starts_the_producer_in_one_place(module: str) -> None:
    if any(within(name, "producer") for name in imports_of(module)):
        assert module == "worker.entrypoints.cli.services"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_settings_are_read_in_the_composition_roots_alone(module: str) -> None:
    """`load_settings()` reads the environment: everything else is given what it needs."""
    calls = [node for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Call)]
    names = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    if "load_settings" in names:
        assert within(module, *COMPOSITION_ROOTS), module


@pytest.mark.parametrize("module", ["worker", "producer", "worker.letter", "worker.contract"])
def test_importing_has_no_effects(module: str) -> None:
    """Nothing heavy comes along, no thread starts, nothing is printed."""
    probe = (
        f"import sys, threading, {module}\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'celery', 'kombu', 'redis', 'watchdog', 'pypdfium2'}), threading.active_count())"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "[] 1\n"
    assert run.stderr == ""
