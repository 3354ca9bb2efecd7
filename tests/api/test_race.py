"""Pods and their Service made at the same instant: every pod has its sidecar, whoever was first."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import settings

from tests.lab.control_plane import ControlPlane
from tests.lab.process import wait_until
from tests.lab.webhook import Webhook
from tests.policy.pod.pods import container, sidecars, status

pytestmark = pytest.mark.cluster

PODS = 20
ROUNDS = 50 if settings.get_current_profile_name() == "long" else 3
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def where(cluster: ControlPlane, webhook: Webhook) -> str:
    """A namespace that the webhook knows: until then its pods' declared ports alone would count."""
    name = cluster.namespace("race", {"udplb/inject": "enabled"})
    service(cluster, name, "first")
    wait_until(lambda: bool(sidecars(pod(cluster, name, "first"))), "known namespace", 30)
    return name


def service(cluster: ControlPlane, namespace: str, app: str) -> None:
    body = {
        "metadata": {"name": app},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "ports": [{"port": 5555, "protocol": "UDP"}],
            "allocateLoadBalancerNodePorts": False,
        },
    }
    answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", body)
    assert answer.status == 201, answer.body


def pod(cluster: ControlPlane, namespace: str, app: str, *ports: str) -> dict[str, Any]:
    body = {
        "metadata": {"generateName": f"{app}-", "labels": {"app": app}},
        "spec": {"containers": [container(*ports)]},
    }
    answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert answer.status == 201, answer.body
    created: dict[str, Any] = answer.body
    return created


def together(makers: Sequence[Callable[[], Any]]) -> list[Any]:
    """What all of them return, begun at the same instant."""
    barrier = threading.Barrier(len(makers))

    def run(make: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        return make()

    with ThreadPoolExecutor(len(makers)) as threads:
        return list(threads.map(run, makers))


def assert_served(pods: list[dict[str, Any]], app: str, *sources: str) -> None:
    for one in pods:
        assert [place for place, _, _ in sidecars(one)] == ["initContainers"], (app, one["metadata"])
        assert status(one)["ports"]["5555"] in sources


def test_pods_that_come_at_the_heels_of_their_service_have_their_sidecar(
    cluster: ControlPlane, where: str
) -> None:
    for _ in range(ROUNDS):
        app = f"after-{next(NUMBERS)}"
        service(cluster, where, app)
        pods = together([partial(pod, cluster, where, app)] * PODS)
        assert_served(pods, app, f"service/{app}")


def test_pods_that_declare_their_ports_have_their_sidecar_before_their_service_is_there(
    cluster: ControlPlane, where: str
) -> None:
    for _ in range(ROUNDS):
        app = f"before-{next(NUMBERS)}"
        declaring = partial(pod, cluster, where, app, "5555/UDP")
        made = together([*[declaring] * PODS, partial(service, cluster, where, app)])
        assert_served(made[:PODS], app, "declared", f"service/{app}")
