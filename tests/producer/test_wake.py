"""A sleeping loop is woken by threads and by signals, never by a call that was already answered; a stop is final."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from producer.wake import StopSignal, Wake

LONG_S = 30.0


def seconds_of_waiting(wake: Wake, timeout_s: float) -> float:
    begun_s = time.monotonic()
    wake.wait(timeout_s)
    return time.monotonic() - begun_s


def test_a_call_before_the_wait_is_not_lost() -> None:
    wake = Wake()
    wake.set()
    assert seconds_of_waiting(wake, LONG_S) < 1


def test_many_calls_wake_once() -> None:
    wake = Wake()
    for _ in range(1000):
        wake.set()
    wake.wait(LONG_S)
    assert seconds_of_waiting(wake, 0.05) >= 0.05


def test_another_thread_ends_the_wait() -> None:
    wake = Wake()
    threading.Timer(0.05, wake.set).start()
    assert seconds_of_waiting(wake, LONG_S) < 5


@pytest.fixture
def alarm() -> Iterator[Wake]:
    """Set by SIGALRM, in this thread."""
    wake = Wake()
    before = signal.signal(signal.SIGALRM, lambda *_: wake.set())
    yield wake
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_ends_the_wait_of_the_thread_that_it_interrupts(alarm: Wake) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    assert seconds_of_waiting(alarm, LONG_S) < 5


def test_a_signal_in_the_midst_of_any_call_does_not_deadlock(alarm: Wake) -> None:
    """With a `threading.Event` this stands still, or its handlers pile up on the stack."""
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    deadline_s, rounds = time.monotonic() + 1.0, 0
    while time.monotonic() < deadline_s:
        alarm.set()
        alarm.wait(0.001)
        os.kill(os.getpid(), signal.SIGALRM)
        alarm.wait(0.001)
        rounds += 1
    assert rounds > 100


def test_a_stop_is_forwarded_whenever_it_was_requested() -> None:
    stop, stopped = StopSignal(), list[str]()
    stop.forward_to(lambda: stopped.append("at the request"))
    assert not stop.is_requested
    stop.request()
    assert stopped == ["at the request"]
    stop.forward_to(lambda: stopped.append("at once"))
    assert stopped == ["at the request", "at once"]


def test_nothing_waits_after_a_stop() -> None:
    stop = StopSignal()
    begun_s = time.monotonic()
    threading.Timer(0.05, stop.request).start()
    stop.wait(LONG_S)
    stop.wait(LONG_S)
    assert stop.is_requested
    assert time.monotonic() - begun_s < 5
