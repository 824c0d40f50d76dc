"""The client half of the queue: Celery's configuration, shared by producer and workers, and sending hints.

A hint may be lost or doubled. Nothing here prevents that: the reaper repeats lost hints, and the records make repeated
ones harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from celery.utils import uuid
from kombu.exceptions import OperationalError

from worker.adapters.celery.transport import register_transport
from worker.contract.hint import describe_hint, make_hint
from worker.contract.names import LETTERS_QUEUE, LETTERS_TASK, Keys
from worker.contract.redis_client import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, broker_url

VISIBILITY_TIMEOUT_S: Final = 300
"""An unacknowledged hint is delivered again after this time. A batch takes seconds, and the reaper acts sooner."""

SEND_TIMEOUT_S: Final = 5.0
"""Longest wait of a sender for the broker. The sender has other work to do, and the reaper repeats the hint."""


class QueueUnavailable(Exception):
    """The broker cannot be reached; the claims stay in `claimed/`, and the reaper sends their hints again."""


def make_app(url: str, prefix: str) -> Celery:
    """The Celery application of both sides; `url` is Redis (`redis://`, `rediss://`, `unix://`) or RabbitMQ (`amqp://`)."""
    register_transport()
    app = Celery("imr", broker=broker_url(url))
    app.conf.update(
        broker_transport_options=_transport_options(url, Keys(prefix)),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker without limit
        broker_channel_error_retry=True,  # ... and for one that refuses writes: out of memory, a replica
        task_default_queue=LETTERS_QUEUE,
        task_serializer="json",
        accept_content=["json"],  # never pickle: what is on the queue is not trusted
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,  # the hint of a killed child is redelivered at once; BEGIN limits attempts
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a batch ends by itself, fenced if late
        worker_soft_shutdown_timeout=10.0,
        worker_send_task_events=True,
        # Given as a name, because a producer does not need the module.
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
    """One attempt to connect, and a limit for every wait: by default kombu sleeps and tries again without end."""
    if _is_amqp(url):
        return {"max_retries": 0, "read_timeout": timeout_s, "write_timeout": timeout_s}
    return {"max_retries": 0, "socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}


def _is_amqp(url: str) -> bool:
    return url.startswith("amqp")


class HintSender:
    """Sends hints from one thread, over one connection that is kept while it works and replaced after a failure.

    Celery makes the messages, and a kombu producer that is kept as well publishes them: `Celery.send_task` looks up
    route, queue and exchange for each message, and takes twice as long.
    """

    def __init__(self, app: Celery, *, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._connection: Any = None
        self._producer: Any = None

    def send(self, claim_ids: Sequence[str]) -> None:
        """One message for all these claims. Raises `QueueUnavailable`."""
        with self._broker("did not take a hint") as producer:
            self._publish(producer, LETTERS_TASK, make_hint(claim_ids), describe_hint(claim_ids))

    def start_task(self, task: str) -> None:
        """Have a worker run a periodic task, which takes no arguments. Raises `QueueUnavailable`."""
        with self._broker("did not take a periodic task") as producer:
            self._publish(producer, task, {}, "{}")

    def depth(self) -> int:
        """Messages waiting on the queue. Raises `QueueUnavailable`."""
        with self._broker("did not say how many messages wait") as producer:
            return _declare_queue(producer)

    def close(self) -> None:
        """Close the connections."""
        self._disconnect()
        self._app.close()

    def _publish(self, producer: Any, task: str, kwargs: Mapping[str, Any], kwargs_shown: str) -> None:
        message = self._app.amqp.as_task_v2(
            uuid(), task, kwargs=kwargs, argsrepr="()", kwargsrepr=kwargs_shown, ignore_result=True
        )
        producer.publish(message.body, headers=message.headers, routing_key=LETTERS_QUEUE, **message.properties)

    @contextmanager
    def _broker(self, failure: str) -> Iterator[Any]:
        """The producer; after a failure it is dropped with its connection, because their state is then unknown."""
        connection = self._connection = self._connection or self._new_connection()
        try:
            self._producer = self._producer or self._producer_on(connection)
            yield self._producer
        except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
            self._disconnect()
            raise QueueUnavailable(f"the broker {failure} ({type(error).__name__})") from error

    def _new_connection(self) -> Any:
        options = _sender_options(self._app.conf.broker_write_url, self._timeout_s)
        return self._app.connection_for_write(connect_timeout=self._timeout_s, transport_options=options)

    def _producer_on(self, connection: Any) -> Any:
        """A producer for the default exchange, where the routing key is a queue's name; declares the letters queue."""
        producer = self._app.amqp.Producer(connection.default_channel, serializer="json", auto_declare=False)
        _declare_queue(producer)
        return producer

    def _disconnect(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()


def _declare_queue(producer: Any) -> int:
    """Declare the queue, because a broker drops messages to an undeclared one; return how many messages wait."""
    return int(producer.channel.queue_declare(LETTERS_QUEUE, durable=True, auto_delete=False).message_count)
