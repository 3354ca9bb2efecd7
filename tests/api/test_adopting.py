"""docs/adopting.md, command by command, on a live Service that was there before udplb."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.process import wait_until
from tests.lab.webhook import Namespaces, wait_until_audited
from webhook.admission import WARNING_CHARACTERS

pytestmark = pytest.mark.cluster

DOCUMENT = (Path(__file__).parents[2] / "docs/adopting.md").read_text()
ATTRIBUTES = "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"
SECONDS = 30.0
LABELS = {"app": "game", "pod-template-hash": "5d9f"}
SERVICE = {
    "metadata": {
        "name": "game",
        "finalizers": ["service.k8s.aws/resources"],
        "annotations": {"service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip"},
    },
    "spec": {
        "type": "LoadBalancer",
        "loadBalancerClass": "service.k8s.aws/nlb",
        "selector": {"app": "game"},
        "ports": [{"port": 7777, "protocol": "UDP"}],
    },
}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [{"name": "game", "image": "game"}]},
}
DEPLOYMENT = {
    "metadata": {"name": "game"},
    "spec": {"selector": {"matchLabels": {"app": "game"}}, "template": TEMPLATE},
}
REPLICA_SET = [
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "game-5d9f", "uid": "u", "controller": True}
]


def commands(heading: str) -> list[str]:
    """What the section tells to type, in order."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        line.strip()
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.strip().splitlines()
    ]


class Adopter:
    """Somebody who follows the document, in a namespace of his own, and the controllers that are not here."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.made = 0

    def path(self, kind: str) -> str:
        group = "apis/apps/v1" if kind.startswith("deployments") else "api/v1"
        return f"/{group}/namespaces/{self.namespace}/{kind}"

    def set_up(self) -> None:
        for kind, body in (("services", SERVICE), ("deployments", DEPLOYMENT)):
            answer = self.cluster.request("POST", self.path(kind), body)
            assert answer.status == 201, answer.body
        status = {"status": {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}}
        assert self.cluster.request("PATCH", self.path("services/game/status"), status).status == 200
        self.roll()

    def type(self, command: str) -> list[str]:
        """The warnings that kubectl shows."""
        program, *words = shlex.split(command)
        assert program == "kubectl"
        done = self.cluster.kubectl(*(self.namespace if word == "games" else word for word in words))
        return [line.removeprefix("Warning: ") for line in done.stderr.splitlines()]

    def restart(self, command: str) -> None:
        """kubectl stamps a restart with its second, and takes one a second."""
        words = [self.namespace if word == "games" else word for word in shlex.split(command)[1:]]
        wait_until(lambda: self.cluster.kubectl(*words, check=False).returncode == 0, "restart", SECONDS)

    def roll(self) -> list[bool]:
        """Three new pods as a ReplicaSet makes them, the old ones gone; whether each has a sidecar."""
        for pod in self.pods():
            self.cluster.request("DELETE", self.path(f"pods/{pod['metadata']['name']}?gracePeriodSeconds=0"))
        for _ in range(3):
            self.made += 1
            metadata = {"name": f"game-{self.made}", "labels": LABELS, "ownerReferences": REPLICA_SET}
            answer = self.cluster.request("POST", self.path("pods"), TEMPLATE | {"metadata": metadata})
            assert answer.status == 201, answer.body
        return [bool(pod["spec"].get("initContainers")) for pod in self.pods()]

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cluster.request("GET", self.path("pods")).body["items"]
        return found

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.request("GET", self.path("services/game")).body
        return found

    def gets_sidecars(self) -> bool:
        metadata = {"name": "probe", "labels": LABELS}
        body = self.cluster.request(
            "POST", self.path("pods?dryRun=All"), TEMPLATE | {"metadata": metadata}
        ).body
        return bool(body["spec"].get("initContainers"))


@pytest.fixture
def adopter(cluster: ControlPlane, namespace: Namespaces) -> Adopter:
    made = Adopter(cluster, namespace({}))
    made.set_up()
    return made


def test_a_live_service_is_adopted_and_let_go_as_the_document_says(adopter: Adopter) -> None:
    before = adopter.service()["spec"]
    audit, ask, widen, enable, restart, narrow = commands("In")
    assert adopter.type(audit) == []
    wait_until_audited(adopter.cluster, adopter.namespace)

    said: list[str] = []

    def pods_in_sight() -> bool:  # the list behind the count may be late on a busy machine
        said[:] = [line for line in adopter.type(ask) if "UDPLB402" in line]
        return len(said) > 1

    wait_until(pods_in_sight, "count of pods", SECONDS)
    assert "of 3 pods in sight 3 have no sidecar (deployment/game)" in said[0]
    assert f"rollout restart {restart.rpartition(' ')[2]}" in said[1]
    assert "set both target_group_health percentages to off" in said[2]
    assert all(line.startswith("audit: ") and len(line) <= WARNING_CHARACTERS for line in said)
    assert ATTRIBUTES not in adopter.service()["metadata"]["annotations"]

    adopter.type(widen)
    assert adopter.roll() == [False] * 3
    adopter.type(enable)
    wait_until(adopter.gets_sidecars, "injection", SECONDS)
    adopter.restart(restart)
    assert adopter.roll() == [True] * 3
    assert [line for line in adopter.type(narrow) if "UDPLB402" in line] == []
    assert adopter.service()["spec"] == before
    assert adopter.service()["metadata"]["annotations"][ATTRIBUTES].count("=off") == 2

    widen, leave, restart, narrow = commands("Out")
    adopter.type(widen)
    adopter.type(leave)
    wait_until(lambda: not adopter.gets_sidecars(), "end of injection", SECONDS)
    adopter.restart(restart)
    assert adopter.roll() == [False] * 3
    assert adopter.type(narrow) == []
    assert adopter.service()["spec"] == before


def test_the_first_step_is_what_the_webhook_says(adopter: Adopter) -> None:
    widen = commands("In")[2]
    adopter.type(commands("In")[0])
    wait_until_audited(adopter.cluster, adopter.namespace)
    change = "kubectl -n games annotate --dry-run=server service game example.com/a=b"
    said: list[str] = []

    def told() -> bool:
        said[:] = [line for line in adopter.type(change) if "step 1" in line]
        return bool(said)

    wait_until(told, "first step", SECONDS)
    attributes = widen.partition(f"{ATTRIBUTES}=")[2]
    assert f"step 1: {attributes}. See" in said[0]
