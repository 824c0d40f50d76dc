"""A quick selection of the matrix, for every run of the suite; `make faults` runs all of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.faults.matrix import run
from tests.faults.nursery import Nursery
from tests.faults.points import Arm
from tests.faults.striking import Strike

pytestmark = pytest.mark.services

RECORDS = "worker.adapters.redis.records.RedisRecords"
SPOOL = "worker.adapters.share.spool.Spool"
SEND = "producer.dispatch.Outbox.send > worker.adapters.celery.client.HintSender._publish: redis LPUSH"
CLAIM = "producer.service.Producer.step > producer.claim.Claimer._claim: os.rename"
FINISH = f"worker.processing.finish_stage.FinishStage.__call__ > {RECORDS}._send: redis script finish"
BEGIN = f"worker.processing.begin_stage.BeginStage.__call__ > {RECORDS}._send: redis script begin"
ARCHIVE = f"worker.processing.filing._move > {SPOOL}.move: rename_no_replace"
WRITE = f"worker.processing.filing._move > {SPOOL}.write: file.write"
ACK = "worker.adapters.celery.transport.FailedAckQoS.ack: redis ZREM"
PARSE = (
    "worker.processing.decide_stage.DecideStage._decide > worker.processing.outcome.OutcomeBuilder._published: "
    "Determiner.__call__"
)

SELECTION = [
    Strike("producer", Arm(CLAIM, "after", "kill")),
    Strike("producer", Arm(SEND, "after", "kill")),
    Strike("producer", Arm(CLAIM, "before", "raise:ENOSPC")),
    Strike("producer", Arm(SEND, "before", "pause")),
    Strike("worker", Arm("celery: brpop read", "after", "kill")),
    Strike("worker", Arm(BEGIN, "after", "kill")),
    Strike("worker", Arm(PARSE, "before", "kill")),
    Strike("worker", Arm(FINISH, "before", "pause")),
    Strike("worker", Arm(FINISH, "after", "kill")),
    Strike("worker", Arm(FINISH, "after", "raise:connection")),
    Strike("worker", Arm(WRITE, "before", "raise:ENOSPC")),
    Strike("worker", Arm(ARCHIVE, "before", "raise:EROFS")),
    Strike("worker", Arm(ARCHIVE, "after", "raise:EIO")),
    Strike("worker", Arm(PARSE, "before", "stop")),
    Strike("worker", Arm(ACK, "before", "raise:timeout", times=3)),
    Strike("worker", Arm(FINISH, "before", "pause"), "restart"),
    Strike("worker", Arm(FINISH, "after", "kill"), "restart"),
    Strike("worker", Arm(FINISH, "before", "pause"), "forget_scripts"),
    Strike("worker", Arm(BEGIN, "after", "pause"), "out_of_memory"),
    Strike("worker", Arm(FINISH, "before", "pause"), "read_only"),
    Strike("producer", Arm(SEND, "after", "pause"), "read_only"),
    Strike("producer", Arm(SEND, "after", "pause"), "out_of_memory"),
    *(Strike("proxy", Arm(command, "before", action)) for command in ("finish", "LPUSH") for action in ("cut", "drop")),
]


def test_a_strike_at_each_kind_of_step_loses_and_doubles_nothing(nest: Nursery) -> None:
    with tempfile.TemporaryDirectory(prefix="imr-faults-") as folder:
        result = run(SELECTION, nest, Path(folder), lanes=7)
    assert result.is_clean, result.report()
    assert [str(outcome.strike) for outcome in result.outcomes if not outcome.fired] == []
    assert result.letters >= 5 * len(SELECTION), "fewer letters than promised"
