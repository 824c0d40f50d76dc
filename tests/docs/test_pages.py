"""What the pages name is there: links with their headings, modules, files; settings, commands, codes are documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, dotted_names, is_there, links, paths
from tests.docs.reference import GROUPS, commands
from worker.contract.settings import Settings
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.processing.dead_letters import catalogue

DOCS = ROOT / "docs"
HISTORY = ROOT / "CHANGELOG.md"
"""May name what is gone."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in links(page.read_text()):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


@each_page
def test_modules_that_a_page_names_exist(page: Path) -> None:
    if page != HISTORY:
        assert sorted(name for name in dotted_names(page.read_text()) if not is_there(name)) == []


@each_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    if page != HISTORY:
        assert sorted(path for path in paths(page.read_text()) if not (ROOT / path).exists()) == []


def test_names_that_are_gone_are_noticed() -> None:
    page = "`worker.contract.nowhere`, `worker/nowhere.py`, [a](README.md#nowhere), `worker.contract.names.Keys`"
    assert [name for name in sorted(dotted_names(page)) if not is_there(name)] == ["worker.contract.nowhere"]
    assert paths(page) == {"worker/nowhere.py"}
    assert list(links(page)) == ["README.md#nowhere"]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_figures_of_the_readme_are_those_of_the_measurements() -> None:
    answer = re.search(r"\*\*How fast\?\*\*(.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert answer
    measured = (DOCS / "performance.md").read_text()
    figures = set(re.findall(r"\d[\d,.]*\d", answer[1]))
    assert len(figures) >= 4
    assert sorted(figure for figure in figures if figure not in measured) == []


def test_each_setting_has_one_subject() -> None:
    assert sorted(name for _, names in GROUPS.values() for name in names) == sorted(Settings.model_fields)


def test_every_setting_is_documented() -> None:
    page = (DOCS / "settings.md").read_text()
    assert [name for name in Settings.model_fields if f"| `IMR_{name.upper()}` |" not in page] == []


def test_every_command_is_documented_and_stands_in_the_overview() -> None:
    page = (DOCS / "cli.md").read_text()
    names = [name for name, command in commands().items() if not hasattr(command, "commands")]
    assert len(names) >= 15
    assert [name for name in names if f"### `imr {name}`" not in page] == []
    overview = page.partition("<!-- generated: commands -->")[0]
    assert [name for name in commands() if f"`imr {name.split()[0]}" not in overview] == []


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "cli.md").read_text()
    names = [f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in ExitCode]
    assert [name for name in names if name not in page] == []


def test_every_error_code_is_documented() -> None:
    page = (DOCS / "errors.md").read_text()
    assert [entry.code for entry in catalogue() if f"| `{entry.code}` |" not in page] == []


def test_every_page_is_in_the_index() -> None:
    index = set(links((DOCS / "README.md").read_text()))
    assert [page.name for page in sorted(DOCS.glob("*.md")) if page.name not in {*index, "README.md"}] == []


def test_pictures_load_nothing_from_elsewhere() -> None:
    for picture in DOCS.glob("*.svg"):
        addresses = set(re.findall(r"https?://[^\s\"')]+", picture.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, picture.name


def test_there_is_one_version_everywhere() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f"## [{version[1]}] - " in HISTORY.read_text()
    files = ("compose.yaml", "deploy/Dockerfile", "deploy/kubernetes/kustomization.yaml", "docs/operations.md")
    for file in files:
        named = re.findall(r'(?:imr-intake:|newTag: |image\.version=")(\d+\.\d+\.\d+)', (ROOT / file).read_text())
        assert set(named) == {version[1]}, file
