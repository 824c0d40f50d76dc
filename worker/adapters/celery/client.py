"""The client half of the queue: Celery's configuration, shared by producer and workers, and sending hints.

A hint may be lost or doubled. Nothing here tries to prevent that: the records decide, and the reaper repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from celery.utils import uuid
from kombu.exceptions import OperationalError

from worker.adapters.celery.transport import use_our_transport
from worker.contract.hint import make_hint, shown
from worker.contract.names import LETTERS_QUEUE, LETTERS_TASK, Keys
from worker.contract.redis_client import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, broker_url

VISIBILITY_TIMEOUT_S: Final = 300
"""An unacknowledged hint comes back after this time; a batch takes seconds, and the reaper is sooner."""

SEND_TIMEOUT_S: Final = 5.0
"""A broker that has not answered a sender for so long is given up for now: the sender has more to do than to wait, and
the reaper repeats the hint."""


class QueueUnavailable(Exception):
    """The broker cannot be reached; the claims stay in `claimed/`, and the reaper hints them again."""


def make_app(url: str, prefix: str) -> Celery:
    """Celery as both sides use it. `url` may be Redis (`redis://`, `rediss://`, `unix://`) or RabbitMQ (`amqp://`)."""
    use_our_transport()
    app = Celery("imr", broker=broker_url(url))
    app.conf.update(
        broker_transport_options=_transport_options(url, Keys(prefix)),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives its broker's absence, however long
        broker_channel_error_retry=True,  # ... and a broker that takes no writes for a while: out of memory, a replica
        task_default_queue=LETTERS_QUEUE,
        task_serializer="json",
        accept_content=["json"],  # never pickle: what is on the queue is not trusted
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,  # a killed child's hint returns at once; BEGIN caps the attempts
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a batch ends by itself, fenced if too late
        worker_soft_shutdown_timeout=10.0,
        worker_send_task_events=True,
        # By name: a producer has no use for it.
        worker_consumer="worker.adapters.celery.consumer:BufferedEventsConsumer",
        task_send_sent_event=False,  # doubles the cost of a publish; the worker's events are enough for Flower
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _transport_options(url: str, keys: Keys) -> dict[str, Any]:
    if _is_amqp(url):
        return {}
    return {
        "global_keyprefix": keys.broker,
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": COMMAND_TIMEOUT_S,
        "socket_keepalive": True,
    }


def _sender_options(url: str, timeout_s: float) -> dict[str, Any]:
    """One attempt to connect, and no wait without an end: by default kombu sleeps and tries again."""
    if _is_amqp(url):
        return {"max_retries": 0, "read_timeout": timeout_s, "write_timeout": timeout_s}
    return {"max_retries": 0, "socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}


def _is_amqp(url: str) -> bool:
    return url.startswith("amqp")


class HintSender:
    """Sends hints from one thread, over one connection that is kept while it works and made anew after it failed.

    Messages are made by Celery and published by a producer of kombu's that is kept too: `Celery.send_task` finds route,
    queue and exchange anew each time, and takes twice as long.
    """

    def __init__(self, app: Celery, *, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._kept: Any = None
        self._producer: Any = None

    def send(self, claim_ids: Sequence[str]) -> None:
        """One message for all these claims. Raises `QueueUnavailable`."""
        with self._broker("did not take a hint") as producer:
            self._publish(producer, LETTERS_TASK, make_hint(claim_ids), shown(claim_ids))

    def ask(self, task: str) -> None:
        """Have a worker do a chore: a task without arguments, which finds out what to do. Raises `QueueUnavailable`."""
        with self._broker("did not take a chore") as producer:
            self._publish(producer, task, {}, "{}")

    def depth(self) -> int:
        """Messages waiting on the queue. Raises `QueueUnavailable`."""
        with self._broker("did not tell its depth") as producer:
            return _declared(producer)

    def close(self) -> None:
        """Give the connections back."""
        self._drop()
        self._app.close()

    def _publish(self, producer: Any, task: str, kwargs: Mapping[str, Any], kwargs_shown: str) -> None:
        message = self._app.amqp.as_task_v2(
            uuid(), task, kwargs=kwargs, argsrepr="()", kwargsrepr=kwargs_shown, ignore_result=True
        )
        producer.publish(message.body, headers=message.headers, routing_key=LETTERS_QUEUE, **message.properties)

    @contextmanager
    def _broker(self, failure: str) -> Iterator[Any]:
        """The connection's producer, given up when the broker fails: what state it is in is then unknown."""
        connection = self._kept = self._kept or self._new_connection()
        try:
            self._producer = self._producer or self._producer_on(connection)
            yield self._producer
        except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
            self._drop()
            raise QueueUnavailable(f"the broker {failure} ({type(error).__name__})") from error

    def _new_connection(self) -> Any:
        options = _sender_options(self._app.conf.broker_write_url, self._timeout_s)
        return self._app.connection_for_write(connect_timeout=self._timeout_s, transport_options=options)

    def _producer_on(self, connection: Any) -> Any:
        """A producer to the default exchange, where the routing key is a queue's name; ours is there from then on."""
        producer = self._app.amqp.Producer(connection.default_channel, serializer="json", auto_declare=False)
        _declared(producer)
        return producer

    def _drop(self) -> None:
        kept, self._kept, self._producer = self._kept, None, None
        if kept is not None:
            kept.release()


def _declared(producer: Any) -> int:
    """Declare the queue: a broker drops what is published to one that is not. How many messages wait on it."""
    return int(producer.channel.queue_declare(LETTERS_QUEUE, durable=True, auto_delete=False).message_count)
