"""What the state of a stream tells, and which entries were lost: the same on every server."""

from __future__ import annotations

from typing import Any, cast

import pytest
import redis

from tests.adapters.redis.streams.conftest import DAY_MS, KEYS, STREAM, acknowledge, add, group_that_has, ids, read
from tests.support.letters import LONG_MS, burying, claim, deciding, lease, publishing
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.stream_gaps import lost_entries
from worker.adapters.redis.stream_state import StreamState, read_states
from worker.adapters.redis.stream_trim import Trimmer

EVERYTHING_IS_OLD = -1.0


def state(client: redis.Redis, stream: str = STREAM) -> StreamState:
    (found,) = [one for one in read_states(client, KEYS) if one.stream == stream]
    return found


def lost(client: redis.Redis, stream: str = STREAM) -> dict[str, tuple[str, ...]]:
    return lost_entries(client, KEYS, state(client, stream))


@pytest.fixture
def records(client: redis.Redis) -> RedisRecords:
    return RedisRecords(client, KEYS)


def publish(records: RedisRecords, client: redis.Redis, count: int) -> list[str]:
    """So many letters, published; ids of their entries."""
    leases = [lease(f"letter {number}", claim(number)) for number in range(count)]
    records.begin(leases, lease_ms=LONG_MS, max_attempts=3)
    records.finish([publishing(one) for one in leases])
    return ids(client)


class TestState:
    def test_a_stream_that_is_not_there_is_empty(self, client: redis.Redis) -> None:
        one = state(client)
        assert (one.entries, one.first, one.memory_bytes, one.groups) == (0, None, 0, ())
        assert lost(client) == {}

    def test_groups_consumers_and_what_they_hold(self, client: redis.Redis) -> None:
        add(client, *(f"{number}-1" for number in range(1, 7)))
        group_that_has(client, "desk", 1)
        taken = read(client, "desk", 4, consumer="gone")
        client.xclaim(STREAM, "desk", "gone", 0, [taken[0]], idle=7 * DAY_MS, retrycount=6)
        client.xdel(STREAM, taken[1])
        one = state(client)
        (group,) = one.groups
        assert (group.name, group.last_delivered, group.pending, group.next_unread) == ("desk", "5-1", 4, "6-1")
        assert {consumer.name: consumer.pending for consumer in group.consumers} == {"c": 0, "gone": 4}
        assert [(entry.id, entry.deliveries) for entry in group.held] == [("2-1", 6), ("4-1", 1), ("5-1", 1)]
        assert group.held[0].idle_ms >= 7 * DAY_MS
        assert group.ghosts == ("3-1",)
        assert one.entries == 5
        assert one.memory_bytes

    def test_pending_entries_before_the_first_one_are_ghosts(self, client: redis.Redis) -> None:
        add(client, *(f"{number}-1" for number in range(1, 5)))
        group_that_has(client, "desk", 0)
        read(client, "desk", 3)
        client.xtrim(STREAM, minid="3-0", approximate=False)
        (group,) = state(client).groups
        assert (group.ghosts, [one.id for one in group.held]) == (("1-1", "2-1"), ["3-1"])

    def test_deletions_by_others_are_told_from_our_trimming(self, client: redis.Redis) -> None:
        add(client, *(f"{number}-1" for number in range(1, 7)))
        group_that_has(client, "desk", 2)
        Trimmer(client, KEYS, EVERYTHING_IS_OLD).trim()
        one = state(client)
        assert one.trimmed_below == "2-2"
        assert one.deleted_by_others in (0, None)
        client.xtrim(STREAM, minid="4-0", approximate=False)
        assert state(client).deleted_by_others in (1, None)


class TestLostEntries:
    def test_what_was_trimmed_by_hand_before_a_group_was_given_it_is_lost(
        self, client: redis.Redis, records: RedisRecords
    ) -> None:
        entries = publish(records, client, 6)
        group_that_has(client, "desk", 2)
        group_that_has(client, "archive", 5)
        client.xgroup_create(STREAM, "new", id="$")
        client.xtrim(STREAM, minid=entries[5], approximate=False)
        assert lost(client) == {"desk": tuple(entries[2:5])}

    def test_one_entry_deleted_in_the_middle_is_found(self, client: redis.Redis, records: RedisRecords) -> None:
        entries = publish(records, client, 6)
        group_that_has(client, "desk", 2)
        client.xdel(STREAM, entries[1], entries[3])
        assert lost(client) == {"desk": (entries[3],)}, "the second was read"

    def test_a_stream_that_was_emptied_has_lost_everything_unread(
        self, client: redis.Redis, records: RedisRecords
    ) -> None:
        entries = publish(records, client, 3)
        group_that_has(client, "desk", 1)
        client.xtrim(STREAM, maxlen=0, approximate=False)
        assert lost(client) == {"desk": tuple(entries[1:])}

    def test_our_trimming_loses_nothing_for_a_group_that_is_added_later(
        self, client: redis.Redis, records: RedisRecords
    ) -> None:
        entries = publish(records, client, 4)
        group_that_has(client, "desk", 3)
        assert Trimmer(client, KEYS, EVERYTHING_IS_OLD).trim()[0].removed == 3
        client.xgroup_create(STREAM, "later", id="0")
        assert lost(client) == {}
        client.xdel(STREAM, entries[3])
        assert lost(client) == {"desk": (entries[3],), "later": (entries[3],)}

    def test_nothing_is_lost_by_a_group_that_reads(self, client: redis.Redis, records: RedisRecords) -> None:
        publish(records, client, 3)
        group_that_has(client, "desk", 1)
        assert lost(client) == {}
        acknowledge(client, "desk", *read(client, "desk", 9))
        assert lost(client) == {}

    def test_dead_letters_are_told_by_their_own_records(self, client: redis.Redis, records: RedisRecords) -> None:
        publish(records, client, 2)
        for number, content in enumerate("abc"):
            one = lease(content, claim(100 + number))
            records.begin([one], lease_ms=LONG_MS, max_attempts=3)
            records.finish([burying(one, f"review/{content}.txt")])
        records.resolve(deciding("discard", "a", path="review/a.txt"))
        entries = ids(client, KEYS.dead_letters)
        client.xgroup_create(KEYS.dead_letters, "desk", id="0")
        client.xtrim(KEYS.dead_letters, minid=entries[2], approximate=False)
        assert lost(client, KEYS.dead_letters) == {"desk": tuple(entries[:2])}
        assert lost(client) == {}


def test_looking_changes_nothing(client: redis.Redis, records: RedisRecords) -> None:
    publish(records, client, 3)
    group_that_has(client, "desk", 1)
    read(client, "desk", 1)
    before = {key: client.dump(key) for key in cast("list[Any]", client.keys())}
    for one in read_states(client, KEYS):
        lost_entries(client, KEYS, one)
    assert {key: client.dump(key) for key in cast("list[Any]", client.keys())} == before
