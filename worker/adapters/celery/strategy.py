"""Items on the queue are not trusted: a malformed one is dropped, and the worker goes on.

Without this module, kombu and Celery fail on three kinds of malformed items. The first ends the worker. The second
leaves a worker that answers every ping but never reads the queue again. The third ends the worker and returns to the
queue, where it ends the next worker.

| item                                    | fails in                       | here                                |
|-----------------------------------------|--------------------------------|-------------------------------------|
| not JSON                                | kombu, reading the item        | dropped (`transport.BrokerChannel`) |
| JSON, but not a message                 | kombu, making a message of it  | dropped (`transport.BrokerChannel`) |
| a message without the body of a task    | Celery, making a request of it | rejected (`validating_strategy`)    |

Celery itself refuses other kinds (pickle, unknown tasks, wrong arguments). The letters that such an item stood for are
in `claimed/`, and their hints are sent again. The content of an item is never logged: it may be anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from worker.adapters.celery.transport import MALFORMED

log = logging.getLogger("imr.worker")

STRATEGY: Final = f"{__name__}:validating_strategy"
"""The value of a task's option `Strategy`: its messages are validated."""


def validating_strategy(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """Celery's default strategy, which also rejects a malformed message as an invalid task."""
    start_task = default(task, app, consumer)

    def start_valid_task(*message: Any, **options: Any) -> Any:
        try:
            return start_task(*message, **options)
        except MALFORMED as error:
            log.error("malformed message rejected kind=%s: no task; its letters are hinted again", type(error).__name__)
            raise InvalidTaskError from None

    return start_valid_task
