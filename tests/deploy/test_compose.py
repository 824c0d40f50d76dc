"""compose.yaml: valid by the specification's own schema, closed to the network, and without rights it does not need."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import Any

import pytest

from tests.deploy.deployed import BIN, ROOT, compose_file, services

SERVICES = services()
OURS = ("producer", "worker", "flower")
SOFT_SHUTDOWN_S = 10


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, duration
    return int(match[1])


def settings_of(service: str) -> dict[str, Any]:
    """One service, whole."""
    return SERVICES[service]


def test_the_specification_accepts_it() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def docker_compose() -> list[str]:
    command = ["docker", "compose"]
    try:
        subprocess.run([*command, "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no docker compose client on this machine")
    return command


def test_the_client_accepts_it(docker_compose: list[str]) -> None:
    secrets = {"REDIS_PASSWORD": "0123abcd", "FLOWER_BASIC_AUTH": "user:0123abcd"}
    command = [*docker_compose, "--file", str(ROOT / "compose.yaml"), "config", "--quiet"]
    environment = {"PATH": os.environ["PATH"], "COMPOSE_DISABLE_ENV_FILE": "1"}
    done = subprocess.run(command, env={**environment, **secrets}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for missing in secrets:
        rest = {name: value for name, value in secrets.items() if name != missing}
        done = subprocess.run(command, env={**environment, **rest}, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert missing in done.stderr


def test_it_runs_these_services() -> None:
    assert set(SERVICES) == {"redis", *OURS}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = settings_of(name)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"]["core"] == 0
    assert service["pids_limit"] <= 256
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode"} & set(service)
    numbers = re.findall(r"\d+", re.sub(r"\$\{IMR_[UG]ID:-(\d+)\}", r"\1", service["user"]))
    assert len(numbers) == 2
    assert all(int(number) > 0 for number in numbers)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_watched_and_bounded(name: str) -> None:
    service = settings_of(name)
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert seconds(service["healthcheck"]["timeout"]) < seconds(service["healthcheck"]["interval"])
    assert service["restart"] == "unless-stopped"
    assert service["init"] is True
    assert service["mem_limit"]
    assert service["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} == set(service["logging"]["options"])


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image = re.sub(r"\$\{\w+:-(.+)\}", r"\1", settings_of(name)["image"])
    _, _, tag = image.partition(":")
    assert re.match(r"\d+\.\d+", tag), image


def test_our_services_are_one_image_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {settings_of(name)["image"] for name in OURS} == {f"${{IMR_IMAGE:-imr-intake:{version}}}"}
    assert {settings_of(name)["build"]["dockerfile"] for name in OURS} == {"deploy/Dockerfile"}
    assert f'image.version="{version}"' in (ROOT / "deploy/Dockerfile").read_text()


def test_nothing_is_published_but_flower_on_the_loopback_address() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:${FLOWER_PORT:-5555}:5555"]}
    assert not any("expose" in service for service in SERVICES.values())


def test_only_flower_is_on_a_network_that_is_not_internal() -> None:
    assert compose_file()["networks"]["backend"] == {"internal": True}
    assert {name: service["networks"] for name, service in SERVICES.items()} == {
        "redis": ["backend"], "producer": ["backend"], "worker": ["backend"], "flower": ["backend", "loopback"],
    }  # fmt: skip


def test_only_producer_and_worker_see_the_share() -> None:
    mounted = {name: list(service.get("volumes", ())) for name, service in SERVICES.items()}
    share = compose_file()["x-share"]
    assert share["bind"] == {"create_host_path": False}
    assert share["target"] == settings_of("worker")["environment"]["IMR_SHARE"]
    assert mounted["producer"] == mounted["worker"] == [share]
    assert mounted["flower"] == []
    assert "./deploy/redis.conf:/etc/redis/redis.conf:ro" in mounted["redis"]


def test_secrets_reach_only_the_services_that_need_them() -> None:
    holders = {
        secret: [name for name, service in SERVICES.items() if secret in str(service["environment"])]
        for secret in ("REDIS_PASSWORD", "FLOWER_BASIC_AUTH")
    }
    assert holders == {"REDIS_PASSWORD": ["redis", *OURS], "FLOWER_BASIC_AUTH": ["flower"]}
    assert not any("env_file" in service for service in SERVICES.values())


def test_our_services_start_once_redis_is_healthy() -> None:
    for name in OURS:
        assert settings_of(name)["depends_on"] == {"redis": {"condition": "service_healthy"}}, name


def test_a_worker_has_time_for_its_soft_shutdown() -> None:
    from worker.adapters.celery.client import make_app

    worker = settings_of("worker")
    assert worker["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert make_app("redis://", "imr").conf.worker_soft_shutdown_timeout == SOFT_SHUTDOWN_S
    assert seconds(worker["stop_grace_period"]) >= 2 * SOFT_SHUTDOWN_S


def test_redis_may_use_twice_what_it_may_store() -> None:
    stored = re.search(r"^maxmemory (\d+)mb$", (ROOT / "deploy/redis.conf").read_text(), re.MULTILINE)
    assert stored
    assert settings_of("redis")["mem_limit"] == "1g"
    assert 2 * int(stored[1]) <= 1024
