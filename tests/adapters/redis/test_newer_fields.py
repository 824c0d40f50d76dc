"""Records that a newer version has written to: its fields survive whatever this version does with the letter."""

from __future__ import annotations

import contextlib

from tests.support.letters import LONG_MS, burying, claim, deciding, lease
from tests.support.servers import Server
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.processing.records import Begun, Finished, Lease

KEYS = Keys("imr")
CONTENT = "a letter"


def begin(records: RedisRecords, one: Lease) -> str:
    (answer,) = records.begin([one], lease_ms=LONG_MS, max_attempts=3, alone=False)
    assert isinstance(answer, Begun), answer
    return answer.reply


def test_fields_of_a_newer_version_survive_every_step(server: Server) -> None:
    """Begun, released, begun again, dead, put back by a person, begun by its next claim: the field is still there."""
    with contextlib.closing(server.client()) as client:
        records = RedisRecords(client, KEYS)
        one = lease(CONTENT, claim())
        assert begin(records, one) == "go"
        key = KEYS.letter(one.digest)
        client.hset(key, mapping={"reviewed_by": "a newer version", "lease_kind": "7"})
        seen = []
        for step in (
            lambda: records.release([one]),
            lambda: begin(records, one),
            lambda: records.finish([burying(one)]),
            lambda: records.resolve(deciding("redrive", CONTENT)),
            lambda: begin(records, lease(CONTENT, claim(2))),
        ):
            answer = step()
            assert not isinstance(answer, list) or all(isinstance(each, Finished) for each in answer), answer
            seen.append((client.hget(key, "reviewed_by"), client.hget(key, "lease_kind")))
        assert seen == [(b"a newer version", b"7")] * 5
        assert records.record(one.digest) is not None
