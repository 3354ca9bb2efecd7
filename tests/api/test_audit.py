"""`udplb audit` over a real API server that holds nothing but what these tests put there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.lab.control_plane import ControlPlane
from tests.lab.owners import LBC, add_owner
from tests.lab.webhook import Webhook, install
from tests.policy.pod.pods import container, pod
from webhook.cli.audit import app

pytestmark = pytest.mark.cluster

GAME = str(Path(__file__).parents[2] / "docs/examples/game-server.yaml")
LABELS = {"app": "game"}
SHUT = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "udp-only"},
    "spec": {
        "podSelector": {"matchLabels": LABELS},
        "ingress": [{"ports": [{"port": 7777, "protocol": "UDP"}]}],
    },
}


@pytest.fixture(scope="module")
def games() -> Iterator[ControlPlane]:
    """A cluster with one namespace that has opted in, the README's Service and two pods behind it, one bare."""
    with ControlPlane() as control_plane:
        add_owner(control_plane, LBC)
        control_plane.namespace("games", {"udplb/inject": "enabled"})
        control_plane.namespace("others", {})
        create(control_plane, "games", "bare")
        control_plane.namespace("watched", {"udplb/inject": "audit"})
        create(control_plane, "watched", "by-design")
        with Webhook(control_plane.kubeconfig) as running:
            install(control_plane, running)
            control_plane.kubectl("apply", "-n", "games", "-f", GAME)
            create(control_plane, "games", "whole")
            create(control_plane, "others", "foreign")
        yield control_plane


def create(control_plane: ControlPlane, namespace: str, name: str) -> None:
    raw = pod(owned=False, containers=[container("game:7777/UDP")])
    raw["metadata"] = {"name": name, "labels": LABELS}
    answer = control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", raw)
    assert answer.status == 201, answer.body


def audit(control_plane: ControlPlane, *arguments: str) -> Result:
    return CliRunner().invoke(app, [f"--kubeconfig={control_plane.kubeconfig}", *arguments])


def entries(control_plane: ControlPlane) -> dict[str, dict[str, Any]]:
    return {
        f"{one['kind']}/{one['name']}": one
        for one in json.loads(audit(control_plane, "--output=json").stdout)
    }


def test_a_pod_that_lacks_its_sidecar_is_named_with_who_asks_for_it(games: ControlPlane) -> None:
    found = entries(games)
    assert found.keys() == {"Service/game", "Pod/bare"}
    assert found["Pod/bare"]["says"] == ["its sidecar is absent; asked for: 7777 (service/game)"]
    assert "of 2 pods in sight 1 have no sidecar" in str(found["Service/game"]["says"])


def test_a_pod_in_audit_mode_lacks_nothing(games: ControlPlane) -> None:
    assert "Pod/by-design" not in entries(games)


def test_a_pod_that_has_ended_lacks_nothing(games: ControlPlane) -> None:
    create(games, "games", "ended")
    ended = {"status": {"phase": "Succeeded"}}
    games.request("PATCH", "/api/v1/namespaces/games/pods/ended/status", ended)
    assert "Pod/ended" not in entries(games)


def test_the_table_ends_with_the_count_and_the_warning_of_adoption(games: ControlPlane) -> None:
    done = audit(games)
    assert done.exit_code == 1
    counted, warned = done.stdout.splitlines()[-2:]
    assert counted.endswith("objects to look at: 2; pods without their sidecar: 1")
    assert warned == (
        "before you restart pods behind a live load balancer read docs/adopting.md: the first green one takes all"
    )


def test_a_network_policy_that_shuts_the_health_check_out_is_named(games: ControlPlane) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/games/networkpolicies"
    assert games.request("POST", path, SHUT).status == 201
    says = entries(games)["Service/game"]["says"]
    games.request("DELETE", f"{path}/udp-only")
    assert "NetworkPolicy udp-only admits UDP 7777 but not the health check on TCP 7777" in says


def test_a_pod_whose_service_moved_is_stale_and_not_at_fault(games: ControlPlane) -> None:
    path = "/api/v1/namespaces/games/services/game"
    moved = {"spec": {"ports": [{"name": "query", "port": 7778, "protocol": "UDP"}]}}
    games.request("DELETE", "/api/v1/namespaces/games/pods/bare")
    games.request("PATCH", path, moved)
    whole = entries(games)["Pod/whole"]
    assert whole["says"] == ["stale: it answers on TCP 7777, its Services ask for 7778"]
    assert whole["faulty"] is False
