"""deploy/kubernetes-keda: KEDA counts keys that exist, and may reach nothing else."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from tests.deploy.deployed import BIN, DEPLOY, documents
from tests.support.letters import LONG_MS, claim, lease
from tests.support.servers import Server
from worker.adapters.celery.client import HintSender, make_app
from worker.adapters.redis.records import RedisRecords
from worker.contract.names import LETTERS_QUEUE, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings

BASE = DEPLOY / "kubernetes"
FOLDER = DEPLOY / "kubernetes-keda"
(KUSTOMIZATION,) = documents(FOLDER / "kustomization.yaml")
SCALED, AUTHENTICATION = documents(FOLDER / "scaling.yaml")
KEYS = Keys("imr")

COUNTED_BY_KEDA = {b"list": "llen", b"zset": "zcard", b"set": "scard", b"hash": "hlen"}
"""What the redis scaler asks for each type of key."""


def triggers() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = SCALED["spec"]["triggers"]
    return listed


def test_it_counts_the_queue_and_what_is_begun() -> None:
    assert [trigger["metadata"]["listName"] for trigger in triggers()] == [KEYS.broker + LETTERS_QUEUE, KEYS.open]


def test_both_keys_grow_with_what_waits(redis_server: Server) -> None:
    """The names and types are Celery's and the records', as they are in a server."""
    hints = HintSender(make_app(redis_server.url, "imr"))
    with contextlib.closing(connect(redis_server.url)) as client:
        for number in range(3):
            hints.send([claim(number)])
        RedisRecords(client, KEYS).begin([lease("a letter", claim())], lease_ms=LONG_MS, max_attempts=3)
        counted = []
        for trigger in triggers():
            key = trigger["metadata"]["listName"]
            kind = bytes(cast("bytes", client.type(key)))
            counted.append(client.execute_command(COUNTED_BY_KEDA[kind], key))  # type: ignore[no-untyped-call]
        assert counted == [3, 1]
        client.delete(KEYS.broker + LETTERS_QUEUE)
    hints.close()


def test_a_flood_makes_the_queue_long_enough_for_every_pod() -> None:
    """The producer stops claiming at a limit, and what it has not claimed is on no queue."""
    (settings,) = KUSTOMIZATION["configMapGenerator"]
    assert (settings["name"], settings["behavior"]) == ("imr-settings", "merge")
    set_to = dict(literal.split("=") for literal in settings["literals"])
    hints = int(set_to["IMR_MAX_CLAIMED_LETTERS"]) // Settings.model_fields["batch_letters"].default
    assert hints >= int(triggers()[0]["metadata"]["listLength"]) * SCALED["spec"]["maxReplicaCount"]


def test_it_scales_the_workers_and_nothing_else_says_how_many() -> None:
    assert SCALED["spec"]["scaleTargetRef"] == {"name": "imr-worker"}
    assert SCALED["spec"]["minReplicaCount"] >= 1
    (patch,) = KUSTOMIZATION["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "imr-worker"}
    assert "path: /spec/replicas" in patch["patch"]


def test_it_asks_the_redis_of_the_manifests_with_its_password() -> None:
    (service,) = [document for document in documents(BASE / "redis.yaml") if document["kind"] == "Service"]
    (port,) = service["spec"]["ports"]
    assert {trigger["metadata"]["address"] for trigger in triggers()} == {
        f"{service['metadata']['name']}:{port['port']}"
    }
    assert {trigger["authenticationRef"]["name"] for trigger in triggers()} == {AUTHENTICATION["metadata"]["name"]}
    (secret,) = documents(BASE / "secret.example.yaml")
    (asked,) = AUTHENTICATION["spec"]["secretTargetRef"]
    assert asked == {"parameter": "password", "name": secret["metadata"]["name"], "key": "redis-password"}


def test_kubernetes_accepts_the_policy_and_every_manifest_is_listed() -> None:
    policy = FOLDER / "network-policy.yaml"
    done = subprocess.run(
        [str(BIN / "kubernetes-validate"), "--strict", "-k", "1.37", str(policy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {name for name in KUSTOMIZATION["resources"] if name != "../kubernetes"}
    assert listed == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}


def test_kustomize_builds_it_without_a_number_of_workers(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = tmp_path / "whole.yaml"
    whole.write_text(done.stdout)
    (worker,) = [
        document
        for document in documents(whole)
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "imr-worker"
    ]
    assert "replicas" not in worker["spec"]
    (settings,) = [
        document
        for document in documents(whole)
        if document["kind"] == "ConfigMap" and "IMR_SHARE" in (document.get("data") or {})
    ]
    assert settings["data"]["IMR_MAX_CLAIMED_LETTERS"] == "20000"
