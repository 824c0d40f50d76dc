"""kombu's transport over Redis, as both ends of the queue use it, with three things put right.

- An item that cannot be read is dropped (see `worker.adapters.celery.strategy`).
- An acknowledgement that fails costs the worker no place (`FailedAckQoS`).
- One client serves a channel for as long as its connections live. kombu makes one for every command, and redis-py puts
  together a table of 170 entries for each: as much work as the rest of sending a hint.
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
"""What is raised over data that has another form than expected."""


class FailedAckQoS(QoS):
    """A worker's count of unacknowledged hints, in which one that cannot be acknowledged costs no place.

    In kombu 5.7 an acknowledgement that Redis does not answer in time is logged and never repeated, while the hint is
    counted as unfinished for ever: after as many of them as a worker takes hints at once it takes none any more, and
    looks alive. The hint itself stays with the unacknowledged ones in Redis and comes back later, which is harmless.
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
    """A channel that drops what cannot be read, and keeps its client."""

    QoS = FailedAckQoS
    _kept: tuple[Any, Any] | None = None
    """The pool of connections, which is replaced after a failure, and its client."""

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """The client given, or one that may be used by any thread: each command takes a connection of its own."""
        if client is None:
            kept = self._kept
            if kept is None or kept[0] is not self.pool:
                self._kept = kept = self.pool, self._create_client()  # type: ignore[no-untyped-call]
            client = kept[1]
        yield client

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except MALFORMED as error:
            log.error("item of the queue dropped kind=%s: it is no message", type(error).__name__)
            raise Empty from None  # as if the queue had been empty: it is asked again


class BrokerTransport(Transport):
    """The transport of `BrokerChannel`."""

    Channel = BrokerChannel


def use_our_transport() -> None:
    """Have every connection of Celery's that this process makes to a Redis use `BrokerTransport`."""
    for name in ("redis", "rediss"):
        TRANSPORT_ALIASES[name] = f"{__name__}:BrokerTransport"
