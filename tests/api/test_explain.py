"""`udplb explain` against a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.lab.control_plane import ControlPlane
from tests.lab.webhook import Namespaces
from webhook.cli.explain import app

pytestmark = pytest.mark.cluster

GAME = str(Path(__file__).parents[2] / "docs/examples/game-server.yaml")
Explain = Callable[..., Result]


@pytest.fixture
def name(cluster: ControlPlane, namespace: Namespaces) -> str:
    """A namespace with the README's game server, and one pod of its Deployment."""
    name = namespace()
    cluster.kubectl("apply", "-n", name, "-f", GAME)
    deployment = cluster.request("GET", f"/apis/apps/v1/namespaces/{name}/deployments/game").body
    template = deployment["spec"]["template"]
    create_pod(
        cluster, name, {"metadata": {**template["metadata"], "name": "game-0"}, "spec": template["spec"]}
    )
    return name


def create_pod(cluster: ControlPlane, name: str, pod: dict[str, Any]) -> None:
    answer = cluster.request("POST", f"/api/v1/namespaces/{name}/pods", pod)
    assert answer.status == 201, answer.body


def explain(cluster: ControlPlane, name: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "-n", name, "--kubeconfig", str(cluster.kubeconfig)])


def told(cluster: ControlPlane, name: str, what: str) -> dict[str, Any]:
    done = explain(cluster, name, what, "-o", "json")
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_service_is_drawn_with_the_pods_that_answer_its_checks(cluster: ControlPlane, name: str) -> None:
    done = explain(cluster, name, "svc/game")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "built by the AWS Load Balancer Controller (class service.k8s.aws/nlb)" in done.stdout
    assert "answered by the sidecar of Pod/game-0 on TCP 7777\n" in done.stdout


def test_an_injected_pod_is_intact_and_not_stale(cluster: ControlPlane, name: str) -> None:
    answer = told(cluster, name, "pod/game-0")
    assert (answer["injected"], answer["sidecar"], answer["stale"]) == (True, "intact", False)
    assert answer["ports"] == {"7777": "service/game"}
    assert "not stale: " in explain(cluster, name, "pod/game-0").stdout


def test_a_pod_becomes_stale_when_its_service_asks_for_another_port(cluster: ControlPlane, name: str) -> None:
    body = {"spec": {"ports": [{"name": "query", "port": 7778, "protocol": "UDP"}]}}
    assert cluster.request("PATCH", f"/api/v1/namespaces/{name}/services/game", body).status == 200
    assert told(cluster, name, "pod/game-0")["stale"] is True
    assert "stale: its status names other ports" in explain(cluster, name, "po/game-0").stdout
    assert "game-0: sidecar intact, stale" in explain(cluster, name, "deploy/game").stdout


def test_pods_without_a_sidecar_are_counted_with_the_safe_order(cluster: ControlPlane, name: str) -> None:
    bare = {
        "metadata": {"name": "old", "labels": {"app": "game", "udplb/inject": "false"}},
        "spec": {"containers": [{"name": "game", "image": "game:1", "ports": GAME_PORTS}]},
    }
    create_pod(cluster, name, bare)
    relabelled = {"metadata": {"labels": {"udplb/inject": None}}}
    assert cluster.request("PATCH", f"/api/v1/namespaces/{name}/pods/old", relabelled).status == 200
    shown = explain(cluster, name, "svc/game").stdout
    counted = "of 2 pods in sight 1 have no sidecar (pod/old): the first green target takes all traffic"
    assert f"warned: UDPLB402 spec.selector: {counted}; go step by step\n" in shown
    assert "the sidecar of Pod/old on TCP 7777 (it is absent now)" in shown
    steps = [line.partition(": step ")[2][:2] for line in shown.splitlines() if ": step " in line]
    assert steps == ["1:", "2:", "3:"]


GAME_PORTS = [{"name": "game", "containerPort": 7777, "protocol": "UDP"}]


def test_what_is_not_in_the_cluster_is_one_line(cluster: ControlPlane, name: str) -> None:
    done = explain(cluster, name, "svc/none")
    assert (done.exit_code, done.stderr) == (
        2,
        f"udplb explain: no Service none in namespace {name}; there are: game\n",
    )


def test_a_namespace_that_is_not_there_is_one_line(cluster: ControlPlane) -> None:
    done = explain(cluster, "nowhere", "svc/game")
    (line,) = done.stderr.splitlines()
    assert done.exit_code == 2
    assert "HTTP 404" in line
