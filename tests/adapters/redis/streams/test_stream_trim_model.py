"""Trimming against a naive model: random groups, reads, acknowledgements, deletions by other hands, on every server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.redis.streams.conftest import KEYS, STREAM, add, ids
from worker.adapters.redis.stream_trim import Trimmer

GROUPS = ("imr-tail", "desk", "archive")
Step = tuple[str, str, int]


@dataclass
class Model:
    """Who has what, in plain sets: an entry may go when nobody needs it, nor any entry before it."""

    present: list[int] = field(default_factory=list)
    added: int = 0
    position: dict[str, int] = field(default_factory=dict)
    pending: dict[str, set[int]] = field(default_factory=dict)

    def needed(self, group: str) -> set[int]:
        """What the group has yet to acknowledge, of everything that was ever added."""
        return self.pending[group] | {one for one in range(1, self.added + 1) if one > self.position[group]}

    def trim(self) -> None:
        """Delete the entries before the first one that is needed; ghosts before the first entry are nobody's."""
        if not set(self.position) - {"imr-tail"} or not self.present:
            return
        first = self.present[0]
        needed = {one for group in self.position for one in self.needed(group) if one >= first}
        self.present = [one for one in self.present if one >= min(needed, default=self.added + 1)]


class Played:
    """One run of steps, on a server and in the model."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.model = Model()
        self.trimmer = Trimmer(client, KEYS, 90.0)

    def play(self, step: Step) -> None:
        """Do it on both; a step about a group that is not there is none."""
        kind, group, number = step
        if kind in ("add", "trim", "delete") or (group in self.model.position) == (kind != "create"):
            getattr(self, kind)(group, number)

    def add(self, _group: str, number: int) -> None:
        for _ in range(number % 4 + 1):
            self.model.added += 1
            self.model.present.append(self.model.added)
            add(self.client, f"{self.model.added}-0")

    def create(self, group: str, number: int) -> None:
        start = number % (self.model.added + 1)
        self.client.xgroup_create(STREAM, group, id=f"{start}-0", mkstream=True)
        self.model.position[group], self.model.pending[group] = start, set()

    def destroy(self, group: str, _number: int) -> None:
        self.client.xgroup_destroy(STREAM, group)
        del self.model.position[group], self.model.pending[group]

    def read(self, group: str, number: int) -> None:
        self.client.xreadgroup(group, f"consumer {number % 2}", {STREAM: ">"}, count=number % 5 + 1)
        unread = [one for one in self.model.present if one > self.model.position[group]][: number % 5 + 1]
        self.model.pending[group] |= set(unread)
        self.model.position[group] = max([self.model.position[group], *unread])

    def acknowledge(self, group: str, number: int) -> None:
        pending = sorted(self.model.pending[group])
        taken = pending[number % len(pending) :: 2] if pending else []
        if taken:
            self.client.xack(STREAM, group, *(f"{one}-0" for one in taken))
        self.model.pending[group] -= set(taken)

    def set_back(self, group: str, number: int) -> None:
        start = number % (self.model.added + 1)
        self.client.xgroup_setid(STREAM, group, f"{start}-0")
        self.model.position[group] = start

    def delete(self, _group: str, number: int) -> None:
        """By other hands."""
        if self.model.present:
            gone = self.model.present.pop(number % len(self.model.present))
            self.client.xdel(STREAM, f"{gone}-0")

    def trim(self, _group: str, _number: int) -> None:
        unread = {group: self.unread(group) for group in self.model.position}
        looked = self.trimmer.preview()[0].removed
        removed = self.trimmer.trim()[0].removed
        before = len(self.model.present)
        self.model.trim()
        assert (looked, removed) == (before - len(self.model.present),) * 2
        assert {group: self.unread(group) for group in self.model.position} == unread

    def unread(self, group: str) -> list[str]:
        """What a group can still be given, as the server tells: new entries and pending ones that are there."""
        present = ids(self.client)
        pending = cast("list[Any]", self.client.xpending_range(STREAM, group, "-", "+", 1000))
        given = {one["message_id"].decode() for one in pending}
        return [one for one in present if one in given or int(one[:-2]) > self.model.position[group]]


KINDS = (
    *("add", "add", "create", "read", "read", "acknowledge", "acknowledge"),
    *("set_back", "destroy", "delete", "trim", "trim"),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(GROUPS),
        st.integers(0, 30),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_nothing_unread_is_trimmed_and_everything_else_is(client: redis.Redis, steps: list[Step]) -> None:
    client.flushall()
    played = Played(client)
    for step in [("add", "", 3), ("create", "desk", 0), *steps, ("trim", "", 0)]:
        played.play(step)
        assert ids(client) == [f"{one}-0" for one in played.model.present], step
