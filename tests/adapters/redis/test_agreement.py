"""The adapter on a server and its in-memory twin give the same answers, whatever is asked in whatever order.

Hypothesis makes up histories of workers, copies, files that change, lost replies and people who decide. After each step
both must agree on the answer, on every record, and on the counts, which must close.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.letters import LONG_MS, NOON_2024_MS, RUN_OUT_MS, digest
from tests.support.memory_records import MemoryRecords
from tests.support.servers import Server
from worker.adapters.redis.records import RedisRecords
from worker.contract.claim_ids import new_claim_id
from worker.contract.names import Keys
from worker.processing.records import Begun, Counts, Finish, Finished, Lease, Record, Resolve, Resolved

MOST = 2
CLAIMS = [new_claim_id(NOON_2024_MS + number) for number in range(4)]
LETTERS = [digest(name) for name in "abc"]
PATHS = ["review/letter.txt", "review/other.txt"]
TOKENS = ["worker-1", "worker-2", "worker-3"]

leases = st.builds(Lease, st.sampled_from(LETTERS), st.sampled_from(CLAIMS), st.sampled_from(TOKENS))
batches = st.lists(leases, min_size=1, max_size=4)
lease_times_ms = st.sampled_from([RUN_OUT_MS, LONG_MS])
namings = st.sampled_from(["plain", "claim"])


class Agreement(RuleBasedStateMachine):
    """One history, told to both."""

    server: ClassVar[Server]

    @initialize()
    def begin_empty(self) -> None:
        self.client = self.server.client()
        self.client.flushall()
        self.adapter = RedisRecords(self.client, Keys("imr"))
        self.twin = MemoryRecords()

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.close()

    @rule(batch=batches, lease_ms=lease_times_ms, alone=st.booleans(), times=st.sampled_from([1, 1, 2]))
    def begin(self, batch: list[Lease], lease_ms: int, alone: bool, times: int) -> None:
        for _ in range(times):
            args = {"lease_ms": lease_ms, "max_attempts": MOST, "alone": alone}
            self._agree(self.adapter.begin(batch, **args), self.twin.begin(batch, **args))  # type: ignore[arg-type]

    @rule(data=st.data(), publish=st.booleans(), named=namings, path=st.sampled_from(PATHS))
    def finish(self, data: st.DataObject, publish: bool, named: Any, path: str) -> None:
        one = data.draw(self._leases_in_use())
        wanted = None if publish else path
        outcome: Any = "published" if publish else "dead"
        revision = data.draw(self._revision_of(one.digest))
        earlier = self.twin.finished.get(one.claim_id, "") if data.draw(st.booleans()) else ""
        asked = Finish(one, revision, outcome, "" if publish else "empty", b"{}", named, wanted, earlier)
        self._agree(self.adapter.finish([asked]), self.twin.finish([asked]))

    @rule(data=st.data(), lease_ms=lease_times_ms)
    def prolong(self, data: st.DataObject, lease_ms: int) -> None:
        batch = [data.draw(self._leases_in_use())]
        assert self.adapter.prolong(batch, lease_ms=lease_ms) == self.twin.prolong(batch, lease_ms=lease_ms)

    @rule(data=st.data(), patience_ms=st.sampled_from([0, LONG_MS]))
    def postpone(self, data: st.DataObject, patience_ms: int) -> None:
        one = data.draw(self._leases_in_use())
        ours, twins = (side.postpone(one, patience_ms=patience_ms) for side in (self.adapter, self.twin))
        assert ours == twins

    @rule(data=st.data(), times=st.sampled_from([1, 2]))
    def release(self, data: st.DataObject, times: int) -> None:
        batch = [data.draw(self._leases_in_use())] * times
        self.adapter.release(batch)
        self.twin.release(batch)

    @rule(
        letter=st.sampled_from(LETTERS),
        action=st.sampled_from(["redrive", "discard", "restore"]),
        path=st.sampled_from(PATHS),
        named=namings,
        stale=st.sampled_from([0, 0, 0, 1]),
        token=st.sampled_from(["", "one", "other"]),
    )
    def resolve(self, letter: str, action: Any, path: str, named: Any, stale: int, token: str) -> None:
        known = self.twin.record(letter)
        seen = (known.revision, known.decisions + stale) if known is not None else (1, 0)
        asked = Resolve(action, letter, *seen, path, b"{}", named, token)
        self._agree([self.adapter.resolve(asked)], [self.twin.resolve(asked)])

    @rule(by=leases, path=st.sampled_from(PATHS), stale=st.sampled_from([0, 0, 0, 1]))
    def supersede(self, by: Lease, path: str, stale: int) -> None:
        digest, _, revision = self.twin.finished.get(by.claim_id, "").partition(":")
        known = self.twin.record(digest) if revision.isdigit() and digest != by.digest else None
        if known is None:
            return
        token = f"supersede:{by.claim_id}:{revision}"
        seen = (int(revision), known.decisions + stale)
        asked = Resolve("supersede", digest, *seen, path, b"{}", "plain", token, by)
        self._agree([self.adapter.resolve(asked)], [self.twin.resolve(asked)])

    @rule(claim_id=st.sampled_from(CLAIMS))
    def file_away(self, claim_id: str) -> None:
        self.client.hdel("imr:finished", claim_id)
        self.twin.finished.pop(claim_id, None)

    @rule()
    def the_server_forgets_its_scripts(self) -> None:
        self.client.script_flush()

    @invariant()
    def both_know_the_same(self) -> None:
        if not hasattr(self, "twin"):
            return
        for letter in LETTERS:
            ours, twins = self.adapter.record(letter), self.twin.record(letter)
            assert self._without_entry(ours) == self._without_entry(twins)
            assert ours is None or ours.attempts <= MOST

    @invariant()
    def the_counts_agree_and_close(self) -> None:
        if hasattr(self, "twin"):
            counts = self.adapter.counts()
            assert counts == self.twin.counts()
            _assert_closed(counts)

    @invariant()
    def the_streams_hold_one_entry_per_outcome(self) -> None:
        if hasattr(self, "twin"):
            assert self.client.xlen("imr:determinations") == len(self.twin.determinations)
            assert self.client.xlen("imr:dead-letters") == len(self.twin.dead_letters)

    def _leases_in_use(self) -> st.SearchStrategy[Lease]:
        """Most often whoever holds the letter, sometimes anyone."""
        held = [Lease(letter, *holder) for letter in LETTERS if (holder := self.twin.holder(letter)) is not None]
        return st.one_of(st.sampled_from(held), leases) if held else leases

    def _revision_of(self, letter: str) -> st.SearchStrategy[int]:
        known = self.twin.record(letter)
        now = known.revision if known is not None else 1
        return st.sampled_from([now, now, now, max(1, now - 1)])

    def _agree(self, ours: Any, twins: Any) -> None:
        assert [self._without_entry(one) for one in ours] == [self._without_entry(one) for one in twins]

    def _without_entry(self, answer: Begun | Finished | Resolved | Record | None) -> object:
        """Entries have other ids in the twin: what must agree is whether there is one."""
        if answer is None or isinstance(answer, Resolved):
            return answer
        return dataclasses.replace(answer, entry="an entry" if answer.entry else "")


def _assert_closed(counts: Counts) -> None:
    done = counts.published + counts.dead + counts.discarded + counts.duplicate
    assert counts.seen == done + len(counts.open_claims)


@pytest.mark.services
def test_adapter_and_twin_agree(redis_server: Server) -> None:
    class Here(Agreement):
        server = redis_server

    quick = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes: leave this out to have it
    )
    run_state_machine_as_test(Here, settings=quick)
