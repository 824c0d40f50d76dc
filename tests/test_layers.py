"""Who may import whom. The rules are the architecture; docs/design.md says why each stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDARD_LIBRARY = sys.stdlib_module_names

COMPOSITION_ROOTS = {"worker.app", "worker.cli", "producer.__main__"}
"""The only places that read the environment, make clients and own the clock."""

CELERY = {"celery", "kombu", "billiard"}
REDIS = {"redis", "valkey"}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("worker", "producer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


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


@pytest.mark.parametrize("module", of("worker.letter"))
def test_the_parser_needs_the_standard_library_alone(module: str) -> None:
    assert foreign(module) <= {"worker"}
    own = {name for name in imports_of(module) if within(name, "worker", "producer")}
    assert all(within(name, "worker.letter") for name in own), own


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


@pytest.mark.parametrize("module", of("producer.settling", "producer.admission", "producer.pacing"))
def test_decisions_of_the_producer_are_pure(module: str) -> None:
    assert foreign(module) == set()


@pytest.mark.parametrize("module", of("producer"))
def test_the_producer_knows_the_contract_and_the_client_half_of_the_queue(module: str) -> None:
    allowed = ("worker.contract", "worker.hints")
    own = {name for name in imports_of(module) if within(name, "worker") and name != "worker"}
    assert all(within(name, *allowed) for name in own), own


@pytest.mark.parametrize("module", of("worker.pipeline", "worker.retrying", "worker.dead_letters"))
def test_the_pipeline_knows_no_transport(module: str) -> None:
    assert not foreign(module) & (CELERY | REDIS | {"watchdog"})


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_app_and_the_client_half_know_celery(module: str) -> None:
    if foreign(module) & CELERY:
        assert within(module, "worker.app", "worker.broker", "worker.careful", "worker.hints", "worker.telling")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_producer_knows_watchdog(module: str) -> None:
    if "watchdog" in foreign(module):
        assert within(module, "producer.watching", "producer.kernel_events")


@pytest.mark.parametrize("module", of("worker"))
def test_the_worker_starts_the_producer_in_one_place(module: str) -> None:
    if any(within(name, "producer") for name in imports_of(module)):
        assert module == "worker.cli.services"


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
