"""Periodic tasks: asked for while they are wanted, at their pace, and never into a deep queue."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import redis

from producer.maintenance import MOST_MESSAGES, PeriodicTask, PeriodicTasks
from tests.producer.doubles import Clock, Queue

EVERY_S = 10.0


@dataclass
class Wanted:
    """Whether a chore is wanted, as the test says."""

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
def chores(wanted: Wanted, queue: Queue, clock: Clock) -> PeriodicTasks:
    return PeriodicTasks([PeriodicTask("imr.one", EVERY_S, wanted)], queue, clock)


def test_a_chore_is_asked_for_again_until_it_is_no_longer_wanted(
    chores: PeriodicTasks, wanted: Wanted, queue: Queue, clock: Clock
) -> None:
    chores.ask_for_due()
    clock.advance(EVERY_S - 0.1)
    chores.ask_for_due()
    assert queue.asked == ["imr.one"], "each has its time"
    clock.advance(0.1)
    chores.ask_for_due()
    wanted.answer = False
    clock.advance(EVERY_S)
    chores.ask_for_due()
    assert queue.asked == ["imr.one", "imr.one"]
    assert wanted.asked == 4, "the question is put at every turn"


def test_a_deep_queue_is_not_asked(chores: PeriodicTasks, queue: Queue) -> None:
    queue.messages = MOST_MESSAGES + 1
    chores.ask_for_due()
    assert queue.asked == []
    queue.messages = MOST_MESSAGES
    chores.ask_for_due()
    assert queue.asked == ["imr.one"]


def test_what_is_down_is_asked_later(
    chores: PeriodicTasks, wanted: Wanted, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.is_down = True
    chores.ask_for_due()
    queue.is_down, wanted.is_down = False, True
    chores.ask_for_due()
    wanted.is_down = False
    chores.ask_for_due()
    assert queue.asked == ["imr.one"]
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        "chore imr.one not asked for (QueueUnavailable); tried again",
        "chore imr.one not asked for (ConnectionError); tried again",
    ]


def test_one_chore_in_trouble_does_not_keep_the_next(queue: Queue, clock: Clock) -> None:
    PeriodicTasks(
        [PeriodicTask("imr.one", 1, Wanted(is_down=True)), PeriodicTask("imr.two", 1, Wanted())], queue, clock
    ).ask_for_due()
    assert queue.asked == ["imr.two"]
