"""deploy/Dockerfile, its lock files, and what may get into the image."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.deployed import BIN, DEPLOY, ROOT

DOCKERFILE = DEPLOY / "Dockerfile"
LOCKS = [DEPLOY / "requirements.lock", DEPLOY / "build.lock"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each on one line, without comments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    stages: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


def copied() -> set[str]:
    """What the Dockerfile takes from this repository."""
    sources: set[str] = set()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            sources.update(rest.split()[:-1])
    return sources


def pinned(lock: Path) -> dict[str, str]:
    """Project -> version of a lock file."""
    lines = re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def test_the_linter_accepts_it() -> None:
    if not (BIN / "hadolint").exists():
        pytest.skip("hadolint is not installed (the dev extra installs it where it can)")
    done = subprocess.run([BIN / "hadolint", "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_stage_starts_from_one_pinned_image() -> None:
    first, *others = [stage[0][1] for stage in stages()]
    image, _, name = first.partition(" AS ")
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", image)
    assert all(other.partition(" AS ")[0] == name for other in others)


def test_the_image_runs_as_a_user_without_rights() -> None:
    final = stages()[-1]
    assert [rest for name, rest in final if name == "USER"] == ["10001:10001"]
    assert ("CMD", '["imr", "--help"]') in final


def test_the_image_brings_neither_compiler_nor_build_tools() -> None:
    text = DOCKERFILE.read_text()
    assert not re.search(r"apt-get|\bgcc\b|build-essential|curl|wget", text)
    assert not any(name == "RUN" and "pip" in rest for name, rest in stages()[-1])
    assert not pinned(LOCKS[0]).keys() & {"setuptools", "pip", "wheel", "pytest"}


def test_everything_that_is_downloaded_has_a_hash() -> None:
    for name, rest in instructions():
        for command in rest.split("&&") if name == "RUN" else ():
            if re.search(r"\bpip .*(install|wheel)\b", command):
                assert "--require-hashes" in command or "--no-index" in command, command
                assert "--require-hashes" not in command or "--only-binary=:all:" in command, command


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_hold_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.split(r"\n(?=\w)", text.strip())
    assert all("==" in line and "--hash=sha256:" in line for line in requirements)
    assert not re.search(r"://|--index-url|--extra-index|--find-links", text)


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = pinned(DEPLOY / "requirements.lock")
    for text in [*project["dependencies"], *project["optional-dependencies"]["flower"]]:
        asked = Requirement(text)
        assert versions[canonicalize_name(asked.name)] in asked.specifier, text
    (build,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert pinned(DEPLOY / "build.lock")["setuptools"] in Requirement(build).specifier


def test_what_the_dockerfile_copies_is_all_that_gets_into_the_context() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*", "everything is left out first"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert let_in == copied()
    assert {"**/__pycache__", "**/*.pyc", "**/.env"} == set(rules[1:]) - {f"!{path}" for path in let_in}


def test_packages_of_the_image_are_those_of_the_project() -> None:
    packages = {path for path in copied() if (ROOT / path).is_dir()}
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert packages == {pattern.removesuffix("*") for pattern in patterns}
