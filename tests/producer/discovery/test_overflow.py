"""The kernel's own queue overflows: a producer that is stopped while more files come than it keeps events for."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producer.doubles import Share
from tests.producer.test_process import DURABLE, process
from tests.support.servers import Server, running
from tests.support.waiting import eventually
from worker.adapters.redis.producer_reports import ProducerReport, producer_reports
from worker.contract.names import Keys

FILES = 20_000
MOST_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture
def quick_share() -> Iterator[Share]:
    """In memory where there is a file system in memory: making so many files takes minutes on a busy disk."""
    top = Path(tempfile.mkdtemp(prefix="imr-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    yield Share(top / "share")  # the producer's log is put beside it
    shutil.rmtree(top)


def report(server: Server) -> ProducerReport:
    with contextlib.closing(server.client()) as client:
        return next(iter(producer_reports(client, Keys("imr"))), ProducerReport())


@pytest.mark.skipif(int(MOST_EVENTS.read_text()) >= FILES, reason="this kernel keeps more events than the test makes")
def test_every_file_is_claimed_and_the_overflow_is_counted(quick_share: Share) -> None:
    settings = {"IMR_MAX_CLAIMED_LETTERS": "100000", "IMR_WATCH": "events", "IMR_SETTLE_SECONDS": "0.3"}
    with running("valkey", **DURABLE) as server, process(quick_share, server.url, **settings) as producer:
        producer.says("the inbox is watched")
        producer.send(signal.SIGSTOP)
        for number in range(FILES):
            os.mknod(quick_share.inbox / f"{number:05}.pdf")
        producer.send(signal.SIGCONT)
        # The kernel says so at the end of its queue: behind 16,000 events, which take their time on a busy machine.
        eventually(lambda: report(server).repairs.get("overflow"), "the overflow to be reported", 60)
        eventually(lambda: not quick_share.waiting_paths(), "the inbox to be empty", 60)
        assert len(quick_share.claimed()) == FILES
        assert report(server).repairs == {"overflow": 1}
