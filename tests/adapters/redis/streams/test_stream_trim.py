"""What trimming may take and what it must leave, on every server."""

from __future__ import annotations

import contextlib
from typing import cast

import pytest
import redis

from tests.adapters.redis.streams.conftest import (
    DAY_MS,
    KEEP_DAYS,
    KEYS,
    STREAM,
    acknowledge,
    add,
    group_that_has,
    ids,
    now_ms,
    read,
)
from tests.support.determinations import NOW, dead_letter
from tests.support.letters import LONG_MS, burying, claim, deciding, digest, lease
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.stream_trim import PAGE_ENTRIES, Trimmed, Trimmer
from worker.contract.event import DEAD_LETTERED, encode, event_id, make_event
from worker.processing.records import Finish, Finished

OLD = [f"{number}-1" for number in range(1, 7)]


def of(answers: list[Trimmed], stream: str = STREAM) -> Trimmed:
    (answer,) = [one for one in answers if one.stream == stream]
    return answer


class TestGroups:
    def test_without_a_group_nothing_is_deleted(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        assert of(trimmer.trim()) == Trimmed(STREAM, 0, OLD[0], "no_reader", "")
        assert ids(client) == OLD

    def test_imr_tail_alone_is_no_reader(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "imr-tail", 6)
        assert of(trimmer.trim()).why == "no_reader"
        assert ids(client) == OLD

    def test_imr_tail_is_waited_for_as_every_group(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "imr-tail", 2)
        group_that_has(client, "desk", 6)
        assert of(trimmer.trim()) == Trimmed(STREAM, 2, "2-2", "group", "imr-tail")

    def test_what_every_group_has_acknowledged_goes(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "desk", 5)
        group_that_has(client, "archive", 3)
        assert of(trimmer.trim()) == Trimmed(STREAM, 3, "3-2", "group", "archive")
        assert ids(client) == OLD[3:]

    def test_what_was_given_and_not_acknowledged_stays(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "desk", 0)
        taken = read(client, "desk", 6)
        acknowledge(client, "desk", taken[0], taken[1], taken[4])
        assert of(trimmer.trim()) == Trimmed(STREAM, 2, OLD[2], "group", "desk")
        assert ids(client) == OLD[2:]

    def test_a_consumer_that_is_dead_for_a_week_keeps_what_it_took(self, client: redis.Redis, trimmer: Trimmer) -> None:
        """Two groups, one consumer gone with entries in hand, a third group added: trimming takes nothing unread."""
        add(client, *OLD)
        group_that_has(client, "desk", 2)
        taken = read(client, "desk", 2, consumer="gone")
        client.xclaim(STREAM, "desk", "gone", 0, [*taken], idle=7 * DAY_MS, retrycount=4)
        acknowledge(client, "desk", *read(client, "desk", 9, consumer="alive"))
        client.xgroup_create(STREAM, "added later", id="0")
        assert of(trimmer.trim()) == Trimmed(STREAM, 0, "0-1", "group", "added later")
        acknowledge(client, "added later", *read(client, "added later", 9))
        assert of(trimmer.trim()) == Trimmed(STREAM, 2, OLD[2], "group", "desk")
        claimed = client.xclaim(STREAM, "desk", "alive", 6 * DAY_MS, [*taken])
        assert [entry.decode() for entry, fields in cast("list[tuple[bytes, object]]", claimed) if fields] == taken

    def test_a_group_set_back_gets_everything_again(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "desk", 6)
        client.xgroup_setid(STREAM, "desk", "2-1")
        assert of(trimmer.trim()).removed == 2
        assert read(client, "desk", 9) == OLD[2:]

    def test_a_group_from_now_on_needs_nothing_before_it(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD[:3])
        client.xgroup_create(STREAM, "desk", id="$")
        add(client, *OLD[3:])
        assert of(trimmer.trim()).removed == 3
        assert read(client, "desk", 9) == OLD[3:]

    def test_ghosts_before_the_first_entry_hold_nothing(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "desk", 0)
        taken = read(client, "desk", 6)
        acknowledge(client, "desk", *taken[1:])
        client.xdel(STREAM, taken[0])
        assert of(trimmer.trim()).removed == 5
        assert ids(client) == []

    @pytest.mark.parametrize(
        "last",
        [
            "5-9",
            "5-99",
            "5-9007199254740993",
            "5-18446744073709551615",
            "9007199254740993-7",
            "999-18446744073709551615",
        ],
    )
    def test_the_entry_after_the_last_that_was_read_is_found_to_the_last_digit(
        self, client: redis.Redis, last: str
    ) -> None:
        ms, _, sequence = last.partition("-")
        following = f"{ms}-{int(sequence) + 1}" if int(sequence) < 2**64 - 1 else f"{int(ms) + 1}-0"
        add(client, "1-1", last)
        group_that_has(client, "desk", 2)
        add(client, following)
        trimmed = of(Trimmer(client, KEYS, -300_000_000.0).trim())
        assert (trimmed.removed, trimmed.first_kept) == (2, following)
        assert ids(client) == [following]


class TestAge:
    def test_what_was_acknowledged_is_kept_for_its_days(self, client: redis.Redis, trimmer: Trimmer) -> None:
        now = now_ms(client)
        ages = [f"{int(now - days * DAY_MS)}-1" for days in (KEEP_DAYS + 1, KEEP_DAYS + 0.1, KEEP_DAYS - 0.1, 1)]
        add(client, *ages)
        group_that_has(client, "desk", 4)
        trimmed = of(trimmer.trim())
        assert (trimmed.removed, trimmed.why) == (2, "age")
        assert ids(client) == ages[2:]


class TestLooking:
    def test_looking_tells_what_trimming_does_and_changes_nothing(self, client: redis.Redis, trimmer: Trimmer) -> None:
        add(client, *OLD)
        group_that_has(client, "desk", 4)
        looked = trimmer.preview()
        assert ids(client) == OLD
        assert not client.exists(KEYS.trimmed)
        assert looked == trimmer.trim()
        assert of(trimmer.preview()).removed == 0

    def test_a_stream_that_is_not_there_has_nothing(self, client: redis.Redis, trimmer: Trimmer) -> None:
        assert [(one.removed, one.why) for one in trimmer.trim() + trimmer.preview()] == [(0, "empty")] * 4
        assert not client.keys()


def test_what_was_trimmed_is_noted(client: redis.Redis, trimmer: Trimmer) -> None:
    add(client, *OLD)
    group_that_has(client, "desk", 2)
    trimmer.trim()
    acknowledge(client, "desk", *read(client, "desk", 1))
    trimmer.trim()
    assert client.hgetall(KEYS.trimmed) == {
        b"imr:determinations below": b"3-2",
        b"imr:determinations entries": b"3",
    }


def test_a_full_server_is_trimmed(client: redis.Redis, trimmer: Trimmer) -> None:
    """Then above all: a script's first write must not be one that could take memory."""
    add(client, *OLD)
    group_that_has(client, "desk", 6)
    client.config_set("maxmemory", "1")
    try:
        assert of(trimmer.trim()).removed == 6
    finally:
        client.config_set("maxmemory", "0")


@pytest.mark.parametrize("key", [STREAM, KEYS.trimmed])
def test_a_key_of_another_type_stops_it_before_anything_is_written(
    client: redis.Redis, trimmer: Trimmer, key: str
) -> None:
    add(client, *OLD)
    group_that_has(client, "desk", 6)
    client.delete(key)
    client.set(key, "planted")
    before = {name: client.dump(name) for name in cast("list[bytes]", client.keys())}
    with pytest.raises(redis.ResponseError, match="WRONGKIND"):
        trimmer.trim()
    assert {name: client.dump(name) for name in cast("list[bytes]", client.keys())} == before
    client.flushall()


class TestDeadLetters:
    """Their entries stay while somebody may need them: a worker that files the letter away, a person who decides."""

    def test_the_entry_of_a_letter_that_waits_stays_and_what_follows(self, client: redis.Redis) -> None:
        records = RedisRecords(client, KEYS)
        for number, content in enumerate("abc"):
            bury(records, content, number)
        records.resolve(deciding("discard", "a"))
        group_that_has(client, "desk", 9, stream=KEYS.dead_letters)
        trimmer = Trimmer(client, KEYS, -1.0)

        answer = of(trimmer.trim(), KEYS.dead_letters)
        assert (answer.removed, answer.why) == (1, "letter"), "a is discarded, b waits"
        assert records.dead_letter_event(entry_of(records, "b")) is not None
        records.resolve(deciding("discard", "b"))
        records.resolve(deciding("redrive", "c"))
        acknowledge(client, "desk", *read(client, "desk", 9, stream=KEYS.dead_letters), stream=KEYS.dead_letters)
        assert of(trimmer.preview(), KEYS.dead_letters).removed == 5, "c, and three decisions"
        assert of(trimmer.trim(), KEYS.dead_letters).removed == 5
        assert ids(client, KEYS.dead_letters) == []

    def test_an_earlier_verdict_about_the_same_letter_may_go(self, client: redis.Redis) -> None:
        records = RedisRecords(client, KEYS)
        bury(records, "a", 1)
        records.resolve(deciding("redrive", "a"))
        bury(records, "a", 1, revision=2)
        group_that_has(client, "desk", 9, stream=KEYS.dead_letters)
        assert of(Trimmer(client, KEYS, -1.0).trim(), KEYS.dead_letters).removed == 2
        assert ids(client, KEYS.dead_letters) == [entry_of(records, "a")]

    def test_many_are_trimmed_page_by_page(self, client: redis.Redis) -> None:
        many = [f"{number}-1" for number in range(1, 2 * PAGE_ENTRIES + 8)]
        add(client, *many, stream=KEYS.dead_letters)
        group_that_has(client, "desk", len(many) - 1, stream=KEYS.dead_letters)
        trimmer = Trimmer(client, KEYS, KEEP_DAYS)
        looked = of(trimmer.preview(), KEYS.dead_letters)
        trimmed = of(trimmer.trim(), KEYS.dead_letters)
        assert (looked.removed, trimmed.removed, trimmed.why) == (len(many) - 1, len(many) - 1, "group")
        assert ids(client, KEYS.dead_letters) == many[-1:]

    def test_a_letter_that_waits_beyond_the_first_page_is_not_passed(self, client: redis.Redis) -> None:
        add(client, *(f"{number}-1" for number in range(1, PAGE_ENTRIES + 8)), stream=KEYS.dead_letters)
        records = RedisRecords(client, KEYS)
        bury(records, "a", 1)
        group_that_has(client, "desk", PAGE_ENTRIES + 8, stream=KEYS.dead_letters)
        trimmer = Trimmer(client, KEYS, -1.0)
        looked, trimmed = of(trimmer.preview(), KEYS.dead_letters), of(trimmer.trim(), KEYS.dead_letters)
        assert (looked.removed, trimmed.removed, trimmed.why) == (PAGE_ENTRIES + 7, PAGE_ENTRIES + 7, "letter")
        assert ids(client, KEYS.dead_letters) == [entry_of(records, "a")]

    def test_an_entry_that_is_no_event_hinders_nothing(self, client: redis.Redis, trimmer: Trimmer) -> None:
        for number, data in enumerate((b"", b"\xff", b"[]", b'{"type": "imr.letter.dead-lettered"}'), start=1):
            client.xadd(KEYS.dead_letters, {"data": data}, id=f"{number}-1")
        client.xadd(KEYS.dead_letters, {"other": "field"}, id="5-1")
        group_that_has(client, "desk", 5, stream=KEYS.dead_letters)
        assert of(trimmer.trim(), KEYS.dead_letters).removed == 5


def bury(records: RedisRecords, content: str, number: int, revision: int = 1) -> None:
    """Give a letter up with a real event."""
    one = lease(content, claim(number))
    records.begin([one], lease_ms=LONG_MS, max_attempts=3, alone=True)
    event = make_event(
        kind=DEAD_LETTERED,
        identity=event_id(one.digest, revision),
        site="site",
        time=NOW,
        path=f"review/{content}.txt",
        data=dead_letter(),
    )
    plain = burying(one, f"review/{content}.txt")
    (answer,) = records.finish([with_event(plain, encode(event), revision)])
    assert isinstance(answer, Finished)
    assert answer.reply == "finished"


def with_event(one: Finish, event: bytes, revision: int) -> Finish:
    return Finish(one.lease, revision, one.outcome, one.code, event, one.named, one.review_path)


def entry_of(records: RedisRecords, content: str) -> str:
    record = records.record(digest(content))
    assert record is not None
    return record.entry


def test_a_group_made_in_the_middle_of_a_trimming_finds_what_it_asked_for(client: redis.Redis) -> None:
    """The script is one step: the group comes before it, and is heeded, or after it, and the reply says what went."""
    add(client, *OLD)
    group_that_has(client, "desk", 6)

    class Latecomer(Trimmer):
        """Makes a group at the last moment at which a client can."""

        def _run(self, *args: object, **kwargs: object) -> Trimmed:
            with contextlib.suppress(redis.ResponseError):
                client.xgroup_create(STREAM, "late", id="0")
            return super()._run(*args, **kwargs)  # type: ignore[arg-type]

    Latecomer(client, KEYS, KEEP_DAYS).trim()
    assert read(client, "late", 9) == OLD
