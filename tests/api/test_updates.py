"""Updates of a Service through the real API server: what comes back, what never changes, what always passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.rest import Answer
from tests.lab.webhook import Namespaces

pytestmark = pytest.mark.cluster

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "game", "annotations": {f"{PREFIX}scheme": "internal"}},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "game"},
        "ports": [{"name": "game", "port": 7777, "protocol": "UDP"}],
    },
}
LIVE = {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}
FINALIZER = "service.k8s.aws/resources"


class Live:
    """A Service that was created through udplb and then served by its controller."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.all = f"/api/v1/namespaces/{namespace}/services"
        self.path = f"{self.all}/game"
        assert cluster.request("POST", self.all, MANIFEST).status == 201
        self.patch({"metadata": {"finalizers": [FINALIZER]}})
        assert cluster.request("PATCH", f"{self.path}/status", {"status": LIVE}).status == 200

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.request("GET", self.path).body
        return found

    def put(self, body: dict[str, Any]) -> Answer:
        return self.cluster.request("PUT", self.path, body)

    def patch(self, body: dict[str, Any]) -> Answer:
        answer = self.cluster.request("PATCH", self.path, body)
        assert answer.status == 200, answer.body
        return answer

    def put_without(self, *paths: tuple[str, ...]) -> Answer:
        """The object as it is, replaced by one that lacks these members."""
        body = self.get()
        for *above, last in paths:
            inner = body
            for step in above:
                inner = inner[step]
            inner.pop(last, None)
        return self.put(body)


@pytest.fixture
def live(cluster: ControlPlane, namespace: Namespaces) -> Live:
    return Live(cluster, namespace())


def effective(raw: dict[str, Any]) -> tuple[Any, Any]:
    return raw["metadata"].get("annotations"), raw["spec"]


def test_a_put_that_drops_everything_of_ours_changes_nothing(live: Live) -> None:
    before = live.get()
    answer = live.put(MANIFEST)
    assert answer.status == 200, answer.body
    assert effective(live.get()) == effective(before)


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "loadBalancerClass"),
        ("spec", "externalTrafficPolicy"),
        ("metadata", "annotations", f"{PREFIX}nlb-target-type"),
        ("metadata", "annotations", f"{PREFIX}healthcheck-port"),
        ("metadata", "annotations", f"{PREFIX}healthcheck-protocol"),
        ("metadata", "annotations", f"{PREFIX}attributes"),
    ],
    ids=lambda path: path[-1].removeprefix(PREFIX),
)
def test_one_member_of_ours_that_a_put_drops_comes_back(live: Live, path: tuple[str, ...]) -> None:
    before = live.get()
    assert live.put_without(path).status == 200
    assert effective(live.get()) == effective(before)


def test_a_key_of_the_user_that_a_put_drops_stays_away(live: Live) -> None:
    assert live.put_without(("metadata", "annotations", f"{PREFIX}scheme")).status == 200
    assert f"{PREFIX}scheme" not in live.get()["metadata"]["annotations"]


def test_local_comes_back_with_a_health_check_node_port(live: Live) -> None:
    live.patch({"spec": {"externalTrafficPolicy": "Cluster"}})
    spec = live.get()["spec"]
    assert spec["externalTrafficPolicy"] == "Local"
    assert spec["healthCheckNodePort"] > 0


@pytest.mark.parametrize("other", ["eks.amazonaws.com/nlb", "example.com/lb"])
def test_the_class_never_changes(live: Live, other: str) -> None:
    body = live.get()
    body["spec"]["loadBalancerClass"] = other
    answer = live.put(body)
    assert answer.status == 422
    assert "UDPLB805" in answer.body["message"]
    assert live.get()["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"


TCP_ALONE = [{"name": "web", "port": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("annotations", "ports"),
    [({"udplb/inject": "false"}, MANIFEST["spec"]["ports"]), ({}, TCP_ALONE)],
    ids=["opted out", "no UDP port any more"],
)
def test_a_manifest_without_a_class_goes_on_being_applied_after_the_service_left_our_care(
    live: Live, annotations: dict[str, str], ports: list[Any]
) -> None:
    for replica in ("first", "second", "third"):
        left = copy.deepcopy(MANIFEST)
        left["metadata"] |= {"annotations": annotations, "labels": {"applied": replica}}
        left["spec"]["ports"] = ports
        answer = live.put(left)
        assert answer.status == 200, answer.body
        assert live.get()["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"


def test_a_service_may_stop_being_a_load_balancer_and_become_one_again(live: Live) -> None:
    before = live.get()
    away = live.patch({"spec": {"type": "ClusterIP"}})
    assert any("UDPLB829" in warning for warning in away.warnings)
    assert "loadBalancerClass" not in live.get()["spec"]
    live.patch({"spec": {"type": "LoadBalancer"}})
    after = live.get()
    for name in ("loadBalancerClass", "externalTrafficPolicy", "selector"):
        assert after["spec"][name] == before["spec"][name]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]


def test_what_leaks_or_breaks_the_live_load_balancer_is_rejected(live: Live) -> None:
    body = live.get()
    body["metadata"]["annotations"][f"{PREFIX}scheme"] = "internet-facing"
    answer = live.put(body)
    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (
        422,
        f"metadata.annotations[{PREFIX}scheme]",
    )
    assert live.get()["metadata"]["annotations"][f"{PREFIX}scheme"] == "internal"


def test_the_controllers_own_updates_pass_even_where_the_service_is_bad(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    name = namespace({})
    bad = copy.deepcopy(MANIFEST)
    bad["metadata"]["annotations"][f"{PREFIX}healthcheck-protocol"] = "udp"
    path = f"/api/v1/namespaces/{name}/services"
    assert cluster.request("POST", path, bad).status == 201
    assert (
        cluster.request(
            "PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": {"udplb/inject": "enabled"}}}
        ).status
        == 200
    )
    for at, body in (
        (f"{path}/game", {"metadata": {"finalizers": [FINALIZER]}}),
        (f"{path}/game/status", {"status": LIVE}),
        (f"{path}/game", {"metadata": {"labels": {"team": "games"}}}),
    ):
        assert cluster.request("PATCH", at, body).status == 200
    assert cluster.request("DELETE", f"{path}/game").status == 200
    held = cluster.request("GET", f"{path}/game").body
    assert held["metadata"]["deletionTimestamp"]
    assert cluster.request("PATCH", f"{path}/game", {"metadata": {"finalizers": None}}).status == 200
    assert cluster.request("GET", f"{path}/game").status == 404
