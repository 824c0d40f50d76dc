"""What each step of a letter's way costs, alone in one process: microseconds a letter, the best of several batches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from producer.claim import Claimer
from tests.benchmarks.throughput.contestants import SERVER
from tests.benchmarks.throughput.letters import stage
from tests.support.servers import running
from worker.adapters.celery.client import HintSender, make_app
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.folders import prepare
from worker.adapters.share.safe_read import FileContent, folders_held_open, read_file, unchanged
from worker.adapters.share.spool import ClaimedFile, Spool
from worker.contract.event import PUBLISHED, encode, event_id, make_event
from worker.contract.names import CLAIMED, INBOX, Keys
from worker.contract.redis_client import connect
from worker.extraction import Text, plain_text
from worker.processing.determination import Determiner
from worker.processing.records import Finish, Lease

Result = TypeVar("Result")

LETTERS: Final = 100
_BATCHES: Final = 8
_LEASE_MS: Final = 60_000


class Steps:
    """One batch after the other, each step timed; the least of each counts."""

    def __init__(self) -> None:
        self.us: dict[str, float] = {}

    def timed(self, name: str, do: Callable[[], Result]) -> Result:
        """Run a step for a whole batch."""
        began_s = time.perf_counter()
        result = do()
        us = (time.perf_counter() - began_s) / LETTERS * 1e6
        self.us[name] = min(us, self.us.get(name, us))
        return result


def measure() -> dict[str, float]:
    """Microseconds a letter, by step, in the order of a letter's way."""
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="imr-bench-") as name, running("valkey", **SERVER) as server:
        folder, client = Path(name), connect(server.url)
        prepare(folder / "share")
        hints = HintSender(make_app(server.url, "imr"))
        records = RedisRecords(client, Keys("imr"))
        for batch in range(_BATCHES):
            paths = stage(folder / "staging", "text", batch * LETTERS, LETTERS)
            for path in paths:
                path.rename(folder / "share" / INBOX / path.name)
            files = _claim(steps, folder / "share", paths)
            claim_ids = [file.claim_id for file in files]
            steps.timed("hint: one message for a hundred", partial(hints.send, claim_ids))
            _work(steps, Spool(folder / "share"), records, files)
        client.flushall()
        hints.close()
        client.close()
    return steps.us


def _claim(steps: Steps, share: Path, paths: Sequence[Path]) -> list[ClaimedFile]:
    claimer = Claimer(str(share), lambda: time.time_ns() // 1_000_000)
    claimed = steps.timed("claim: one rename", lambda: [claimer.claim(path.name) for path in paths])
    return [ClaimedFile(one, "", path.name) for one, path in zip(claimed, paths, strict=True) if one is not None]


def _work(steps: Steps, spool: Spool, records: RedisRecords, files: Sequence[ClaimedFile]) -> None:
    taken = steps.timed("read and hash", lambda: _take(spool, files))
    leases = [Lease(one.digest, file.claim_id, "token") for one, file in zip(taken, files, strict=True)]
    steps.timed("BEGIN", lambda: records.begin(leases, lease_ms=_LEASE_MS, max_attempts=3))
    texts = steps.timed("text", lambda: [plain_text.to_text(one.content, max_text_chars=1_000_000) for one in taken])
    events = _determine(steps, texts, files)
    steps.timed("look whether it was written to", lambda: _unchanged(spool, files, taken))
    finishes = [Finish(lease, 1, "published", "", event) for lease, event in zip(leases, events, strict=True)]
    steps.timed("FINISH: publish", lambda: records.finish(finishes))
    steps.timed("file away: look again, one rename", lambda: _file(spool, files, taken))


def _take(spool: Spool, files: Sequence[ClaimedFile]) -> list[FileContent]:
    with folders_held_open():
        return [read_file(spool.root, file.path, max_bytes=1_000_000) for file in files]


def _determine(steps: Steps, texts: Sequence[Text], files: Sequence[ClaimedFile]) -> list[bytes]:
    determine, day, now = (
        Determiner(read_parties=False, today=lambda: date(2026, 1, 1)),
        date(2026, 1, 1),
        datetime.now(UTC),
    )
    told = steps.timed("parse, validate, deadlines", lambda: [determine(text, day) for text in texts])
    events = [
        make_event(kind=PUBLISHED, identity=event_id("0" * 64, 1), site="bench", time=now, path=file.path, data=one)
        for one, file in zip(told, files, strict=True)
    ]
    return steps.timed("encode", lambda: [encode(event) for event in events])


def _unchanged(spool: Spool, files: Sequence[ClaimedFile], taken: Sequence[FileContent]) -> None:
    with folders_held_open():
        for file, one in zip(files, taken, strict=True):
            unchanged(spool.root, file.path, one.signature)


def _file(spool: Spool, files: Sequence[ClaimedFile], taken: Sequence[FileContent]) -> None:
    for file, one in zip(files, taken, strict=True):
        if unchanged(spool.root, file.path, one.signature):
            spool.move(file.path, file.path.replace(CLAIMED, "archive/2026/01/01", 1))
