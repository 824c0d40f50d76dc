"""Redis killed before its disk had what it answered: the file is still in `claimed/`, its letter comes again, once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.letters import digest
from tests.support.rig import Rig
from tests.support.servers import IN_CI, NAMES, ServerMissing, binary_of
from tests.support.waiting import eventually
from worker.adapters.redis.durability import RedisDurability
from worker.adapters.redis.embedded import EmbeddedServer
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import Keys
from worker.contract.redis_client import connect

KEYS = Keys("imr")
CUTS = 6
"""So many places in the bytes of a FINISH at which the file is torn."""


class Torn:
    """A share, and a server whose append-only file can be cut off where it was."""

    def __init__(self, folder: Path, name: str) -> None:
        self.server = EmbeddedServer(folder / "state", binary_of(name))
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.server.start()
        self.client = connect(self.server.url)
        self.client.config_set("appendfsync", "everysec")

    def make_rig(self, name: str) -> Rig:
        return Rig(self.folder / name, RedisRecords(self.client, KEYS), self.durability())

    def durability(self) -> RedisDurability:
        # Without the wait: what was torn off is gone after any time, and what stands stands.
        return RedisDurability(self.client, KEYS, sleep=lambda seconds: None)

    @property
    def tail(self) -> Path:
        """The file that the server appends to."""
        parts = list((self.server.folder / "appendonlydir").glob("*.incr.aof"))
        return parts[0] if parts else self.server.folder / "appendonly.aof"

    def tear(self, size: int) -> None:
        """Kill the server, and have only that much of the file on its disk."""
        self.client.close()
        self.server.kill()
        with self.tail.open("r+b") as file:
            file.truncate(size)
        self.start()

    def ids(self) -> list[str]:
        entries = cast("Any", self.client.xrange(KEYS.determinations))
        return [orjson.loads(fields[b"data"])["id"] for _, fields in entries]


@pytest.fixture(params=[pytest.param(name, id=name, marks=pytest.mark.services) for name in NAMES])
def torn(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Torn]:
    try:
        made = Torn(tmp_path, request.param)
    except ServerMissing as error:
        if IN_CI:
            raise
        pytest.skip(str(error))
    yield made
    with contextlib.suppress(redis.RedisError):
        made.client.close()
    made.server.kill()


def finish_without_waiting(torn: Torn, rig: Rig) -> tuple[str, int, int]:
    """A letter that is finished and not filed: its claim, and the size of the tail before and after its FINISH."""
    one = rig.claim("letter.txt", b"a letter")
    sizes: list[int] = []

    class Sized(RedisRecords):
        def finish(self, finishes: Any) -> Any:
            sizes.append(torn.tail.stat().st_size)
            answers = super().finish(finishes)
            sizes.append(torn.tail.stat().st_size)
            return answers

    rig.pipeline(records=Sized(torn.client, KEYS)).run([one])
    assert rig.claimed() == [one], "not filed before the disk has it"
    return one, sizes[0], sizes[1]


def test_a_finish_that_the_disk_never_had_is_made_again(torn: Torn) -> None:
    for number in range(CUTS + 1):
        rig = torn.make_rig(f"share-{number}")
        one, before, after = finish_without_waiting(torn, rig)
        assert before < after
        # The last byte but one, the last, and some before.
        size = after - 1 if number == CUTS - 1 else before + (after - before) * number // CUTS
        torn.tear(size)
        check(torn, rig, one, lost=size < after)
        torn.client.flushall()


def check(torn: Torn, rig: Rig, one: str, *, lost: bool) -> None:
    """The filer comes back to a server that has forgotten the letter, or has not; then the reaper hints it."""
    rig.records, rig.durability = RedisRecords(torn.client, KEYS), torn.durability()
    rig.filing._durability = rig.durability
    eventually(rig.filing.round, "the disk to be ready")
    assert rig.claimed() == ([one] if lost else [])
    if lost:
        for key in cast("list[bytes]", torn.client.keys("imr:letter:*")):
            torn.client.hset(key, "lease", 0)  # as after its time
        rig.pipeline().run([one])
        eventually(rig.filing.round, "the disk to be ready")
    assert rig.claimed() == []
    assert torn.ids() == [f"{digest('a letter')}:1"]
    assert [path.partition("/")[0] for path in rig.letters()] == ["archive"]
    rig.assert_counts_close()


def test_a_server_that_is_killed_while_it_is_waited_for(torn: Torn) -> None:
    """The wait fails, nothing is filed; with the server back the letter is there, for its process alone was killed."""
    rig = torn.make_rig("share")
    one, _, after = finish_without_waiting(torn, rig)
    torn.client.close()
    torn.server.kill()
    assert not rig.filing.round()
    assert rig.claimed() == [one]
    torn.server.start()
    torn.client.config_set("appendfsync", "everysec")
    assert torn.tail.stat().st_size >= after
    eventually(rig.filing.round, "the disk to be ready")
    assert rig.claimed() == []
    assert torn.ids() == [f"{digest('a letter')}:1"]
