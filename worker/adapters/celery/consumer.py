"""A consumer that publishes the events for Flower after it has handed the task to a process of the pool.

Celery publishes a task's first event in the turn of its loop in which it receives the task, and hands the task to a
process of the pool only in the next turn. So each letter that arrives alone would wait for a round trip to the broker
that has nothing to do with it. Events carry their own time, so Flower shows the same.
"""

from __future__ import annotations

from typing import Any, Final

from celery.worker.consumer import Consumer

DELAY_S: Final = 0.1
"""Too short to be noticed in Flower, and long enough for all events of a letter to be published together."""


class BufferedEventsConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer of messages, with its events collected for `DELAY_S`."""

    _scheduled_flush: Any = None
    """The timer that will publish the events; Celery cancels it when a connection fails while it is being made."""

    def on_send_event_buffered(self) -> None:
        """Schedule publishing, once for all events of `DELAY_S`; Celery publishes by itself when very many wait."""
        if self.hub is not None and (self._scheduled_flush is None or self._scheduled_flush.canceled):
            self._scheduled_flush = self.hub.call_later(DELAY_S, self._publish_events)

    def _publish_events(self) -> None:
        self._scheduled_flush = None
        self._flush_events()

    def stop(self) -> Any:
        """Publish the remaining events, and stop."""
        self._flush_events()
        return super().stop()
