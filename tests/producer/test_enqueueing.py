"""Sending hints: all that waits in one message, and no worry about those that are lost."""

from __future__ import annotations

import pytest

from producer.enqueueing import PDF_WORK, Hinted, Outbox, work_of
from tests.producer.doubles import Clock, Queue


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(queue: Queue, clock: Clock) -> Outbox:
    return Outbox(queue, clock, batch_letters=3)


def texts(*claim_ids: str) -> dict[str, int]:
    return dict.fromkeys(claim_ids, 1)


def test_nothing_waiting_sends_nothing(outbox: Outbox, queue: Queue) -> None:
    assert not outbox.send()
    assert queue.sent == []


def test_one_alone_goes_at_once(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("a"))
    assert not outbox.send(), "nothing more is waiting"
    assert queue.sent == [["a"]]


def test_all_that_waits_goes_in_one_message_up_to_the_batch_in_order(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("d", "c"))
    outbox.add(texts("b", "a", "e"))
    assert outbox.send(), "more is waiting"
    assert not outbox.send()
    assert queue.sent == [["d", "c", "b"], ["a", "e"]]


def test_a_message_holds_so_much_work_and_one_letter_at_least(outbox: Outbox, queue: Queue) -> None:
    outbox.add({"a": 1, "b": 2, "c": 1, "large": 9, "d": 2, "e": 2})
    while outbox.send():
        pass
    assert queue.sent == [["a", "b"], ["c"], ["large"], ["d"], ["e"]]


@pytest.mark.parametrize("name", ["letter.pdf", "clinic/LETTER.PDF", ".pdf"])
def test_a_pdf_is_more_work_than_a_text(name: str) -> None:
    assert work_of(name) == PDF_WORK > work_of(name + ".txt") == work_of("pdf") == 1


def test_a_claim_that_waits_already_is_not_sent_twice(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("a", "b"))
    outbox.add(texts("a"))
    outbox.send()
    assert queue.sent == [["a", "b"]]


def test_what_the_broker_did_not_take_is_left_to_the_reaper(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("a", "b", "c", "d"))
    queue.is_down = True
    assert not outbox.send(), "no second attempt at once"
    assert not outbox.is_waiting("a")
    assert outbox.hinted["a"].at_s == float("-inf"), "the reaper takes it at its next turn"
    assert outbox.is_waiting("d")
    queue.is_down = False
    outbox.send()
    assert queue.sent == [["d"]]


def test_when_a_claim_was_hinted_is_remembered_for_as_long_as_its_file_is_there(outbox: Outbox, clock: Clock) -> None:
    outbox.add(texts("a", "b", "c", "waits", "waited"))
    outbox.send()
    assert outbox.hinted == dict.fromkeys(("a", "b", "c"), Hinted(clock.now_s, 1))
    outbox.keep_only({"b", "waits"})
    assert list(outbox.hinted) == ["b"]
    assert outbox.is_waiting("waits")
    assert not outbox.is_waiting("waited")
