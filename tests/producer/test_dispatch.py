"""Sending hints: all that waits in one message, and no worry about those that are lost."""

from __future__ import annotations

import pytest

from producer.dispatch import DEPTH_CHECK_S, GATHER_FROM_MESSAGES, GATHER_MAX_S, PDF_WORK, Hinted, Outbox, work_of
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
    outbox.send()
    assert queue.sent == []
    assert outbox.idle_s() == float("inf")


def test_one_alone_goes_at_once(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("a"))
    assert outbox.idle_s() == 0.0
    outbox.send()
    assert queue.sent == [["a"]]
    assert outbox.idle_s() == float("inf")


def test_all_that_waits_goes_in_one_message_up_to_the_batch_in_order(outbox: Outbox, queue: Queue) -> None:
    outbox.add(texts("d", "c"))
    outbox.add(texts("b", "a", "e"))
    outbox.send()
    assert outbox.idle_s() == 0.0, "more is waiting"
    outbox.send()
    assert queue.sent == [["d", "c", "b"], ["a", "e"]]


def test_a_message_holds_a_batch_of_work_and_one_letter_at_least(outbox: Outbox, queue: Queue) -> None:
    outbox.add({"a": 1, "b": 2, "c": 1, "large": 9, "d": 2, "e": 2})
    while not outbox.idle_s():
        outbox.send()
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
    outbox.send()
    assert outbox.idle_s() == float("inf"), "no second attempt at once"
    assert not outbox.is_waiting("a")
    assert outbox.hinted["a"].at_s == float("-inf"), "the reaper takes it at its next turn"
    assert outbox.is_waiting("d")
    queue.is_down = False
    outbox.send()
    assert queue.sent == [["d"]]


def fill(outbox: Outbox, queue: Queue) -> None:
    """Send as much as workers can go on with, of which they take nothing yet."""
    for number in range(GATHER_FROM_MESSAGES):
        outbox.add(texts(f"first {number}"))
        queue.messages = len(queue.sent) + 1
        outbox.send()
    assert queue.messages == len(queue.sent) == GATHER_FROM_MESSAGES
    queue.sent.clear()


def test_what_comes_while_the_workers_have_enough_gathers_into_one_message(
    outbox: Outbox, queue: Queue, clock: Clock
) -> None:
    fill(outbox, queue)
    for claim_id in ("a", "b"):
        outbox.add(texts(claim_id))
        outbox.send()
    assert queue.sent == []
    assert outbox.idle_s() == pytest.approx(DEPTH_CHECK_S)
    clock.advance(DEPTH_CHECK_S)
    outbox.send()
    assert queue.sent == [], "there is still enough"
    queue.messages -= 1
    clock.advance(DEPTH_CHECK_S)
    assert outbox.idle_s() == 0.0
    outbox.send()
    assert queue.sent == [["a", "b"]]


def test_nothing_gathers_for_long_even_if_others_keep_the_queue_full(
    outbox: Outbox, queue: Queue, clock: Clock
) -> None:
    fill(outbox, queue)
    outbox.add(texts("a"))
    outbox.send()
    for _ in range(round(GATHER_MAX_S / DEPTH_CHECK_S) + 1):
        clock.advance(DEPTH_CHECK_S)
        outbox.add(texts("b"))
        outbox.send()
    assert queue.sent == [["a", "b"]]
    outbox.add(texts("c"))
    outbox.send()
    assert queue.sent == [["a", "b"]], "what comes then gathers again"


def test_a_full_message_does_not_wait_for_workers(outbox: Outbox, queue: Queue) -> None:
    fill(outbox, queue)
    outbox.add(texts("a", "b", "c", "d"))
    outbox.send()
    assert queue.sent == [["a", "b", "c"]]


def test_letters_at_the_pace_of_the_workers_go_one_by_one(outbox: Outbox, queue: Queue) -> None:
    for number in range(3 * GATHER_FROM_MESSAGES):
        outbox.add(texts(str(number)))
        outbox.send()
        assert queue.sent[-1] == [str(number)]


def test_a_queue_that_cannot_be_looked_at_holds_nothing_back(outbox: Outbox, queue: Queue, clock: Clock) -> None:
    fill(outbox, queue)
    outbox.add(texts("a"))
    clock.advance(DEPTH_CHECK_S)
    queue.is_down = True
    outbox.send()
    assert outbox.hinted["a"].at_s == float("-inf"), "the reaper repeats it"


def test_when_a_claim_was_hinted_is_remembered_for_as_long_as_its_file_is_there(outbox: Outbox, clock: Clock) -> None:
    outbox.add(texts("a", "b", "c", "waits", "waited"))
    outbox.send()
    assert outbox.hinted == dict.fromkeys(("a", "b", "c"), Hinted(clock.now_s, 1))
    outbox.keep_only({"b", "waits"})
    assert list(outbox.hinted) == ["b"]
    assert outbox.is_waiting("waits")
    assert not outbox.is_waiting("waited")
