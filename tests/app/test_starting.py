"""What a worker does before its processes are forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from celery.signals import worker_init
import worker.app
from worker.processing.determination import _holidays
print(_holidays.cache_info().currsize)
worker_init.send(sender=None)
print(_holidays.cache_info().currsize)
"""


def test_the_calendar_is_open_before_the_first_letter() -> None:
    environment = {"IMR_REDIS_URL": "redis://127.0.0.1:1/0", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == ["0", "1"]
