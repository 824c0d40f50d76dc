"""A RabbitMQ for one test: Debian's, on free ports of the loopback, its data and cookie in a temporary folder.

Erlang's nodes find one another by a daemon (epmd) that outlives them and is shared by a whole machine. This one gets
its own, on a separate port, in the foreground, so that nothing is left behind and no other is touched. The
server is started below its Debian wrapper, which insists on the user rabbitmq and on `/var/lib/rabbitmq`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.servers import ServerMissing
from tests.support.waiting import eventually

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_TIMEOUT_S: Final = 90.0
_STOP_TIMEOUT_S: Final = 30.0
_GREETING: Final = b"AMQP\x00\x00\x09\x01"

_CONFIG: Final = """
listeners.tcp.1 = 127.0.0.1:{port}
log.console = true
log.console.level = warning
log.file = false
"""


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RabbitMQ:
    """One node; its ports and its data stay the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._environment = self._prepare()
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address for Celery."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def _prepare(self) -> dict[str, str]:
        home = self._folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text("imr-test-only")
        cookie.chmod(0o400)
        config = self._folder / "rabbitmq.conf"
        config.write_text(_CONFIG.format(port=self._port))
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": f"imr-test-{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            # One thread for each kind of work, and no extra starting: two cores serve a whole suite.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 4 +sbwt none",
        }

    @contextlib.contextmanager
    def port_mapper(self) -> Iterator[None]:
        """Its epmd, in the foreground, while the block runs."""
        command = ["epmd", "-port", self._environment["ERL_EPMD_PORT"], "-address", "127.0.0.1"]
        mapper = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            mapper.kill()
            mapper.wait()

    def start(self) -> None:
        """Start the node and wait until it greets."""
        with (self._folder / "said").open("ab") as said:
            self._node = subprocess.Popen(
                [_SERVER],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        eventually(self._greets, "RabbitMQ to answer", timeout_s=_START_TIMEOUT_S)

    def _greets(self) -> bool:
        assert self._node is not None
        assert self._node.poll() is None, (self._folder / "said").read_text()[-3000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as connection:
            connection.settimeout(5)
            connection.sendall(_GREETING)
            return connection.recv(1) == b"\x01"  # a frame of a method: connection.start
        return False

    def kill(self) -> None:
        """kill -9 of the node and of its helpers."""
        node, self._node = self._node, None
        if node is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait(_STOP_TIMEOUT_S)


@contextlib.contextmanager
def running_rabbitmq() -> Iterator[RabbitMQ]:
    """A RabbitMQ while the block runs. Raises `ServerMissing`."""
    if not _SERVER.exists() or shutil.which("epmd") is None:
        raise ServerMissing("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with tempfile.TemporaryDirectory(prefix="imr-rabbitmq-", ignore_cleanup_errors=True) as folder:
        rabbitmq = RabbitMQ(Path(folder))
        with rabbitmq.port_mapper():
            try:
                rabbitmq.start()
                yield rabbitmq
            finally:
                rabbitmq.kill()
