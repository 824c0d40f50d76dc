"""A Samba for one test: Debian's smbd on a separate loopback address, with all its data in a temporary folder.

The remote writers are `smbclient`, and a program that writes piece by piece with the same library's Python bindings;
both talk SMB over TCP, so what a producer sees is what smbd does with a remote writer's requests. `mounted` gives the
share as a second machine has it: mounted over SMB, by smbnetfs (FUSE), because that needs no module of the kernel.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
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

_PORT: Final = 445
"""libsmbclient and smbnetfs use no other port, so each test gets a free address instead of a free port."""
_TIMEOUT_S: Final = 30.0
_SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""The one that Debian's bindings of Samba are for."""

_CONFIG: Final = """
[global]
server role = standalone server
interfaces = {address}/8
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
map to guest = Bad User
guest account = {user}
load printers = no
printcap name = /dev/null
disable spoolss = yes
log level = 0
log file = {folder}/log
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
[letters]
path = {share}
guest ok = yes
read only = no
force user = {user}
"""

_WRITER: Final = """
import sys
import time
from samba.credentials import Credentials
from samba.samba3 import libsmb_samba_internal, param

address, name, config, pause_s = sys.argv[1:]
loaded = param.get_context()
loaded.load(config)
guest = Credentials()
guest.set_anonymous()
connection = libsmb_samba_internal.Conn(address, "letters", loaded, guest)
opened = connection.create(name, DesiredAccess=0x0012019F, CreateDisposition=5, ShareAccess=7)
written = 0
for line in sys.stdin.buffer:
    connection.write(opened, line, written)
    written += len(line)
    time.sleep(float(pause_s))
    print(written, flush=True)
connection.close(opened)
"""


class CannotMount(Exception):
    """This machine does not let us mount a file system; the message says why."""


class RemoteWriter:
    """A program elsewhere that holds one file of the share open and writes it line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def write(self, line: bytes) -> None:
        """Write one line, and wait until the server has it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        assert self._process.stdout.readline(), "the writer has ended"

    def close(self) -> None:
        """Close the file, as a program does that is done with it."""
        self._process.communicate(timeout=_TIMEOUT_S)
        assert self._process.returncode == 0, self._process.returncode

    def kill(self) -> None:
        """kill -9: the connection ends in the middle of the file."""
        self._process.kill()
        self._process.communicate()


class Samba:
    """A running smbd that serves one folder as `letters`."""

    def __init__(self, folder: Path, share: Path) -> None:
        self._address = _free_address()
        self._config = folder / "smb.conf"
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (folder / name).mkdir()
        user = pwd.getpwuid(os.getuid()).pw_name
        self._config.write_text(
            _CONFIG.format(address=self._address, port=_PORT, folder=folder, share=share, user=user)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._process = _in_session(
            ["smbd", "--foreground", "--no-process-group", f"--configfile={self._config}", "--debug-stdout"]
        )
        eventually(self._listens, "smbd to listen", timeout_s=_TIMEOUT_S)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"smbd ended ({self._process.returncode})"
        with contextlib.suppress(OSError), socket.create_connection((self._address, _PORT), 2):
            return True
        return False

    def stop(self) -> None:
        """End it and every process that serves a connection."""
        if self._process is not None:
            _end_session(self._process)

    def run(self, *commands: str) -> None:
        """Have one `smbclient` do each of these at the same time; each may be several, separated by semicolons."""
        clients = [self._smbclient(command) for command in commands]
        for client in clients:
            printed, _ = client.communicate(timeout=_TIMEOUT_S)
            assert client.returncode == 0, printed
            assert b"NT_STATUS" not in printed, printed

    def _smbclient(self, commands: str) -> subprocess.Popen[bytes]:
        place = f"//{self._address}/letters"
        return subprocess.Popen(
            ["smbclient", place, "--no-pass", f"--configfile={self._config}", "--command", commands],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def writer(self, name: str, pause_s: float = 0.0) -> RemoteWriter:
        """A program that writes `name` (relative to the share), and rests after each line."""
        process = subprocess.Popen(
            [_SYSTEM_PYTHON, "-c", _WRITER, self._address, name.replace("/", "\\"), str(self._config), str(pause_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return RemoteWriter(process)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The share, mounted over SMB while the block runs. Raises `ServerMissing`, `CannotMount`."""
        if shutil.which("smbnetfs") is None:
            raise ServerMissing("smbnetfs is not installed: apt-get install smbnetfs")
        with tempfile.TemporaryDirectory(prefix="imr-mount-") as name:
            settings = Path(name) / "smbnetfs.conf"
            settings.touch(mode=0o600)
            top = Path(name) / "mount"
            top.mkdir()
            process = _in_session(["smbnetfs", "-f", "-o", f"config={settings}", str(top)], HOME=name)
            try:
                eventually(lambda: os.path.ismount(top) or process.poll() is not None, "the mount")
                if not os.path.ismount(top):
                    raise CannotMount(f"smbnetfs ended ({process.returncode}): no /dev/fuse, or no right to mount")
                yield top / self._address / "letters"
            finally:
                subprocess.run(["umount", "--lazy", top], check=False, capture_output=True)
                _end_session(process)


@contextlib.contextmanager
def running_samba(share: Path) -> Iterator[Samba]:
    """A Samba that serves `share` while the block runs. Raises `ServerMissing`."""
    missing = [command for command in ("smbd", "smbclient") if shutil.which(command) is None]
    if missing:
        raise ServerMissing(f"{', '.join(missing)} not installed: apt-get install samba smbclient")
    if os.getuid() != 0:
        raise ServerMissing("Samba's port and mounts need root")
    with tempfile.TemporaryDirectory(prefix="imr-samba-") as folder:
        samba = Samba(Path(folder), share)
        try:
            samba.start()
            yield samba
        finally:
            samba.stop()


def _free_address() -> str:
    """An address of the loopback network whose port of SMB nobody uses."""
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, _PORT))
            return address


def _in_session(command: list[str], **environment: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )


def _end_session(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_TIMEOUT_S)
