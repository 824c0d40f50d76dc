"""deploy/kubernetes: valid by the schemas of Kubernetes, restricted, and reachable from nowhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.deployed import BIN, DEPLOY, documents, in_container, services

FOLDER = DEPLOY / "kubernetes"
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
OLDEST, NEWEST = "1.31", "1.37"
"""persistentVolumeClaimRetentionPolicy is on by default since 1.27; what is older than 1.31 is not maintained."""

(KUSTOMIZATION,) = documents(FOLDER / "kustomization.yaml")
OBJECTS = [manifest for name in KUSTOMIZATION["resources"] for manifest in documents(FOLDER / name)]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [manifest for manifest in OBJECTS if manifest["kind"] in kinds]


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


WORKLOADS = of_kind("Deployment", "StatefulSet")
each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=named)


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = workload["spec"]["template"]["spec"]
    return pod


def container_of(component: str) -> dict[str, Any]:
    (workload,) = (manifest for manifest in WORKLOADS if manifest["metadata"]["labels"][COMPONENT] == component)
    (container,) = pod_of(workload)["containers"]
    typed: dict[str, Any] = container
    return typed


def validated(version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "kubernetes-validate"), "--strict", "-k", version, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_the_manifests(version: str) -> None:
    done = validated(version, *MANIFESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(OBJECTS) + 1, "the objects, and the secret's example"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = tmp_path / "whole.yaml"
    whole.write_text(done.stdout)
    return whole


def test_kustomize_builds_what_kubernetes_accepts(built: Path) -> None:
    done = validated(NEWEST, built)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [manifest["kind"] for manifest in documents(built)]
    assert len(kinds) == len(OBJECTS) + len(KUSTOMIZATION["configMapGenerator"])
    assert kinds.count("Secret") == 0


def test_kustomize_changes_no_selector(built: Path) -> None:
    """A label that it added to every selector would cut the services off from the name server."""
    before = {named(manifest): manifest["spec"] for manifest in of_kind("NetworkPolicy")}
    after = {named(manifest): manifest["spec"] for manifest in documents(built) if manifest["kind"] == "NetworkPolicy"}
    assert after == before


def test_every_manifest_is_built() -> None:
    assert {path.name for path in MANIFESTS} - set(KUSTOMIZATION["resources"]) == {"secret.example.yaml"}


@pytest.mark.parametrize("manifest", OBJECTS, ids=named)
def test_objects_are_ours_and_in_no_namespace(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["name"].startswith("imr-")
    assert manifest["metadata"]["labels"][NAME] == "imr-intake"
    assert "namespace" not in manifest["metadata"]


@each_workload
def test_selectors_are_of_one_workload_alone(workload: dict[str, Any]) -> None:
    labels = workload["metadata"]["labels"]
    assert set(labels) == {NAME, COMPONENT}
    assert workload["spec"]["selector"]["matchLabels"] == labels
    assert workload["spec"]["template"]["metadata"]["labels"] == labels


@each_workload
def test_pods_keep_to_the_restricted_profile(workload: dict[str, Any]) -> None:
    pod = pod_of(workload)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not any("hostPath" in volume for volume in pod["volumes"])
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any("hostPort" in port for port in container.get("ports", ()))


@each_workload
def test_pods_are_watched_and_bounded(workload: dict[str, Any]) -> None:
    (container,) = pod_of(workload)["containers"]
    assert {"readinessProbe", "livenessProbe"} <= set(container)
    assert container["resources"]["limits"]["memory"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_images_are_those_of_compose() -> None:
    tags = {image["name"]: image["newTag"] for image in KUSTOMIZATION["images"]}
    assert {pod_of(manifest)["containers"][0]["image"] for manifest in WORKLOADS} == set(tags)
    of_compose = {service["image"].partition(":-")[2].rstrip("}") for service in services().values()}
    assert {f"{name}:{tag}" for name, tag in tags.items()} == of_compose


def test_redis_runs_as_in_compose_with_the_same_file() -> None:
    assert (FOLDER / "redis.conf").read_bytes() == (DEPLOY / "redis.conf").read_bytes()
    assert container_of("redis")["command"] == in_container(services()["redis"]["command"])


@pytest.mark.parametrize("component", ["producer", "worker"])
def test_services_run_the_commands_of_compose(component: str) -> None:
    of_compose = [word.replace("${WORKER_PROCESSES:-2}", "2") for word in services()[component]["command"]]
    assert container_of(component)["args"] == of_compose


def test_flower_runs_the_command_of_compose_and_only_with_a_login() -> None:
    script = container_of("flower")["command"][2]
    assert script == f'test -n "$FLOWER_BASIC_AUTH" && exec {" ".join(services()["flower"]["command"])}'


def test_a_worker_stops_softly() -> None:
    (worker,) = (manifest for manifest in WORKLOADS if manifest["metadata"]["name"] == "imr-worker")
    assert {"name": "REMAP_SIGTERM", "value": "SIGQUIT"} in container_of("worker")["env"]
    assert pod_of(worker)["terminationGracePeriodSeconds"] >= 20


def test_there_is_one_producer_at_a_time() -> None:
    (producer,) = (manifest for manifest in WORKLOADS if manifest["metadata"]["name"] == "imr-producer")
    assert producer["spec"]["replicas"] == 1
    assert producer["spec"]["strategy"] == {"type": "Recreate"}


def test_only_producer_and_worker_see_the_share() -> None:
    with_share = [
        manifest["metadata"]["name"]
        for manifest in WORKLOADS
        if any("persistentVolumeClaim" in volume for volume in pod_of(manifest)["volumes"])
    ]
    assert sorted(with_share) == ["imr-producer", "imr-worker"]
    (claim,) = of_kind("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_no_service_is_reachable_from_outside() -> None:
    for service in of_kind("Service"):
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
        assert "externalIPs" not in service["spec"]
    assert not of_kind("Ingress", "Gateway", "HTTPRoute")


def test_pods_have_no_connection_without_a_rule() -> None:
    policies = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind("NetworkPolicy")}
    assert policies["imr-nothing"] == {
        "podSelector": {"matchLabels": {NAME: "imr-intake"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    let_in = [name for name, spec in policies.items() if "ingress" in spec]
    assert let_in == ["imr-redis"], "Flower is reached by port-forward alone"
    let_out = [rule["ports"][0]["port"] for spec in policies.values() for rule in spec.get("egress", ())]
    assert let_out == [6379, 53]


def test_the_secret_has_no_values() -> None:
    (secret,) = documents(FOLDER / "secret.example.yaml")
    assert set(secret["stringData"].values()) == {""}
    asked = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for workload in WORKLOADS
        for variable in pod_of(workload)["containers"][0]["env"]
        if "valueFrom" in variable
    }
    assert set(secret["stringData"]) == asked
    assert "optional" not in yaml.safe_dump(OBJECTS)
