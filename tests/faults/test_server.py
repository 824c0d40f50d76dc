"""The harness's own Redis."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import faulty_server

pytestmark = pytest.mark.services


def test_one_that_is_restarted_while_it_is_kept_running_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    with faulty_server(tmp_path / "redis") as server:

        def restart() -> None:
            for _ in range(5):
                server.restart()

        restarting = threading.Thread(target=restart)
        restarting.start()
        while restarting.is_alive():
            server.start()
        assert [server.poll() for server in started].count(None) == 1, "the others have ended"
        assert len(started) == 1 + 5
