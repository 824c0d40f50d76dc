"""A bench: one share, one Redis behind a proxy, producer and workers with failpoints, and what was dropped."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import orjson
import redis

from tests.faults.letters import Letter
from tests.faults.nursery import Nursery, Service
from tests.faults.proxy import Proxy, proxy
from tests.faults.server import FaultyServer, faulty_server
from tests.support.system import QUICK
from tests.support.waiting import eventually
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.folders import PROBE_PREFIX
from worker.adapters.share.spool import Spool
from worker.contract.claim_ids import SEPARATOR, new_claim_id
from worker.contract.filenames import CANARY_PREFIX
from worker.contract.names import CLAIMED, FOLDERS, INBOX, Keys
from worker.contract.redis_client import connect
from worker.operations.repair import Sweeper

SOLO: Final = ("--pool", "solo")
DONE_TIMEOUT_S: Final = 90.0
"""Far beyond lease, hint timeout and reap interval, for machines that are busy with other things."""
POLL_S: Final = 0.03
DAY_S: Final = 86_400.0
MAX_LETTER_BYTES: Final = 1_000_000

OURS: Final = ".imr-"
"""A temporary file of this system."""
LEFT_BEHIND: Final = "left-behind"
"""End of the name of a probe that a producer removes after its start, with its first scan."""


class NotSettled(AssertionError):
    """Letters wait and no service works on them."""


class Bench:
    """Keeps a system running whatever is done to it."""

    def __init__(
        self, folder: Path, nursery: Nursery, server: FaultyServer, before: Proxy, settings: Mapping[str, str]
    ) -> None:
        self.folder: Final = folder
        self.share: Final = folder / "share"
        self.nursery: Final = nursery
        self.server: Final = server
        self.proxy: Final = before
        self.keys: Final = Keys("imr")
        self.dropped: list[Letter] = []
        self.services: dict[str, Service] = {}
        self.ends: list[tuple[str, int]] = []
        """(role, exit status) of every service that ended by itself."""
        self.excused = 0
        """Letters that a fault of the harness sent to review as `internal`; a person must have tried them again."""
        self.forgot = False
        """Whether Redis has lost something: how often a letter came is not in the files."""
        self._settings = settings
        self._arguments: dict[str, Sequence[str]] = {}
        self._client = connect(server.url)
        self._aside = itertools.count()
        for name in FOLDERS:
            (self.share / name).mkdir(parents=True, exist_ok=True)

    def control(self, role: str) -> Path:
        """The control folder of a service's failpoints."""
        path = self.folder / "control" / role
        path.mkdir(parents=True, exist_ok=True)
        return path

    def environment(self, role: str) -> dict[str, str]:
        """The environment of a service."""
        return {
            **QUICK,
            "IMR_SHARE": str(self.share),
            "IMR_STATE_DIR": str(self.folder / "state"),
            "IMR_REDIS_URL": self.proxy.url,
            "IMR_MIN_FREE_DISK_BYTES": "1",
            "IMR_TRIM_SECONDS": "2",
            "IMR_FAULTS": str(self.control(role)),
            **self._settings,
        }

    def start(self, name: str, arguments: Sequence[str] | None = None) -> Service:
        """Start (again) a service by its name: `producer`, `worker`, or either with a number behind it."""
        role = name.rstrip("0123456789")
        if arguments is None:
            arguments = self._arguments.get(name, SOLO if role == "worker" else ())
        self._arguments[name] = arguments
        if role == "producer":
            leave_probes(self.share)
        log = self.folder / f"{name}.log"
        self.services[name] = self.nursery.start(role, self.environment(name), self.folder, log, arguments)
        return self.services[name]

    def command(self, *arguments: str, name: str = "imr") -> tuple[int, str]:
        """Run an `imr` command to its end: exit status and what it said."""
        log = self.folder / f"{name}.out"
        log.unlink(missing_ok=True)
        service = self.nursery.start("imr", self.environment(name), self.folder, log, arguments)
        status = service.wait(60)
        return status, log.read_text(errors="replace")

    def keep_running(self) -> None:
        """Start again what has ended, as a supervisor does."""
        for name, service in list(self.services.items()):
            if not service.is_running():
                self.ends.append((name, self.nursery.ended[service.pid]))
                self.start(name)
        self.server.start()

    def stop(self, name: str) -> int:
        """Stop a service, which stays stopped."""
        return self.services.pop(name).stop()

    def drop(self, letters: Iterable[Letter]) -> None:
        """Put letters into the inbox, written aside and renamed."""
        for letter in letters:
            target = self.share / INBOX / letter.name
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = self.share / f"aside-{next(self._aside)}"
            aside.write_bytes(letter.content)
            aside.rename(target)
            self.dropped.append(letter)

    def orphan(self, letter: Letter) -> None:
        """Put a letter into `claimed/` as a producer that died before it could hint it."""
        name = new_claim_id(time.time_ns() // 1_000_000) + SEPARATOR + letter.name.rpartition("/")[2]
        (self.share / CLAIMED / name).write_bytes(letter.content)
        self.dropped.append(letter)

    def waiting(self) -> list[str]:
        """Letters in inbox and claimed/, and probes that a producer has yet to remove."""
        return [
            os.path.join(folder, name)
            for top in (INBOX, CLAIMED)
            for folder, _, names in os.walk(self.share / top)
            for name in names
            if not name.startswith(OURS) or name.endswith(LEFT_BEHIND)
        ]

    def is_done(self) -> bool:
        """Whether nothing waits any more."""
        return not self.waiting()

    def settle(self, timeout_s: float = DONE_TIMEOUT_S, meanwhile: Callable[[], None] | None = None) -> float:
        """Wait until nothing waits, keeping the services running; how long it took, in seconds."""
        began_s = time.monotonic()
        while not self.is_done():
            left = self.waiting()
            waited_s = time.monotonic() - began_s
            if waited_s > timeout_s:
                raise NotSettled(f"waited {waited_s:.0f} s, {len(left)} files left")
            self.keep_running()
            if meanwhile is not None:
                meanwhile()
            time.sleep(POLL_S)
        return time.monotonic() - began_s

    def wait_for_producer(self) -> None:
        """Wait until a producer reports."""
        try:
            eventually(self._reports, "a report of the producer", timeout_s=60)
        except AssertionError as error:
            raise NotSettled(f"{error}\n{self.story()}") from None

    def _reports(self) -> bool:
        self.keep_running()
        with contextlib.suppress(redis.RedisError):
            return bool(self._client.exists(self.keys.producers))
        return False

    def is_trusted(self) -> bool:
        """Whether the producers know this Redis, and nothing is being held against its records any more."""
        self.keep_running()
        with contextlib.suppress(redis.RedisError):
            known, run_id = self._client.hgetall(self.keys.server), self._client.info("server")["run_id"]
            return {b"run_id": run_id.encode()}.items() <= known.items() and b"checking" not in known
        return False

    def recover(self) -> float:
        """Wait until Redis is trusted and nothing waits; how long it took, in seconds."""
        began_s = time.monotonic()
        eventually(self.is_trusted, "a Redis that is trusted", timeout_s=DONE_TIMEOUT_S)
        self.settle()
        return time.monotonic() - began_s

    def client(self) -> redis.Redis:
        """A client past the proxy."""
        return self._client

    def logs(self) -> dict[str, str]:
        """What everybody said."""
        paths = [*self.folder.glob("*.log"), *self.folder.glob("*.out"), self.server.log]
        return {path.name: path.read_text(errors="replace") for path in paths if path.exists()}

    def story(self) -> str:
        """What waits, and the ends of the logs, for a test that fails."""
        waiting = [path.removeprefix(str(self.share)) for path in self.waiting()[:4]]
        ends = [f"--- {name}\n{text[-500:]}" for name, text in self.logs().items() if name != "server.log"]
        return "\n".join([f"waiting: {waiting}", *ends])

    def redrive(self, code: str) -> int:
        """Have a person try every dead letter of that code again; how many there were."""
        status, said = self.command("dead-letters", "list", "--json")
        assert status == 0, said
        again = [item["id"] for item in map(orjson.loads, said.splitlines()) if item["code"] == code]
        for identity in again:
            status, said = self.command("dead-letters", "redrive", identity)
            assert status == 0, said
        return len(again)

    def sweep(self) -> None:
        """A day later: what crashes have left behind is swept."""
        records = RedisRecords(self._client, self.keys)
        sweeper = Sweeper(Spool(self.share), records, MAX_LETTER_BYTES, lambda: time.time() + DAY_S)
        list(sweeper.sweep())

    def close(self) -> None:
        """Stop every service; one that is stopped by SIGSTOP is continued first."""
        for service in self.services.values():
            service.signal(signal.SIGCONT)
            service.signal(signal.SIGTERM)
        for service in self.services.values():
            with contextlib.suppress(AssertionError):
                service.wait(15)
            service.kill()
        self._client.close()


def leave_probes(share: Path) -> None:
    """What a producer that was killed long ago has left of its looks at the share."""
    for prefix in (PROBE_PREFIX, CANARY_PREFIX):
        left = share / INBOX / f"{prefix}{LEFT_BEHIND}"
        left.touch()
        os.utime(left, (0, 0))


@contextlib.contextmanager
def bench(
    folder: Path,
    nursery: Nursery,
    *,
    settings: Mapping[str, str] | None = None,
    server: Mapping[str, str] | None = None,
    share_on: Callable[[Path], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> Iterator[Bench]:
    """A bench with nothing running but its Redis; `share_on` makes the ground on which its share lies."""
    with (
        share_on(folder / "share"),
        faulty_server(folder / "redis", **(server or {})) as redis_server,
        proxy(str(redis_server.socket)) as before,
    ):
        made = Bench(folder, nursery, redis_server, before, settings or {})
        try:
            yield made
        finally:
            made.close()
