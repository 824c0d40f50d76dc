"""Driving a producer step by step: time passes when the test says so, events come when the kernel sends them."""

from __future__ import annotations

from collections.abc import Callable

from producer.service import Producer
from tests.producer.doubles import Site
from tests.support.waiting import eventually


def started(site: Site) -> Producer:
    """A producer that has made its first step: it watches, and has scanned."""
    producer = site.start()
    producer.step()
    return producer


def step_until(producer: Producer, condition: Callable[[], object], what: str) -> None:
    """Step without moving the clock: only events can make a difference."""

    def stepped() -> object:
        producer.step()
        return condition()

    eventually(stepped, what)


def step_after(site: Site, producer: Producer, seconds: float) -> None:
    site.clock.advance(seconds)
    producer.step()


def quietly(site: Site, producer: Producer, seconds: float) -> None:
    """Let time pass in small steps, as the loop does when nothing wakes it."""
    for _ in range(round(seconds / 0.5)):
        step_after(site, producer, 0.5)


def known_to(producer: Producer) -> int:
    """Letters of the inbox that it has discovered and not claimed."""
    return len(producer._inbox)
