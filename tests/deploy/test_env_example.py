"""deploy/env.example, held to the code: every setting with its default, every variable of compose.yaml, no secret.

When a setting changes, `python -m tests.deploy.test_env_example` writes its part of the file again.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.deploy.deployed import DEPLOY, ROOT, compose_file
from worker.contract.settings import Settings

EXAMPLE = DEPLOY / "env.example"
SECTION = "# --- Settings"
SECRETS = ("REDIS_PASSWORD", "FLOWER_BASIC_AUTH")
OF_THE_CONTAINER = {"IMR_REDIS_URL", "IMR_SHARE"}
"""compose.yaml decides these: its own Redis, and where the share is mounted."""
NOT_IN_CONTAINERS = {"IMR_STATE_DIR"}
"""Of `imr up` alone."""

_ASSIGNED = re.compile(r"^#?(?P<name>[A-Z][A-Z_]+)=(?P<value>.*)$", re.MULTILINE)
_ASKED = re.compile(r"(?<!\$)\$\{(?P<name>[A-Z_]+)(?::(?P<kind>[-?])(?P<more>[^}]*))?\}")


def expected_settings() -> str:
    """The settings as the example must have them: what it means, its name, its default, one after the other."""
    lines = []
    for name, field in Settings.model_fields.items():
        meaning = " ".join((field.description or "").replace("`", "").split())
        default = "" if field.default is None else str(field.default)
        default = default.lower() if isinstance(field.default, bool) else default
        lines += [
            *textwrap.wrap(meaning, 118, initial_indent="# ", subsequent_indent="# "),
            f"#IMR_{name.upper()}={default}",
        ]
    return "\n".join(lines) + "\n"


def rewritten(example: str) -> str:
    """The example with its settings as the code has them."""
    before, _, after = example.partition(SECTION)
    return f"{before}{SECTION}{after.splitlines()[0]}\n\n{expected_settings()}"


def assigned(text: str) -> dict[str, str]:
    return {match["name"]: match["value"] for match in _ASSIGNED.finditer(text)}


def asked_of_compose() -> dict[str, tuple[str | None, str | None]]:
    """Each variable that compose.yaml asks for: how it asks, and its default or its error message."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / "compose.yaml").read_text(), flags=re.MULTILINE)
    return {match["name"]: (match["kind"], match["more"]) for match in _ASKED.finditer(text)}


def test_every_setting_stands_in_it_with_its_meaning_and_default() -> None:
    assert EXAMPLE.read_text() == rewritten(EXAMPLE.read_text()), "python -m tests.deploy.test_env_example"


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The defaults of the code; from here on the working directory is empty, and nothing is set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"IMR_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    return Settings()


def test_as_it_is_it_changes_nothing(defaults: Settings) -> None:
    Path(".env").write_text(EXAMPLE.read_text())
    assert Settings() == defaults


def test_uncommented_its_defaults_are_those_of_the_code(defaults: Settings) -> None:
    settings = EXAMPLE.read_text().split(SECTION, 1)[1]
    with_values = [line.lstrip("#") for line in settings.splitlines() if re.match(r"#IMR_\w+=.", line)]
    Path(".env").write_text("\n".join(with_values))
    assert Settings() == defaults
    assert len(with_values) > len(Settings.model_fields) / 2


def test_every_variable_of_compose_stands_in_it() -> None:
    values = assigned(EXAMPLE.read_text().split(SECTION, 1)[0])
    asked = asked_of_compose()
    assert set(values) == set(asked)
    for name, (kind, more) in asked.items():
        assert values[name] == ("" if kind == "?" else more), name


def test_secrets_are_required_and_have_no_default() -> None:
    asked = asked_of_compose()
    for name in SECRETS:
        assert asked[name][0] == "?", name
        assert f"\n{name}=\n" in EXAMPLE.read_text(), name


def test_compose_passes_every_setting_on() -> None:
    passed = compose_file()["x-settings"]
    assert set(passed) == {f"IMR_{name.upper()}" for name in Settings.model_fields} - NOT_IN_CONTAINERS
    assert {name for name, value in passed.items() if value is not None} == OF_THE_CONTAINER


if __name__ == "__main__":
    EXAMPLE.write_text(rewritten(EXAMPLE.read_text()))
