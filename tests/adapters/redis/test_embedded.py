"""The embedded server: this user's alone, every write on disk, and nothing lost by a kill."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.support.servers import ServerMissing, answers, binary_of
from tests.support.waiting import eventually
from worker.adapters.redis.embedded import MAX_RESTART_DELAY_S, EmbeddedServer, ServerSupervisor, embedded_server
from worker.adapters.redis.server import require_server
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.redis_client import connect

pytestmark = pytest.mark.services


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    try:
        made = EmbeddedServer(tmp_path / "state", binary_of("valkey"))
    except ServerMissing as error:
        pytest.skip(str(error))
    yield made
    made.kill()


def put(server: EmbeddedServer) -> None:
    with contextlib.closing(connect(server.url)) as client:
        client.xadd("imr:determinations", {"data": "an event"})


def kept(server: EmbeddedServer) -> int:
    with contextlib.closing(connect(server.url)) as client:
        return int(client.xlen("imr:determinations"))


def test_it_is_a_server_that_letters_can_be_trusted_to(server: EmbeddedServer) -> None:
    server.start()
    with contextlib.closing(connect(server.url)) as client:
        assert require_server(client) == []


def test_only_this_user_may_open_it(server: EmbeddedServer) -> None:
    server.start()
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    with contextlib.closing(connect(server.url)) as client:
        assert client.config_get("port")["port"] == "0"


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_what_was_told_is_there_after_a_restart(server: EmbeddedServer, ending: str) -> None:
    server.start()
    for _ in range(10):
        put(server)
    getattr(server, ending)()
    assert server.pid is None
    server.start()
    assert kept(server) == 10


def test_it_is_gone_once_it_was_stopped(server: EmbeddedServer) -> None:
    server.start()
    pid = server.pid
    assert pid is not None
    server.stop()
    server.stop()
    assert not server.socket.exists()
    assert not answers(server.url)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_block_stops_it_whatever_happens(tmp_path: Path) -> None:
    def fail() -> None:
        with embedded_server(tmp_path) as server:
            pids.append(server.pid or 0)
            raise ZeroDivisionError

    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_what_its_owner_does_not_stop_is_noticed(server: EmbeddedServer) -> None:
    server.start()
    os.kill(server.pid or 0, 9)
    eventually(lambda: server.pid is None, "the server to be seen as ended")


def test_one_that_cannot_start_says_why_and_where_to_look(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, Path("/bin/false"))
    with pytest.raises(StartRefused, match=r"did not start.*server\.log"):
        server.start()
    assert server.pid is None


def test_data_that_is_damaged_is_told_by_the_servers_own_words(server: EmbeddedServer) -> None:
    server.start()
    put(server)
    server.stop()
    (data,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    data.write_bytes(b"no such thing" + data.read_bytes())
    with pytest.raises(StartRefused, match="Bad file format"):
        server.start()


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """Below a shared /tmp somebody could make the folder first, and answer in the server's place."""
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis").chmod(0o777)
    with pytest.raises(StartRefused, match="others may write"), embedded_server(tmp_path):
        pass


def test_two_servers_never_share_a_folder(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    put(server)
    monkeypatch.setattr("worker.adapters.redis.embedded.STOP_TIMEOUT_S", 0.1)
    second = EmbeddedServer(server.folder.parent, binary_of("valkey"))
    with pytest.raises(StartRefused, match="another server still runs"):
        second.start()
    assert kept(server) == 1, "the first is as it was, its socket included"


def test_it_ends_with_its_owner_and_the_next_waits_for_that(server: EmbeddedServer) -> None:
    """The owner is killed -9: the server is told by the kernel, and what it was told is there for the next."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from worker.adapters.redis.embedded import EmbeddedServer, find_server_binary\n"
        "server = EmbeddedServer(Path(sys.argv[1]), find_server_binary())\n"
        "server.start()\nprint('started', flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(server.folder.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline(), "the owner has ended"
        put(server)
        owner.kill()
    server.start()
    assert kept(server) == 1


class Dying:
    """A server that ends as often as the test says."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.starts = 0
        self.is_refused = False

    def start(self) -> None:
        self.starts += 1
        if self.is_refused:
            raise StartRefused([Problem("the disk is full", "make room")])
        self.pid = 1


def test_a_server_that_ends_each_time_is_started_after_growing_delays() -> None:
    server, reports, now_s = Dying(), list[str](), [0.0]
    supervisor = ServerSupervisor(cast("EmbeddedServer", server), reports.append, lambda: now_s[0])
    supervisor.keep_running()
    assert (server.starts, reports) == (0, [])
    server.is_refused, server.pid = True, None
    starts: list[float] = []
    while now_s[0] < 200:
        before = server.starts
        supervisor.keep_running()
        starts += [now_s[0]] if server.starts > before else []
        now_s[0] += 0.5
    assert starts[:5] == [0.0, 2.0, 6.0, 14.0, 30.0]
    assert {later - earlier for earlier, later in itertools.pairwise(starts[5:])} == {MAX_RESTART_DELAY_S}
    assert "the disk is full -> make room; next attempt in 2 s" in reports
    server.is_refused = False
    now_s[0] += MAX_RESTART_DELAY_S
    supervisor.keep_running()
    assert reports[-1] == "the embedded server runs again"
    now_s[0] += MAX_RESTART_DELAY_S + 1
    supervisor.keep_running()
    server.pid = None
    supervisor.keep_running()
    assert server.pid == 1, "one that ran for long is started at once"


@pytest.mark.services
def test_a_killed_server_runs_again_with_its_data(server: EmbeddedServer) -> None:
    server.start()
    with contextlib.closing(connect(server.url)) as client:
        client.set("key", "value")
        server.kill()
        supervisor = ServerSupervisor(server, lambda what: None, time.monotonic)
        supervisor.keep_running()
        assert client.get("key") == b"value"
