"""What lies on the queue is not trusted: an item that is no message of ours is dropped, and the worker goes on.

As kombu and Celery have it, of three kinds of garbage the first ends the worker; the second leaves it alive and deaf,
for it never asks the queue again, while it answers every ping; the third ends it and goes back on the queue, for the
next worker to end by:

| item                                    | fails in                       | here                               |
|-----------------------------------------|--------------------------------|------------------------------------|
| no JSON                                 | kombu, reading the item        | dropped (`broker.BrokerChannel`)   |
| JSON that is no message                 | kombu, making a message of it  | dropped (`broker.BrokerChannel`)   |
| a message whose body is no task's       | Celery, making a request of it | rejected (`validating_strategy`)      |

Other kinds (pickle, tasks that nobody knows, arguments that do not fit) Celery refuses by itself. Whatever letters such
an item stood for are in `claimed/`, and are hinted again. Nothing of an item is logged: it may be anything.
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
"""How a task says that it is taken carefully."""


def validating_strategy(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """Celery's way to take a message, with a malformed one as invalid as others are."""
    take = default(task, app, consumer)

    def take_carefully(*message: Any, **options: Any) -> Any:
        try:
            return take(*message, **options)
        except MALFORMED as error:
            log.error(
                "message refused kind=%s: it is no task; its letters, if any, are hinted again", type(error).__name__
            )
            raise InvalidTaskError from None

    return take_carefully
