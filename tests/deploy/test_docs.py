"""The commands in docs/operations.md and deploy/runbook.md: their syntax, and that what they name exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from celery.bin.celery import celery
from celery.worker.control import Panel

from tests.deploy.deployed import DEPLOY, ROOT, compose_file, services
from worker.entrypoints.cli import main

PAGES = [ROOT / "docs/operations.md", DEPLOY / "runbook.md"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

_BLOCK = re.compile(r"^(?P<indent> *)```sh\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_GROUPS = {"dead-letters", "stream", "inspect"}
"""Commands that have commands of their own."""


def blocks(page: Path) -> list[str]:
    """The shell blocks of a page."""
    return [match["body"] for match in _BLOCK.finditer(page.read_text())]


def lines(page: Path) -> list[str]:
    """Every command line of a page, in blocks and in sentences."""
    in_blocks = "\n".join(blocks(page)).replace("\\\n", " ").splitlines()
    in_sentences = _INLINE.findall(_BLOCK.sub("", page.read_text()))
    return [line.strip() for line in [*in_blocks, *in_sentences] if line.strip() and not line.startswith("`")]


def invocations(page: Path, program: str) -> set[tuple[str, ...]]:
    """(command and sub-command, options...) of each call of `program`."""
    calls = set()
    for line in lines(page):
        for match in re.finditer(rf"(?:^|[ /]){program} (?=[a-z]|-A)(?!deploy/|/)(.*)", line):
            words = shlex.split(match[1].partition("|")[0], comments=True)
            words = words[2:] if words[:2] == ["-A", "worker.app"] else words
            depth = 2 if words[0] in _GROUPS else 1
            options = sorted({word.partition("=")[0] for word in words[depth:] if word.startswith("-")})
            calls.add((" ".join(words[:depth]), *options))
    return calls


def help_of_imr(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `imr command --help` prints."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.argv", ["imr", *command.split(), "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    assert end.value.code == 0, output.err
    return output.out


@each_page
def test_shell_blocks_are_shell(page: Path) -> None:
    assert blocks(page)
    for block in blocks(page):
        done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{block}"


@each_page
def test_our_commands_and_their_options_exist(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = invocations(page, "imr")
    assert len(calls) > 5
    for command, *options in calls:
        help_text = help_of_imr(command, monkeypatch, capsys)
        for option in options:
            assert option in help_text, f"imr {command} {option}"


@each_page
def test_commands_of_celery_exist(page: Path) -> None:
    calls = invocations(page, "celery")
    assert calls
    for command, *options in calls:
        name, _, what = command.partition(" ")
        assert name in celery.commands, command
        assert not what or what in Panel.meta, command
        assert not options, "give it as it is printed here"


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"\b(?:deploy|docs)/[\w./-]*\w/?(?![\w-]*\*)", page.read_text()))
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target


@each_page
def test_services_and_images_are_those_of_compose(page: Path) -> None:
    known = set(services())
    for line in lines(page):
        match = re.match(r"docker compose (?:exec|stop|start|restart|pull|ps|logs)\b(.*)", line)
        words = shlex.split(match[1], comments=True) if match else []
        if "exec" in line and match:
            assert known & set(words), line
        elif match:
            values = {words[place + 1] for place, word in enumerate(words[:-1]) if word in ("--tail", "--since")}
            left = {word for word in words if re.fullmatch(r"[a-z]+", word)} - values
            assert left <= known, line
    text = page.read_text()
    images = {service["image"].partition(":-")[2].rstrip("}") for service in services().values()}
    assert set(re.findall(r"\b(?:redis|imr-intake):\d[\w.-]*", text)) <= images
    for volume in re.findall(r"imr-intake_([\w-]+):", text):
        assert volume in compose_file()["volumes"]


@each_page
def test_settings_that_are_named_exist(page: Path) -> None:
    known = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bIMR_[A-Z_]*[A-Z]\b", page.read_text())) <= known


def sources() -> str:
    """The text of both packages, and the page of codes."""
    files = [path for package in ("producer", "worker") for path in (ROOT / package).rglob("*.py")]
    return "\n".join(path.read_text() for path in [*files, ROOT / "docs/errors.md"])


def test_the_runbook_quotes_what_the_services_really_say() -> None:
    text, said = (DEPLOY / "runbook.md").read_text(), sources()
    first_cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    quoted = [quote for cell in first_cells for quote in _INLINE.findall(cell)]
    fragments = [part.strip() for quote in quoted for part in re.split(r"\.\.\.|\d+", quote) if len(part.strip()) > 5]
    assert len(fragments) > 10
    for fragment in fragments:
        assert fragment in said, fragment


def test_the_runbook_names_codes_that_exist() -> None:
    quotes, said = _INLINE.findall((DEPLOY / "runbook.md").read_text()), sources()
    codes = {word for quote in quotes for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", quote)} - {"in_flight"}
    assert len(codes) > 8
    for code in codes:
        assert re.search(rf"[`\"]{code}[`\"]", said), code
