"""A real API server takes the pods that we make: Pod Security `restricted`, LimitRanger and the rest on."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.process import wait_until
from tests.lab.webhook import Namespaces
from tests.policy.pod.pods import CLUSTER, apply, container, pod
from webhook.policy.cluster import LimitRange, Namespace
from webhook.policy.pod.decision import mutate
from webhook.policy.pod.presets import PRESETS

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
STORAGE_RATIO = {"ephemeral-storage": "2"}
STORED = {"requests": {"ephemeral-storage": "1Gi"}, "limits": {"ephemeral-storage": "2Gi"}}
NUMBERS = itertools.count(1)


def app(*ports: str, **fields: Any) -> dict[str, Any]:
    return container(*ports, securityContext=SECURE, **fields)


@dataclass(frozen=True)
class Row:
    says: str
    pod: Mapping[str, Any]
    qos: str
    ranges: Sequence[LimitRange] = ()
    quota: Mapping[str, str] = field(default_factory=dict)


QUOTA = {"limits.cpu": "2", "limits.memory": "2Gi", "requests.cpu": "2", "requests.memory": "2Gi"}
HOOK = {"preStop": {"exec": {"command": ["/save"]}}}

ROWS = (
    Row("a plain pod", pod(containers=[app("5555/UDP")]), "Burstable"),
    Row(
        "an ordinary container",
        pod(containers=[app("5555/UDP")], annotations={"udplb/native-sidecar": "false"}),
        "Burstable",
    ),
    Row("a low port", pod(containers=[app("53/UDP")]), "Burstable"),
    Row(
        "a low port beside another sysctl",
        pod(
            containers=[app("53/UDP")],
            securityContext={"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "32768 60999"}]},
        ),
        "Burstable",
    ),
    Row(
        "a drain",
        pod(
            containers=[app("5555/UDP"), app(name="log", lifecycle=HOOK)],
            annotations={"udplb/drain": "10m"},
            terminationGracePeriodSeconds=0,
        ),
        "Burstable",
    ),
    Row(
        "a drain of an ordinary container",
        pod(
            containers=[app("5555/UDP")],
            annotations={"udplb/drain": "1s", "udplb/native-sidecar": "false"},
        ),
        "Burstable",
    ),
    Row(
        "probes of every kind",
        pod(
            containers=[app(*(f"{5000 + number}/UDP" for number in range(len(PRESETS))))],
            annotations={f"udplb/probe.{5000 + number}": name for number, name in enumerate(PRESETS)},
        ),
        "Burstable",
    ),
    Row(
        "as many ports as one sidecar holds, each with the longest probe",
        pod(
            containers=[app(*(f"{5000 + number}/UDP" for number in range(64)))],
            annotations={"udplb/probe": f"payload,send={'00' * 1232},expect={'00' * 1232}"},
        ),
        "Burstable",
    ),
    Row(
        "a mesh's exclusions",
        pod(
            labels={"app": "echo", "sidecar.istio.io/inject": "true"},
            annotations={"linkerd.io/inject": "enabled"},
            containers=[app("5555/UDP")],
        ),
        "Burstable",
    ),
    Row("a user namespace", pod(containers=[app("5555/UDP")], hostUsers=False), "Burstable"),
    Row(
        "a user and groups of the pod's own",
        pod(
            containers=[app("5555/UDP")],
            securityContext={
                "runAsUser": 1000,
                "runAsGroup": 3000,
                "fsGroup": 2000,
                "supplementalGroups": [4],
            },
        ),
        "Burstable",
    ),
    Row(
        "processes in sight of each other",
        pod(containers=[app("5555/UDP")], shareProcessNamespace=True),
        "Burstable",
    ),
    Row(
        "no token",
        pod(containers=[app("5555/UDP")], automountServiceAccountToken=False),
        "Burstable",
    ),
    Row(
        "native sidecars and init containers of the pod's own",
        pod(
            containers=[app("5555/UDP")],
            initContainers=[app(name="once"), app("9000/TCP", name="proxy", restartPolicy="Always")],
        ),
        "Burstable",
    ),
    Row(
        "a quota with room",
        pod(containers=[app("5555/UDP", resources=FULL)]),
        "Guaranteed",
        quota=QUOTA,
    ),
    Row(
        "a container's default",
        pod(containers=[app("5555/UDP")]),
        "Guaranteed",
        [LimitRange("Container", max={"cpu": "500m", "memory": "512Mi"})],
    ),
    Row(
        "a pod's min",
        pod(containers=[app("5555/UDP", resources=SMALL)]),
        "Guaranteed",
        [LimitRange("Pod", min={"cpu": "200m", "memory": "64Mi"})],
    ),
    Row(
        "a Guaranteed pod level under a pod's max",
        pod(containers=[app("5555/UDP")], resources=FULL),
        "Guaranteed",
        [LimitRange("Pod", max={"cpu": "1050m", "memory": "1040Mi"})],
    ),
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
        "a container's ratio of a resource that the sidecar says nothing of, with a default",
        pod(containers=[app("5555/UDP")]),
        "Burstable",
        [LimitRange("Container", max_ratio=STORAGE_RATIO, default={"ephemeral-storage": "1Gi"})],
    ),
    Row(
        "the same with a max",
        pod(containers=[app("5555/UDP")]),
        "Burstable",
        [LimitRange("Container", max_ratio=STORAGE_RATIO, max={"ephemeral-storage": "1Gi"})],
    ),
    Row(
        "a pod's ratio of a resource that the sidecar says nothing of",
        pod(containers=[app("5555/UDP", resources=STORED)]),
        "Burstable",
        [LimitRange("Pod", max_ratio=STORAGE_RATIO)],
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
    bounds = {
        "min": bound.min,
        "max": bound.max,
        "maxLimitRequestRatio": bound.max_ratio,
        "default": bound.default,
    }
    item = {"type": bound.kind, **{name: dict(value) for name, value in bounds.items() if value}}
    return {"metadata": {"generateName": "bound-"}, "spec": {"limits": [item]}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_the_api_server_takes_what_we_make_of(control_plane: ControlPlane, row: Row) -> None:
    name = control_plane.namespace(f"injected-{next(NUMBERS)}", RESTRICTED)
    for bound in row.ranges:
        path = f"/api/v1/namespaces/{name}/limitranges"
        assert control_plane.request("POST", path, limit_range(bound)).status == 201
    if row.quota:
        give_quota(control_plane, name, row.quota)
    namespace = Namespace(name, {"udplb/inject": "enabled"}, tuple(row.ranges))
    seen = as_admission_shows_it(control_plane, name, row.pod)
    decision = mutate(seen, namespace, (), CLUSTER)
    assert decision.reason == ""
    answer = dry_run(control_plane, name, apply(seen, decision.edits))
    assert (answer.get("message"), answer["status"].get("qosClass")) == (None, row.qos)
    assert mutate(answer, namespace, (), CLUSTER).edits == ()


def test_a_pod_that_a_limit_range_would_refuse_with_the_sidecar_is_taken_without(
    control_plane: ControlPlane,
) -> None:
    name = control_plane.namespace(f"injected-{next(NUMBERS)}")
    bound = LimitRange("Container", max_ratio=STORAGE_RATIO)
    path = f"/api/v1/namespaces/{name}/limitranges"
    assert control_plane.request("POST", path, limit_range(bound)).status == 201
    seen = as_admission_shows_it(control_plane, name, pod(containers=[app("5555/UDP", resources=STORED)]))
    free, bounded = (Namespace(name, {"udplb/inject": "enabled"}, ranges) for ranges in ((), (bound,)))
    refused = dry_run(control_plane, name, apply(seen, mutate(seen, free, (), CLUSTER).edits))
    assert "ephemeral-storage max limit to request ratio per Container is 2" in refused["message"]
    decision = mutate(seen, bounded, (), CLUSTER)
    assert decision.reason == "no_room"
    assert "message" not in dry_run(control_plane, name, apply(seen, decision.edits))


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


@pytest.mark.parametrize(("room", "status"), [("1050m", 201), ("1049m", 403)])
def test_an_exhausted_quota_is_the_one_refusal_that_is_ours(
    control_plane: ControlPlane, room: str, status: int
) -> None:
    name = control_plane.namespace(f"quota-{status}", RESTRICTED)
    give_quota(control_plane, name, {"limits.cpu": room, "limits.memory": "2Gi"})
    raw = pod(containers=[app("5555/UDP", resources=FULL)], owned=False)
    path = f"/api/v1/namespaces/{name}/pods?dryRun=All"
    assert control_plane.request("POST", path, raw).status == 201
    injected = apply(raw, mutate(raw, Namespace(name, {"udplb/inject": "enabled"}), (), CLUSTER).edits)
    answer = control_plane.request("POST", path, injected)
    assert answer.status == status
    if status == 403:
        assert "exceeded quota" in answer.body["message"]


def test_what_the_sidecar_adds_stands_in_the_workloads_preview(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    template = {"metadata": {"labels": {"app": "echo"}}, "spec": {"containers": [app("5555/UDP")]}}
    body = {
        "metadata": {"name": "echo"},
        "spec": {"selector": {"matchLabels": {"app": "echo"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace()}/deployments?dryRun=All"
    answer = cluster.request("POST", path, body)
    (said,) = (text for text in answer.warnings if "UDPLB929" in text)
    assert "it adds requests of cpu 1m and memory 4Mi, limits of cpu 50m and memory 16Mi" in said


def give_quota(control_plane: ControlPlane, name: str, hard: Mapping[str, str]) -> None:
    """A quota counts once its status says so; here no controller writes it."""
    path = f"/api/v1/namespaces/{name}/resourcequotas"
    made = control_plane.request("POST", path, {"metadata": {"name": "quota"}, "spec": {"hard": dict(hard)}})
    assert made.status == 201, made.body
    counted = made.body | {"status": {"hard": dict(hard), "used": dict.fromkeys(hard, "0")}}
    assert control_plane.request("PUT", f"{path}/quota/status", counted).status == 200
    probe = pod(containers=[app(resources={"limits": {"cpu": "99", "memory": "99Gi"}})], owned=False)
    refused = f"/api/v1/namespaces/{name}/pods?dryRun=All"
    wait_until(
        lambda: "exceeded quota" in str(control_plane.request("POST", refused, probe).body), "quota", 30
    )


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
