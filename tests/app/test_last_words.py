"""What a worker says when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging
from worker.app import _configure_logging
_configure_logging()
try:
    open("/nowhere/Canary-Doe-Jane")
except OSError as error:
    logging.getLogger("celery.worker").critical("Unrecoverable error: %r", error, exc_info=True)
    logging.getLogger("celery.worker").error("Received unregistered task: %r", error, exc_info=True)
"""


def test_the_kind_of_the_error_and_nothing_of_its_words() -> None:
    environment = {"IMR_REDIS_URL": "redis://127.0.0.1:1/0", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    (line,) = run.stderr.splitlines()
    assert line.endswith("CRITICAL imr.worker the worker cannot go on kind=FileNotFoundError errno=2")
