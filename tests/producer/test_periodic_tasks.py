"""Periodic tasks: requested while they are wanted, at their pace, and never into a deep queue."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import redis

from producer.maintenance import PeriodicTask, PeriodicTasks
from producer.policy import SHALLOW_QUEUE_MESSAGES
from tests.producer.doubles import Clock, Queue

EVERY_S = 10.0


@dataclass
class Wanted:
    """Whether a task is wanted, as the test says."""

    answer: bool = True
    is_down: bool = False
    asked: int = field(default=0)

    def __call__(self) -> bool:
        self.asked += 1
        if self.is_down:
            raise redis.ConnectionError
        return self.answer


@pytest.fixture
def wanted() -> Wanted:
    return Wanted()


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tasks(wanted: Wanted, queue: Queue, clock: Clock) -> PeriodicTasks:
    return PeriodicTasks([PeriodicTask("imr.one", EVERY_S, wanted)], queue, clock)


def test_a_task_is_requested_again_until_it_is_no_longer_wanted(
    tasks: PeriodicTasks, wanted: Wanted, queue: Queue, clock: Clock
) -> None:
    tasks.request_due()
    clock.advance(EVERY_S - 0.1)
    tasks.request_due()
    assert queue.asked == ["imr.one"], "each has its time"
    clock.advance(0.1)
    tasks.request_due()
    wanted.answer = False
    clock.advance(EVERY_S)
    tasks.request_due()
    assert queue.asked == ["imr.one", "imr.one"]
    assert wanted.asked == 4, "the question is put at every turn"


def test_a_deep_queue_is_not_asked(tasks: PeriodicTasks, queue: Queue) -> None:
    queue.messages = SHALLOW_QUEUE_MESSAGES + 1
    tasks.request_due()
    assert queue.asked == []
    queue.messages = SHALLOW_QUEUE_MESSAGES
    tasks.request_due()
    assert queue.asked == ["imr.one"]


def test_what_is_down_is_requested_later(
    tasks: PeriodicTasks, wanted: Wanted, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.is_down = True
    tasks.request_due()
    queue.is_down, wanted.is_down = False, True
    tasks.request_due()
    wanted.is_down = False
    tasks.request_due()
    assert queue.asked == ["imr.one"]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "task imr.one not requested (QueueUnavailable); it will be requested later",
        "task imr.one not requested (ConnectionError); it will be requested later",
    ]


def test_one_task_in_trouble_does_not_keep_the_next(queue: Queue, clock: Clock) -> None:
    PeriodicTasks(
        [PeriodicTask("imr.one", 1, Wanted(is_down=True)), PeriodicTask("imr.two", 1, Wanted())], queue, clock
    ).request_due()
    assert queue.asked == ["imr.two"]
