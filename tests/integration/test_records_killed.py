"""A worker process that is really killed, at every call of its ports and every change it makes to the share.

The child is forked, dies by `os._exit` at the chosen point (no handler, no clean-up runs, as with SIGKILL), and the
parent recovers with another worker on the same Redis. Nothing of the child survives but what Redis and the disk have.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import redis

from tests.support.failpoints import Failpoints, When
from tests.support.letters import digest
from tests.support.rig import LEASE_S, MOST, Rig, on_disk_at_once
from tests.support.servers import Server
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share import spool
from worker.adapters.share.rename import rename_no_replace
from worker.contract.names import Keys

pytestmark = pytest.mark.services

KILLED = 42
SYSTEM_CALLS = ("replace", "fsync", "rmdir", "unlink", "makedirs")
GOOD, PAGED, BAD = b"a letter", b"%PDF a letter with pages", b"broken"


class KilledForReal(Failpoints):
    """Dies as a process dies."""

    def die(self) -> None:
        """End this process, now."""
        os._exit(KILLED)


@pytest.fixture
def client(redis_server: Server) -> Iterator[redis.Redis]:
    with contextlib.closing(redis_server.client()) as made:
        yield made


def drop(rig: Rig) -> None:
    rig.claim("letter.txt", GOOD, folder="sub")
    rig.claim("letter.pdf", PAGED)
    rig.claim("copy.txt", GOOD)
    rig.claim("scan.txt", BAD)


def in_a_child(work: Callable[[], None]) -> int:
    """The exit status of a child that does the work."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_in_child(rig: Rig, server: Server, failpoints: Failpoints) -> int:
    """Run a worker with a connection of its own in a child; the number of calls, where it lived, is in the share."""

    def work() -> None:
        with contextlib.closing(server.client()) as mine, pytest.MonkeyPatch.context() as patched:
            for name in SYSTEM_CALLS:
                patched.setattr(os, name, watched(failpoints, name, getattr(os, name)))
            patched.setattr(spool, "rename_no_replace", watched(failpoints, "rename", rename_no_replace))
            records = RedisRecords(mine, Keys("imr"))
            rig.run(failpoints=failpoints, records=records, durability=on_disk_at_once(records))
        (rig.share.parent / "calls").write_text("\n".join(failpoints.calls))

    return in_a_child(work)


def watched(failpoints: Failpoints, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: failpoints.call(name, function, *args, **kwargs)


def recover(rig: Rig, client: redis.Redis) -> None:
    """As after the time of every lease, without waiting for it: what is held is held no longer."""
    for _ in range(MOST + 1):
        for key in cast("list[bytes]", client.keys("imr:letter:*")):
            if client.hexists(key, "lease"):
                client.hincrby(key, "lease", -int(LEASE_S * 1000))
        rig.run()


def check(rig: Rig, client: redis.Redis) -> None:
    assert Counter(rig.letters().values()) - Counter(left_by_a_kill(rig).values()) == Counter([GOOD, GOOD, PAGED, BAD])
    places = {path.partition("/")[0] for path in rig.letters()}
    assert places == {"archive", "review"}, places
    assert ids(client, "imr:determinations") == sorted(f"{digest(one.decode())}:1" for one in (GOOD, PAGED))
    assert ids(client, "imr:dead-letters") == [f"{digest(BAD.decode())}:1"]
    orjson.loads(rig.files()["review/scan.txt.error.json"])
    rig.assert_counts_close()
    counts = rig.records.counts()
    assert (counts.seen, counts.published, counts.dead, counts.duplicate) == (4, 2, 1, 1)


def left_by_a_kill(rig: Rig) -> dict[str, bytes]:
    """A half-written file of ours, under a name that says so: swept, never taken for a letter."""
    left = {path: content for path, content in rig.files().items() if spool.TEMPORARY_PREFIX in path}
    assert set(left) == set(spool.Spool(rig.share).temporary_files())
    return left


def ids(client: redis.Redis, stream: str) -> list[str]:
    return sorted(orjson.loads(fields[b"data"])["id"] for _, fields in cast("Any", client.xrange(stream)))


def calls_of_a_quiet_day(folder: Path, server: Server, client: redis.Redis) -> list[str]:
    rig = Rig(folder, RedisRecords(client, Keys("imr")))
    drop(rig)
    assert run_in_child(rig, server, KilledForReal()) == 0
    check(rig, client)
    client.flushall()
    return (folder / "calls").read_text().splitlines()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call_and_every_change_of_the_share(
    tmp_path: Path, redis_server: Server, client: redis.Redis, when: When
) -> None:
    calls = calls_of_a_quiet_day(tmp_path / "quiet", redis_server, client)
    assert {"begin", "finish", "rename", "replace", "fsync", "makedirs"} <= set(calls)
    for number, name in enumerate(calls):
        client.flushall()
        rig = Rig(tmp_path / str(number), RedisRecords(client, Keys("imr")))
        drop(rig)
        assert run_in_child(rig, redis_server, KilledForReal(number, when)) == KILLED
        recover(rig, client)
        try:
            check(rig, client)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {number}, {name}") from error
