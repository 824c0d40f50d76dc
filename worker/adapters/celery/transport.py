"""kombu's transport over Redis, as both ends of the queue use it, with three corrections.

- An item that cannot be read is dropped (see `worker.adapters.celery.strategy`).
- A failed acknowledgement does not reduce the number of hints that a worker takes (`FailedAckQoS`).
- A channel keeps one client for as long as its connections live. kombu makes a client for every command, and redis-py
  builds a table of 170 entries for each: as much work as the rest of sending a hint.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, QoS, Transport

log = logging.getLogger("imr.worker")

MALFORMED: Final = (AttributeError, LookupError, TypeError, ValueError)
"""Errors that kombu and Celery raise when data has an unexpected form."""


class FailedAckQoS(QoS):
    """A worker's count of unacknowledged hints, without those whose acknowledgement failed.

    In kombu 5.7 an acknowledgement that Redis does not answer in time is logged and never repeated, while the hint
    stays in the count for ever. When the count reaches the number of hints that a worker takes at once, the worker
    takes no more hints, and still looks alive. The hint itself stays with the unacknowledged ones in Redis and is
    delivered again later, which is harmless.
    """

    def ack(self, delivery_tag: str) -> None:
        """See `QoS.ack`."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        except Exception:
            self._quick_ack(delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - as kombu has it
        """See `QoS.reject`."""
        try:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]
        except Exception:
            self._quick_ack(delivery_tag)
            raise


class BrokerChannel(Channel):
    """A channel that drops malformed items, and keeps its client."""

    QoS = FailedAckQoS
    _pool_and_client: tuple[Any, Any] | None = None
    """The pool of connections, which kombu replaces after a failure, and its client."""

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """The given client, or the kept one. Any thread may use it: each command takes a connection of its own."""
        if client is None:
            cached = self._pool_and_client
            if cached is None or cached[0] is not self.pool:
                self._pool_and_client = cached = self.pool, self._create_client()  # type: ignore[no-untyped-call]
            client = cached[1]
        yield client

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except MALFORMED as error:
            log.error("malformed item dropped from the queue kind=%s", type(error).__name__)
            raise Empty from None  # as if the queue had been empty: kombu reads it again


class BrokerTransport(Transport):
    """The transport with `BrokerChannel`."""

    Channel = BrokerChannel


def register_transport() -> None:
    """Make every later connection of Celery to Redis in this process use `BrokerTransport`."""
    for name in ("redis", "rediss"):
        TRANSPORT_ALIASES[name] = f"{__name__}:BrokerTransport"
