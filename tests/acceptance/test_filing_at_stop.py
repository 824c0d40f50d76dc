"""A worker that is told to stop files what it has finished, though the server's disk has yet to be waited for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.many_letters import numbered_letter
from tests.support.services import running_services
from tests.support.waiting import eventually

LETTERS = 3
END_S = 40.0
"""What systemd and Kubernetes give a worker."""


@pytest.mark.services
@pytest.mark.timeout(300)
def test_what_is_finished_is_filed_before_the_worker_ends(tmp_path: Path) -> None:
    """With Redis 6.2 every letter waits for three seconds at least: the worker is told while they wait."""
    # No grace for tasks, of which there is none any more: what is filed is filed because the worker waits for the disk.
    settings = {"IMR_TEST_HOLD": str(tmp_path / "never"), "IMR_TEST_GRACE_S": "0.1"}
    with running_services(tmp_path, "redis-6.2", "everysec", **settings) as services:
        worker = services.worker("tests.support.held_app")
        services.producer()
        for number in range(LETTERS):
            services.drop(numbered_letter(number), f"{number}.txt")
        eventually(lambda: len(services.published()) == LETTERS, "the letters to be published", timeout_s=60)
        assert len(services.claimed()) == LETTERS, "not filed before the disk has them"
        worker.send(signal.SIGTERM)
        worker.ends(END_S)
        assert services.claimed() == [], worker.said()
        assert services.client.hlen(services.keys.finished) == 0
        assert services.status()["unexplained"] == 0
