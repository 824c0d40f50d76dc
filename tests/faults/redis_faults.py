"""What can happen to Redis, each as a step that breaks it and puts it right, at a moment of the harness's choice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import redis

from tests.faults.bench import Bench

AWAY_S: Final = 1.0
"""How long a fault lasts that ends by itself: longer than any first retry."""


def restart(bench: Bench) -> None:
    """kill -9, and started on its append-only file."""
    bench.server.restart()


def forget_scripts(bench: Bench) -> None:
    """SCRIPT FLUSH."""
    bench.client().script_flush()


def cut(bench: Bench) -> None:
    """Every connection is reset."""
    bench.proxy.cut_all()


def away(bench: Bench) -> None:
    """Nothing can connect for a while, and what was connected is cut."""
    bench.proxy.refusing = True
    bench.proxy.cut_all()
    time.sleep(AWAY_S)
    bench.proxy.refusing = False


def out_of_memory(bench: Bench) -> None:
    """noeviction, and no memory left: writes are refused."""
    with configured(bench, "maxmemory", "1"):
        time.sleep(AWAY_S)


def read_only(bench: Bench) -> None:
    """A failover that made this server a replica: writes are refused."""
    client = bench.client()
    client.replicaof("127.0.0.1", "1")
    time.sleep(AWAY_S)
    client.replicaof("NO", "ONE")


def paused(bench: Bench) -> None:
    """The server does not answer for a while (CLIENT PAUSE), as when it forks or swaps."""
    bench.client().client_pause(int(AWAY_S * 1000))


def make_well(bench: Bench) -> None:
    """Anything that two faults at once have left."""
    bench.server.start()
    bench.client().config_set("maxmemory", "0")
    bench.client().replicaof("NO", "ONE")
    bench.client().client_unpause()


@contextlib.contextmanager
def configured(bench: Bench, name: str, value: str) -> Iterator[None]:
    """A setting of the server, put back afterwards; it may have been restarted meanwhile."""
    client = bench.client()
    before = str(client.config_get(name)[name])
    client.config_set(name, value)
    try:
        yield
    finally:
        with contextlib.suppress(redis.RedisError):
            client.config_set(name, before)


FAULTS: Final[dict[str, Callable[[Bench], None]]] = {
    fault.__name__: fault for fault in (restart, forget_scripts, cut, away, out_of_memory, read_only, paused)
}
"""By name. Each leaves Redis as it was, and none of them loses what Redis acknowledged."""
