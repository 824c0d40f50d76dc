"""The client half of the queue: Celery's configuration, shared by producer and workers, and sending hints.

A hint may be lost or doubled. Nothing here tries to prevent that: the records decide, and the reaper repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from worker.contract.messages import make_hint, shown
from worker.contract.names import LETTERS_QUEUE, LETTERS_TASK, Keys
from worker.contract.redis_client import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, broker_url

VISIBILITY_TIMEOUT_S: Final = 300
"""An unacknowledged hint comes back after this time; a batch takes seconds, and the reaper is sooner."""


class QueueUnavailable(Exception):
    """The broker cannot be reached; the claims stay in `claimed/`, and the reaper hints them again."""


def make_app(url: str, prefix: str) -> Celery:
    """Celery as both sides use it. `url` may be Redis (`redis://`, `rediss://`, `unix://`) or RabbitMQ (`amqp://`)."""
    app = Celery("imr", broker=broker_url(url))
    app.conf.update(
        broker_transport_options=_transport_options(url, Keys(prefix)),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives its broker's absence, however long
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
        task_send_sent_event=False,  # doubles the cost of a publish; the worker's events are enough for Flower
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _transport_options(url: str, keys: Keys) -> dict[str, Any]:
    if url.startswith("amqp"):
        return {}
    return {
        "global_keyprefix": keys.broker,
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": COMMAND_TIMEOUT_S,
        "socket_keepalive": True,
    }


class Hints:
    """Sends hints from one thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None

    def send(self, claim_ids: Sequence[str]) -> None:
        """One message for all these claims. Raises `QueueUnavailable`."""
        try:
            self._app.send_task(
                LETTERS_TASK,
                kwargs=make_hint(claim_ids),
                queue=LETTERS_QUEUE,  # routed by queue: a publish to an undeclared queue's exchange would drop it
                argsrepr="()",
                kwargsrepr=shown(claim_ids),
                retry=False,
            )
        except (OperationalError, OSError) as error:
            raise QueueUnavailable(f"the broker did not take a hint ({type(error).__name__})") from error

    def depth(self) -> int:
        """Messages waiting on the queue. Raises `QueueUnavailable`."""
        try:
            with self._app.connection_for_read(connect_timeout=CONNECT_TIMEOUT_S) as connection:
                channel = connection.default_channel
                return int(channel.queue_declare(LETTERS_QUEUE, durable=True, auto_delete=False).message_count)
        except (OperationalError, OSError) as error:
            raise QueueUnavailable(f"the broker did not answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()
