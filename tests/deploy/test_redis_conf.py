"""deploy/redis.conf on real servers: what it promises to letters, and the command that starts it."""

from __future__ import annotations

import subprocess

import pytest
import redis

from tests.deploy.deployed import BIN, DEPLOY, PASSWORD, in_container, redis_as_deployed, services
from worker.adapters.redis.server import require_server, server_problems
from worker.contract.redis_client import connect

CONFIG = DEPLOY / "redis.conf"
NEWER_THAN_6_2 = ("hide-user-data-from-log",)
"""Settings that protect the log only, and that the oldest server we work with does not know."""


def test_it_has_the_settings_that_letters_depend_on(deployed_redis: str) -> None:
    client = connect(deployed_redis)
    assert server_problems(client) == []
    assert require_server(client) == []
    client.close()


def test_the_oldest_server_understands_all_that_letters_depend_on() -> None:
    binary = BIN / "redis-server"
    if not binary.exists():
        pytest.skip("no Redis 6.2 beside the interpreter (the dev extra installs one)")
    known = [line for line in CONFIG.read_text().splitlines() if not line.startswith(NEWER_THAN_6_2)]
    with redis_as_deployed(binary, "\n".join(known)) as url:
        client = connect(url)
        assert server_problems(client) == []
        client.close()


def test_without_the_password_it_refuses_commands(deployed_redis: str) -> None:
    client = connect(deployed_redis.replace(f":{PASSWORD}@", ""))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()


def test_no_single_command_deletes_everything(deployed_redis: str) -> None:
    client = connect(deployed_redis)
    for forget in (client.flushall, client.flushdb):
        with pytest.raises(redis.ResponseError, match="unknown command"):
            forget()
    client.close()


def test_a_full_memory_refuses_writes_and_keeps_what_it_has(deployed_redis: str) -> None:
    client = connect(deployed_redis)
    was = str(client.config_get("maxmemory")["maxmemory"])
    try:
        client.set("kept", "yes")
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            client.set("more", "no")
        assert client.get("kept") == b"yes"
    finally:
        client.config_set("maxmemory", was)
        client.delete("kept")
        client.close()


def test_each_setting_has_its_reason() -> None:
    """A comment stands above each setting or group of settings."""
    for group in CONFIG.read_text().split("\n\n"):
        assert group.startswith("#"), group.splitlines()[0]


def test_the_password_is_neither_in_the_file_nor_on_the_command_line() -> None:
    settings = [line.split()[0] for line in CONFIG.read_text().splitlines() if line and not line.startswith("#")]
    assert "requirepass" not in settings
    command, *_ = services()["redis"]["command"][2].splitlines()
    assert "AUTH" not in command


def test_without_a_password_it_does_not_start() -> None:
    command = in_container(services()["redis"]["command"])
    done = subprocess.run(command, env={"REDISCLI_AUTH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "REDISCLI_AUTH" in done.stderr
