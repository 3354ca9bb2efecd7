"""A real API server takes the pods that we make: Pod Security `restricted`, LimitRanger and the rest on."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.policy.pod.pods import CLUSTER, apply, container, pod
from webhook.policy.cluster import LimitRange, Namespace
from webhook.policy.pod.decision import mutate

pytestmark = pytest.mark.cluster

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SECURE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
FULL = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
SMALL = {"limits": {"cpu": "200m", "memory": "64Mi"}}
NUMBERS = itertools.count(1)


def app(*ports: str, **fields: Any) -> dict[str, Any]:
    return container(*ports, securityContext=SECURE, **fields)


@dataclass(frozen=True)
class Row:
    says: str
    pod: Mapping[str, Any]
    qos: str
    ranges: Sequence[LimitRange] = ()


ROWS = (
    Row("a plain pod", pod(containers=[app("5555/UDP")]), "Burstable"),
    Row(
        "an ordinary container",
        pod(containers=[app("5555/UDP")], annotations={"udplb/native-sidecar": "false"}),
        "Burstable",
    ),
    Row("a low port", pod(containers=[app("53/UDP")]), "Burstable"),
    Row("a pod that ends", pod(containers=[app("5555/UDP")], restartPolicy="Never"), "Burstable"),
    Row("a Guaranteed pod", pod(containers=[app("5555/UDP", resources=FULL)]), "Guaranteed"),
    Row("a Guaranteed pod level", pod(containers=[app("5555/UDP")], resources=FULL), "Guaranteed"),
    Row(
        "a pod level with limits only",
        pod(
            containers=[app("5555/UDP", resources={"requests": {"cpu": "100m"}})],
            resources={"limits": {"cpu": "1", "memory": "1Gi"}},
        ),
        "Burstable",
    ),
    Row(
        "a container's min",
        pod(containers=[app("5555/UDP", resources=SMALL)]),
        "Guaranteed",
        [LimitRange("Container", min={"cpu": "100m", "memory": "8Mi"})],
    ),
    Row(
        "a container's max",
        pod(containers=[app("5555/UDP", resources={"limits": {"cpu": "10m", "memory": "8Mi"}})]),
        "Guaranteed",
        [LimitRange("Container", max={"cpu": "10m", "memory": "8Mi"})],
    ),
    Row(
        "a container's ratio",
        pod(containers=[app("5555/UDP", resources={**FULL, "requests": {"cpu": "500m", "memory": "1Gi"}})]),
        "Burstable",
        [LimitRange("Container", max_ratio={"cpu": "4", "memory": "3"})],
    ),
    Row(
        "a pod's max that leaves less than the limit",
        pod(containers=[app("5555/UDP", resources=SMALL)]),
        "Guaranteed",
        [LimitRange("Pod", max={"cpu": "240m", "memory": "72Mi"})],
    ),
    Row(
        "a pod's max beside an init container that needs most of it",
        pod(
            containers=[app("5555/UDP", resources=SMALL)],
            initContainers=[app(name="once", resources={"limits": {"cpu": "200m", "memory": "68Mi"}})],
        ),
        "Guaranteed",
        [LimitRange("Pod", max={"memory": "80Mi"})],
    ),
    Row(
        "a pod's ratio",
        pod(containers=[app("5555/UDP", resources={**SMALL, "requests": {"cpu": "100m", "memory": "32Mi"}})]),
        "Burstable",
        [LimitRange("Pod", max_ratio={"cpu": "2", "memory": "2"})],
    ),
)


def limit_range(bound: LimitRange) -> dict[str, Any]:
    bounds = {"min": bound.min, "max": bound.max, "maxLimitRequestRatio": bound.max_ratio}
    item = {"type": bound.kind, **{name: dict(value) for name, value in bounds.items() if value}}
    return {"metadata": {"generateName": "bound-"}, "spec": {"limits": [item]}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_the_api_server_takes_what_we_make_of(control_plane: ControlPlane, row: Row) -> None:
    name = control_plane.namespace(f"injected-{next(NUMBERS)}", RESTRICTED)
    for bound in row.ranges:
        path = f"/api/v1/namespaces/{name}/limitranges"
        assert control_plane.request("POST", path, limit_range(bound)).status == 201
    namespace = Namespace(name, {"udplb/inject": "enabled"}, tuple(row.ranges))
    seen = as_admission_shows_it(control_plane, name, row.pod)
    decision = mutate(seen, namespace, (), CLUSTER)
    assert decision.reason == ""
    answer = dry_run(control_plane, name, apply(seen, decision.edits))
    assert (answer.get("message"), answer["status"].get("qosClass")) == (None, row.qos)
    assert mutate(answer, namespace, (), CLUSTER).edits == ()


@pytest.mark.parametrize(
    "change", [{"hostNetwork": True}, {"os": {"name": "windows"}}], ids=["the node's network", "Windows"]
)
def test_the_api_server_takes_an_injected_pod_that_may_not_keep_its_sidecar(
    control_plane: ControlPlane, change: dict[str, Any]
) -> None:
    name = control_plane.namespace(f"injected-{next(NUMBERS)}")
    namespace = Namespace(name, {"udplb/inject": "enabled"})
    first = as_admission_shows_it(control_plane, name, pod(containers=[container("53/UDP")]))
    injected = apply(first, mutate(first, namespace, (), CLUSTER).edits)
    injected["spec"] |= change
    answer = dry_run(control_plane, name, apply(injected, mutate(injected, namespace, (), CLUSTER).edits))
    assert (answer.get("message"), [one["name"] for one in answer["spec"]["containers"]]) == (None, ["app"])
    assert "initContainers" not in answer["spec"]


def as_admission_shows_it(control_plane: ControlPlane, name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The pod with the API server's defaults and plugins applied, as a webhook gets it."""
    written = copy.deepcopy(dict(raw))
    del written["metadata"]["ownerReferences"]
    seen = dry_run(control_plane, name, written)
    assert "message" not in seen, seen
    return {"metadata": written["metadata"], "spec": seen["spec"]}


def dry_run(control_plane: ControlPlane, name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    path = f"/api/v1/namespaces/{name}/pods?dryRun=All"
    body: dict[str, Any] = control_plane.request("POST", path, raw).body
    return body if body["kind"] == "Pod" else {**body, "status": {}}
