"""Settings: units in the names, errors that name the variable and never its value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.contract.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("IMR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


BAD = {
    "IMR_REDIS_URL": "sEcReT-not-a-url",
    "IMR_BROKER_URL": "ftp://:sEcReT@host",
    "IMR_PREFIX": "sEcReT with spaces",
    "IMR_SITE": "sEcReT/slash",
    "IMR_TIMEZONE": "sEcReT/Nowhere",
    "IMR_SETTLE_SECONDS": "sEcReT",
    "IMR_SCAN_SECONDS": "-1",
    "IMR_LEASE_SECONDS": "0",
    "IMR_MAX_ATTEMPTS": "1",
    "IMR_BATCH_LETTERS": "0",
    "IMR_MAX_LETTER_BYTES": "sEcReT",
    "IMR_READ_PARTIES": "sEcReT",
    "IMR_LOG_LEVEL": "sEcReT",
    "IMR_MAX_REDIS_MEMORY_PERCENT": "101",
}


@pytest.mark.parametrize(("name", "value"), BAD.items())
def test_an_error_names_the_variable_and_never_shows_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{name}: ")
    assert "sEcReT" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BAD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert all(name in str(refused.value) for name in BAD)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://host",
        "redis://:pass/word@host:6379x",
        "redis://host:port",
        "redis://host:99999",
        "redis://[::1",
        "amqp://host",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_connects(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("IMR_REDIS_URL", url)
    with pytest.raises(SettingsError, match="redis://"):
        load_settings()


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://user:p%40ss@host:6379/2", "rediss://[::1]:6380", "unix:///run/redis.sock?db=1"]
)
def test_an_address_can_be_had_but_is_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("IMR_REDIS_URL", url)
    settings = load_settings()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url
    assert url not in repr(settings)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"IMR_{name.upper()}", "")
    assert load_settings() == Settings()
    assert load_settings().state_folder == Path("share/.imr")


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMR_SITE", "environment")
    assert load_settings(site="command-line").site == "command-line"
    assert load_settings(site=None).site == "environment"


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IMR_SITE=file\nIMR_PREFIX=file\nOTHER=ignored\n")
    monkeypatch.setenv("IMR_SITE", "environment")
    assert (load_settings().site, load_settings().prefix) == ("environment", "file")


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_a_slow_pdf_must_not_outlive_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMR_LEASE_SECONDS", "10")
    with pytest.raises(SettingsError, match=r"IMR_READ_TIMEOUT_SECONDS: .*IMR_LEASE_SECONDS must be at least"):
        load_settings()
    monkeypatch.setenv("IMR_READ_TIMEOUT_SECONDS", "2")
    assert load_settings().lease_seconds == 10
