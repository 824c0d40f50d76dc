"""When a worker tells Flower what becomes of its hints: once they are with the process that works on them.

Celery publishes a task's first event in the turn of its loop in which it takes the task over, and only in the next one
hands the task to a process of the pool: each letter that comes alone waits for a round trip to the broker that is
nothing to it. Events carry the time of what they tell, so Flower shows the same.
"""

from __future__ import annotations

from typing import Any, Final

from celery.worker.consumer import Consumer

DELAY_S: Final = 0.1
"""Nobody sees it in Flower, and the events of a letter's whole way go out together."""


class BufferedEventsConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer of messages, with events that wait for each other."""

    _arranged: Any = None
    """The entry of the loop's timer that will tell; Celery cancels those of a connection that fails while it begins."""

    def on_send_event_buffered(self) -> None:
        """An event is to be published; Celery publishes by itself when very many are."""
        if self.hub is not None and (self._arranged is None or self._arranged.canceled):
            self._arranged = self.hub.call_later(DELAY_S, self._tell)

    def _tell(self) -> None:
        self._arranged = None
        self._flush_events()

    def stop(self) -> Any:
        """Tell the rest, and stop."""
        self._flush_events()
        return super().stop()
