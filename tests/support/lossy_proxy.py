"""A proxy before a real server that loses a reply: the command has run, and its caller gets no answer."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

import redis

_BUFFER = 1 << 16


class LossyProxy:
    """Forwards everything; where a request holds the marker, its reply is read from the server and thrown away."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.marker = b""
        self.is_silent = False
        """Keep the connection open when a reply is lost, as when the machine of a server is gone."""
        self.lost = 0
        """Replies lost so far."""
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def lose_replies_to(self, marker: bytes) -> None:
        """From now on lose every reply to a request that holds `marker`; empty: lose none."""
        self.marker = marker

    def close(self) -> None:
        """Stop listening."""
        self._stopping = True
        with socket.create_connection(self._listener.getsockname()):
            pass
        self._thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._server_socket)
            is_lost = False
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(_BUFFER)
                    if not data:
                        return
                    if ready is client:
                        is_lost = is_lost or (bool(self.marker) and self.marker in data)
                        server.sendall(data)
                    elif is_lost:
                        self.lost += 1
                        if self.is_silent:
                            client.recv(_BUFFER)
                        return
                    else:
                        client.sendall(data)


@contextlib.contextmanager
def lossy_proxy(server: redis.Redis) -> Iterator[LossyProxy]:
    """A proxy before that client's server, which listens on a unix socket."""
    proxy = LossyProxy(str(server.connection_pool.connection_kwargs["path"]))
    try:
        yield proxy
    finally:
        proxy.close()
