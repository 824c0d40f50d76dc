"""A proxy before Redis that breaks connections at chosen commands, and reads along.

A rule names a command (`LPUSH`, `BRPOP`) or a script of the records (`finish`) and what happens to the connection that
sends it, so many times: `cut` (reset, nothing was applied), `drop` (applied, then reset before the reply), `delay`
(held back for so many seconds), `deaf` (swallowed, and never answered).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from tests.faults.points import CANARY
from tests.faults.seams import script_names

Action = Literal["cut", "drop", "delay", "deaf"]

_BUFFER: Final = 1 << 16
_WITH_LETTERS: Final = {"finish", "resolve"}
"""Scripts that write events: nothing else may carry a word of a letter or a name."""


@dataclass(slots=True)
class Rule:
    """What happens to the next `times` of a command, after `skip` of them."""

    command: str
    action: Action
    times: int = 1
    seconds: float = 0.0
    skip: int = 0


class Proxy:
    """Before one server, which listens on a unix socket."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url: Final = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._stopping = False
        self.refusing = False
        """Whether new connections are reset at once."""
        self.applied: list[str] = []
        """What each rule that came to be did."""
        self.leaks: list[str] = []
        """Commands that carried the canary where no letter belongs."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def add(self, rule: Rule) -> None:
        """Break something."""
        with self._lock:
            self._rules.append(rule)

    def heal(self) -> None:
        """Break nothing more; reset connections that were kept silent."""
        with self._lock:
            self._rules.clear()
        self.refusing = False
        self.cut_all()

    def cut_all(self) -> None:
        """Reset every connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _reset(connection)

    def close(self) -> None:
        """Stop listening, and reset what is left."""
        self._stopping = True
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname()):
            pass
        self._thread.join(10)
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while not self._stopping:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.refusing:
                _reset(client)
            else:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with self._lock:
            self._open.add(client)
        try:
            server.connect(self._server_socket)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            self._forward(client, server)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(client)
            _reset(client)
            _reset(server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        rest = b""
        while data := client.recv(_BUFFER):
            rest += data
            commands, rest = _commands(rest)
            for raw, names, command in commands:
                self._look(command, raw)
                rule = self._rule(names)
                if rule is not None and self._apply(rule, client, server, raw):
                    return
                server.sendall(raw)

    def _look(self, command: str, raw: bytes) -> None:
        if CANARY.encode() in raw and command not in _WITH_LETTERS:
            self.leaks.append(command)

    def _rule(self, names: set[str]) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.command in names or rule.command == "*":
                    if rule.skip > 0:
                        rule.skip -= 1
                        continue
                    rule.times -= 1
                    if rule.times <= 0:
                        self._rules.remove(rule)
                    self.applied.append(f"{rule.action} {rule.command}")
                    return rule
        return None

    def _apply(self, rule: Rule, client: socket.socket, server: socket.socket, raw: bytes) -> bool:
        """Whether the connection is over."""
        if rule.action == "delay":
            time.sleep(rule.seconds)
            return False
        if rule.action == "deaf":
            while client.recv(_BUFFER):
                pass
        if rule.action == "drop":
            _swallow_reply(server, client, raw)
        return True


def _swallow_reply(server: socket.socket, client: socket.socket, raw: bytes) -> None:
    """Have the command applied, and its caller cut off before the reply can reach it.

    The server reads what it was sent before it notices that nobody waits for the reply.
    """
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)  # the thread that carries replies fails from now on
    server.sendall(raw)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BUFFER):
            target.sendall(data)
    _reset(target)


def _reset(connection: socket.socket) -> None:
    """Close with RST; a thread that waits on it is woken."""
    with contextlib.suppress(OSError):
        if connection.family == socket.AF_UNIX:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RD)  # SHUT_RDWR would say good-bye first
    with contextlib.suppress(OSError):
        connection.close()


def _commands(data: bytes) -> tuple[list[tuple[bytes, set[str], str]], bytes]:
    """(its bytes, names that a rule may call it by, its own name) of every whole command, and what is left."""
    requests = []
    start = 0
    while start < len(data):
        parsed = _command(data, start)
        if parsed is None:
            break
        parts, end = parsed
        name = parts[0].decode("latin-1").upper()
        script = script_names().get(parts[1].decode("latin-1"), "") if name == "EVALSHA" else ""
        requests.append((data[start:end], {name, script} - {""}, script or name))
        start = end
    return requests, data[start:]


def _command(data: bytes, start: int) -> tuple[list[bytes], int] | None:
    """The parts of the command at `start` and its end; None if it is not whole."""
    end = data.find(b"\r\n", start)
    if end < 0:
        return None
    parts, at = [], end + 2
    for _ in range(int(data[start + 1 : end])):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at + 1 : end])
        if len(data) < end + 4 + size:
            return None
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size
    return parts, at


@contextlib.contextmanager
def proxy(server_socket: str) -> Iterator[Proxy]:
    """A proxy while the block runs."""
    made = Proxy(server_socket)
    try:
        yield made
    finally:
        made.close()
