"""Producers and workers of neighbouring versions side by side: nothing is lost, whichever comes first."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path
from typing import Any, Final

from tests.support.many_letters import numbered_letters
from tests.support.services import Services, running_services
from tests.support.waiting import eventually
from worker.contract.claim_ids import new_claim_id
from worker.contract.names import CLAIMED, LETTERS_QUEUE

REFUSED: Final = "hint refused: unknown hint version 2: this worker knows 1"
LETTERS: Final = numbered_letters(5)

OF_0_1_0: Final = {
    "body": '[[], {"version": 1, "claim_ids": CLAIMS}, {"callbacks": null, "errbacks": null, "chain": null}]',
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py", "task": "imr.letters", "id": "2f820ad1-8ac1-4227-9930-1434659fec80", "shadow": None, "eta": None,
        "expires": None, "group": None, "group_index": None, "retries": 0, "timelimit": [None, None],
        "root_id": "2f820ad1-8ac1-4227-9930-1434659fec80", "parent_id": None, "argsrepr": "()",
        "kwargsrepr": "(1 letter: 01m801adnmx8x48pjq8p)", "origin": "gen5332@vm", "ignore_result": True,
        "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
    },
    "properties": {
        "correlation_id": "2f820ad1-8ac1-4227-9930-1434659fec80", "reply_to": "6a6d3b53-3f8c-351f-9f43-7c4ebfb23145",
        "argsrepr": "()", "kwargsrepr": "(1 letter: 01m801adnmx8x48pjq8p)", "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "letters"}, "priority": 0, "body_encoding": "base64",
        "delivery_tag": "691a1de8-d30c-40ba-ac93-66a8058739b4",
    },
}  # fmt: skip
"""An item of the queue as the producer of version 0.1.0 wrote it with Celery 5.7: kept as it is, whatever comes."""


def check_all_published(services: Services, count: int) -> None:
    eventually(lambda: len(services.published()) == count, f"{count} events", timeout_s=60)
    eventually(lambda: not services.claimed(), "every letter filed away", timeout_s=30)
    assert len(set(services.published())) == count
    assert services.status()["unexplained"] == 0


def test_hints_of_a_newer_producer_wait_for_a_worker_that_knows_them(tmp_path: Path) -> None:
    """The producer was upgraded first: the old worker refuses, the reaper repeats, and the new worker does the work."""
    with running_services(tmp_path) as services:
        services.producer("tests.support.newer_producer")
        old = services.worker()
        for name, content in LETTERS.items():
            services.drop(content, name)
        eventually(lambda: old.said().count(REFUSED) >= 2, "the hints to be refused and sent again", timeout_s=60)
        assert services.published() == []
        assert len(services.claimed()) == len(LETTERS)

        services.worker("tests.support.newer_app")
        old.send(signal.SIGTERM)
        old.ends(30)
        check_all_published(services, len(LETTERS))


def test_older_hints_and_fields_that_nobody_knows_are_understood(tmp_path: Path) -> None:
    """The workers were upgraded first, or a message waited on the queue for the whole upgrade: no reaper is needed."""
    with running_services(tmp_path) as services:
        worker = services.worker()
        for number, (name, content) in enumerate(LETTERS.items()):
            claim_id = new_claim_id(1_750_000_000_000)
            (services.share / CLAIMED / f"{claim_id}~{name}").write_bytes(content)
            unknown = {"urgent": True} if number == 0 else {}
            services.client.lpush(f"{services.keys.broker}{LETTERS_QUEUE}", item([claim_id], **unknown))
        check_all_published(services, len(LETTERS))
        assert "hint with unknown fields ignored" in worker.said()


def item(claim_ids: list[str], **unknown: Any) -> bytes:
    """An item of the queue for these claims."""
    args, kwargs, embed = json.loads(str(OF_0_1_0["body"]).replace("CLAIMS", json.dumps(claim_ids)))
    body = json.dumps([args, {**kwargs, **unknown}, embed]).encode()
    return json.dumps({**OF_0_1_0, "body": base64.b64encode(body).decode()}).encode()
