"""Servers that several tests of the deployment share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.deployed import DEPLOY, redis_as_deployed
from worker.adapters.redis.embedded import find_server_binary


@pytest.fixture(scope="session")
def deployed_redis() -> Iterator[str]:
    """URL of a Valkey that runs with deploy/redis.conf, started by the command of compose.yaml."""
    with redis_as_deployed(find_server_binary(), (DEPLOY / "redis.conf").read_text()) as url:
        yield url
