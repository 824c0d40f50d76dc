"""Canary files: created now and then, announced or not, and never left behind."""

from __future__ import annotations

import os

import pytest

from producer.discovery.watch_health import BUSY_PATIENCE_TURNS, PATIENCE_TURNS, REST_TURNS, Canary
from tests.producer.doubles import Share
from worker.contract.filenames import CANARY_PREFIX, may_be_letter


@pytest.fixture
def sent(share: Share, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the canaries that were made, in order."""
    names: list[str] = []
    real = os.mknod

    def mknod(path: str, mode: int) -> None:
        names.append(os.path.basename(path))
        assert os.path.dirname(path) == str(share.inbox)
        real(path, mode)

    monkeypatch.setattr(os, "mknod", mknod)
    return names


def test_a_canary_is_no_letter_and_is_gone_at_once(share: Share, sent: list[str]) -> None:
    canary = Canary(str(share.inbox))
    assert not canary.is_overdue(None, 0)
    (name,) = sent
    assert name.startswith(CANARY_PREFIX)
    assert not may_be_letter(name)
    assert share.waiting_paths() == []


def test_one_that_is_heard_is_followed_by_another_after_a_rest(share: Share, sent: list[str]) -> None:
    canary, heard = Canary(str(share.inbox)), None
    for _ in range(1 + 3 * (REST_TURNS + 1)):
        assert not canary.is_overdue(heard, 0)
        heard = sent[-1]
    assert len(set(sent)) == 4


@pytest.mark.parametrize("heard", [None, f"{CANARY_PREFIX}of-another-producer"])
def test_one_that_is_not_heard_in_its_time_says_deaf(share: Share, sent: list[str], heard: str | None) -> None:
    canary = Canary(str(share.inbox))
    turns = [canary.is_overdue(heard, 0) for _ in range(1 + PATIENCE_TURNS)]
    assert turns == [False] * PATIENCE_TURNS + [True]
    assert REST_TURNS + PATIENCE_TURNS < 10, "seconds, from deafness to its discovery"


def test_while_other_events_come_in_it_has_more_time(share: Share, sent: list[str]) -> None:
    canary = Canary(str(share.inbox))
    turns = [canary.is_overdue(None, events) for events in range(1 + BUSY_PATIENCE_TURNS)]
    assert turns == [False] * BUSY_PATIENCE_TURNS + [True]


def test_where_none_can_be_made_it_says_nothing(share: Share) -> None:
    share.inbox.rmdir()
    canary = Canary(str(share.inbox))
    assert not any(canary.is_overdue(None, 0) for _ in range(50))


def test_one_that_another_producer_removed_is_awaited_all_the_same(
    share: Share, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def taken(path: str) -> None:
        real(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "unlink", taken)
    canary = Canary(str(share.inbox))
    assert not canary.is_overdue(None, 0)
    assert not canary.is_overdue(sent[0], 0)
    assert not any(canary.is_overdue(sent[0], 0) for _ in range(REST_TURNS))
