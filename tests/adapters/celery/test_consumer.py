"""Events for Flower: they wait for each other, and for the hint to be on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from celery.utils.imports import symbol_by_name
from kombu.asynchronous.timer import Entry

from worker.adapters.celery.client import make_app
from worker.adapters.celery.consumer import DELAY_S, BufferedEventsConsumer


@dataclass
class Hub:
    """A loop that the test turns."""

    later: list[tuple[float, Entry]] = field(default_factory=list)

    def call_later(self, delay_s: float, do: Callable[[], None]) -> Entry:
        entry = Entry(do)  # type: ignore[no-untyped-call]
        self.later.append((delay_s, entry))
        return entry

    def turn(self) -> None:
        due, self.later = self.later, []
        for _, entry in due:
            if not entry.canceled:
                entry()


@dataclass
class Told:
    """In place of Celery's dispatcher of events, and of the parts of its consumer."""

    flushes: int = 0
    is_stopped: bool = False

    def flush(self) -> None:
        assert not self.is_stopped, "told before its connection is closed"
        self.flushes += 1

    def stop(self, consumer: object) -> None:
        self.is_stopped = True


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def consumer(told: Told) -> BufferedEventsConsumer:
    made = BufferedEventsConsumer.__new__(BufferedEventsConsumer)
    made.hub, made.event_dispatcher, made.blueprint = Hub(), told, told
    return made


def test_events_go_out_together_a_little_later(consumer: BufferedEventsConsumer, told: Told) -> None:
    for _ in range(3):
        consumer.on_send_event_buffered()
    assert [delay_s for delay_s, _ in consumer.hub.later] == [DELAY_S]
    assert told.flushes == 0
    consumer.hub.turn()
    assert told.flushes == 1
    consumer.on_send_event_buffered()
    consumer.hub.turn()
    assert told.flushes == 2, "what comes then has a turn of its own"


def test_a_turn_that_was_cancelled_with_a_failed_connection_is_arranged_anew(
    consumer: BufferedEventsConsumer, told: Told
) -> None:
    consumer.on_send_event_buffered()
    ((_, entry),) = consumer.hub.later
    entry.cancel()
    consumer.hub.turn()
    assert told.flushes == 0
    consumer.on_send_event_buffered()
    consumer.hub.turn()
    assert told.flushes == 1


def test_a_worker_that_stops_tells_the_rest_first(consumer: BufferedEventsConsumer, told: Told) -> None:
    consumer.on_send_event_buffered()
    consumer.stop()
    assert (told.flushes, told.is_stopped) == (1, True)


def test_a_worker_that_does_not_run_yet_has_nothing_to_tell(consumer: BufferedEventsConsumer) -> None:
    consumer.hub = consumer.event_dispatcher = None
    consumer.on_send_event_buffered()
    consumer.stop()


def test_workers_use_it() -> None:
    assert symbol_by_name(make_app("redis://127.0.0.1", "imr").conf.worker_consumer) is BufferedEventsConsumer
