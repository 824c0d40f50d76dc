"""deploy/systemd: what systemd reports about the units, how they stop, and what they may see."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.deployed import BIN, DEPLOY

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ON_THE_SHARE = ("imr-producer.service", "imr-worker.service")
EXPOSURE = 25
"""Tenths, of 100; `systemd-analyze security` calls all below 50 OK, and units as they come have 96."""

by_name = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Name -> values, in order, of all sections."""
    directives: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            directives.setdefault(name, []).append(value)
    return directives


@pytest.fixture
def installed(unit: Path, tmp_path: Path) -> Path:
    """The unit with the commands of this environment, and a user that this machine has."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    copy = tmp_path / unit.name
    text = unit.read_text().replace("/opt/imr-intake/bin/", f"{BIN}/").replace("WorkingDirectory=/opt/imr-intake", "")
    copy.write_text(text)
    return copy


def test_there_is_one_for_each_service() -> None:
    assert [unit.name for unit in UNITS] == ["imr-flower.service", "imr-producer.service", "imr-worker.service"]


@by_name
def test_systemd_understands_it(installed: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True, check=False
    )
    about_it = [line for line in done.stderr.splitlines() if installed.name in line]
    assert (done.returncode, about_it) == (0, [])


@by_name
def test_it_exposes_little_of_the_machine(installed: Path) -> None:
    help_text = subprocess.run(["systemd-analyze", "--help"], capture_output=True, text=True, check=False).stdout
    if "--offline" not in help_text:
        pytest.skip("this systemd judges running units only (before version 250)")
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@by_name
def test_it_runs_as_the_user_of_the_share_and_not_in_the_share(unit: Path) -> None:
    settings = settings_of(unit)
    assert settings["User"] == ["imr"]
    assert settings["WorkingDirectory"] == ["/opt/imr-intake"]
    assert settings["LimitCORE"] == ["0"]
    assert settings["CapabilityBoundingSet"] == [""]
    assert int(settings["TimeoutStopSec"][0]) >= 10


@by_name
def test_only_producer_and_worker_see_the_share(unit: Path) -> None:
    settings = settings_of(unit)
    if unit.name in ON_THE_SHARE:
        (share,) = (value for value in settings["Environment"] if value.startswith("IMR_SHARE="))
        (writable,) = settings["ReadWritePaths"]
        assert Path(share.removeprefix("IMR_SHARE=")).is_relative_to(writable)
        assert settings["RequiresMountsFor"] == [writable]
        assert not writable.startswith(("/tmp", "/var/tmp", "/home", "/root", "/run/user")), "hidden from the unit"
    else:
        assert "ReadWritePaths" not in settings
        assert settings["InaccessiblePaths"] == ["-/srv/imr"]


@by_name
def test_what_stops_for_hours_is_started_again(unit: Path) -> None:
    settings = settings_of(unit)
    assert settings["Restart"] == (["always"] if unit.name in ON_THE_SHARE else ["on-failure"])
    assert settings.get("StartLimitIntervalSec") == (["0"] if unit.name in ON_THE_SHARE else None)


def test_the_worker_stops_softly_and_outlives_a_pdf_that_eats_memory() -> None:
    settings = settings_of(DEPLOY / "systemd/imr-worker.service")
    assert "REMAP_SIGTERM=SIGQUIT" in settings["Environment"]
    assert settings["KillMode"] == ["mixed"]
    assert int(settings["TimeoutStopSec"][0]) >= 20
    assert settings["OOMPolicy"] == ["continue"]


@pytest.mark.parametrize(("login", "starts"), [("user:0123abcd", True), ("", False)])
def test_flower_does_not_start_without_a_login(login: str, starts: bool) -> None:
    settings = settings_of(DEPLOY / "systemd/imr-flower.service")
    assert " --address=127.0.0.1 " in settings["ExecStart"][0]
    match = re.fullmatch(r"/bin/sh -c '(.+)'", settings["ExecStartPre"][0])
    assert match
    script = match[1].replace("$$", "$")
    done = subprocess.run(["/bin/sh", "-c", script], env={"FLOWER_BASIC_AUTH": login}, capture_output=True, check=False)
    assert (done.returncode == 0) is starts
