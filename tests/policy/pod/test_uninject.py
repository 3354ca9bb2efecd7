"""Everything of ours can be taken out of a pod again, and nothing else goes with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, STATUS, admitted, apply, container, pod, sidecars
from webhook.policy.pod.decision import uninject

NATIVE_OFF = {"udplb/native-sidecar": "false"}
SECRETS = replace(CLUSTER, sidecar=replace(CLUSTER.sidecar, pull_secrets=("ours", "theirs")))
OTHER = {"name": "net.ipv4.tcp_syncookies", "value": "1"}

PODS = {
    "a plain pod": pod("5555/UDP"),
    "a pod with init containers": pod("5555/UDP", initContainers=[{"name": "once"}]),
    "an ordinary container": pod("5555/UDP", annotations=NATIVE_OFF),
    "a low port": pod("53/UDP"),
    "a low port beside another sysctl": pod("53/UDP", securityContext={"fsGroup": 1, "sysctls": [OTHER]}),
    "a low port beside another setting": pod("53/UDP", securityContext={"fsGroup": 1}),
    "a pod level": pod(
        "5555/UDP", resources={"requests": {"cpu": 1, "memory": "0.5Gi"}, "limits": {"cpu": "1000m"}}
    ),
    "a pod level in numbers": pod("5555/UDP", resources={"limits": {"cpu": 0.5}}),
    "a drain": pod("5555/UDP", annotations={"udplb/drain": "300s"}),
    "a drain with a grace period": pod(
        annotations={"udplb/drain": "300s", "udplb/ports": "53"},
        containers=[container(lifecycle={"postStart": {"exec": {"command": ["/x"]}}}), container(name="log")],
        terminationGracePeriodSeconds=0,
    ),
    "a pull secret of its own": pod("5555/UDP", imagePullSecrets=[{"name": "theirs"}]),
    "a mesh": pod(
        "5555/UDP",
        labels={"app": "echo", "sidecar.istio.io/inject": "true"},
        annotations={"traffic.sidecar.istio.io/excludeInboundPorts": "80"},
    ),
}


@pytest.mark.parametrize("says", PODS)
def test_the_pod_is_the_one_before(says: str) -> None:
    after = admitted(PODS[says], cluster=SECRETS)
    assert sidecars(after)
    assert apply(after, uninject(after, SECRETS)) == PODS[says]


def test_a_pod_that_was_never_ours_is_left_alone() -> None:
    raw = pod("5555/UDP", containers=[container("5555/TCP", name="udp-healthcheck")])
    assert uninject(raw, CLUSTER) == ()


def test_the_reason_of_a_skip_is_taken_out() -> None:
    raw = pod("5555/UDP", hostNetwork=True)
    after = admitted(raw)
    assert STATUS in after["metadata"]["annotations"]
    assert apply(after, uninject(after, CLUSTER)) == raw


def test_what_others_changed_since_stays() -> None:
    after = admitted(pod("53/UDP", annotations=NATIVE_OFF | {"udplb/drain": "300s"}))
    after["spec"]["containers"][0]["lifecycle"] = {"preStop": {"exec": {"command": ["/x"]}}}
    del after["spec"]["securityContext"]
    del after["spec"]["terminationGracePeriodSeconds"]
    del after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"]
    before = apply(after, uninject(after, CLUSTER))
    assert before["spec"]["containers"] == [
        container("53/UDP", lifecycle={"preStop": {"exec": {"command": ["/x"]}}})
    ]
    assert before["metadata"]["annotations"] == NATIVE_OFF | {"udplb/drain": "300s"}


def test_a_share_whose_pod_level_is_gone_is_not_put_back() -> None:
    after = admitted(pod("5555/UDP", resources={"limits": {"cpu": "1"}}))
    del after["spec"]["resources"]
    assert "resources" not in apply(after, uninject(after, CLUSTER))["spec"]


@pytest.mark.parametrize(
    "changed", ['["spec.hostNetwork"]', '{"spec.hostNetwork":"true","metadata.labels[app]":null}']
)
def test_a_forged_memory_changes_nothing_that_we_never_do(changed: str) -> None:
    forged = (
        f'{{"changed":{changed},"hash":"x","injected":true,"ports":{{"1":"x"}},"schema":1,"version":"0.1.0"}}'
    )
    raw: dict[str, Any] = pod("5555/UDP", annotations={STATUS: forged, "example.com/a": "b"})
    after = apply(raw, uninject(raw, CLUSTER))
    assert after == pod("5555/UDP", annotations={"example.com/a": "b"})


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("spec.terminationGracePeriodSeconds", "soon"),
        ("spec.terminationGracePeriodSeconds", -5),
        ("spec.terminationGracePeriodSeconds", 2**63),
        ("spec.resources.limits.cpu", "much"),
        ("spec.resources.limits.cpu", None),
        ("metadata.annotations[kubectl.kubernetes.io/default-container]", 7),
        ("spec.imagePullSecrets[theirs]", "x"),
    ],
)
def test_a_forged_memory_puts_nothing_back_that_the_api_server_would_refuse(
    name: str, before: str | int | None
) -> None:
    forged = {"schema": 1, "version": "0.1.0", "injected": True, "hash": "x", "ports": {"1": "x"}}
    kept = {"kubectl.kubernetes.io/default-container": "app"}
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": 9,
        "resources": {"limits": {"cpu": "1"}},
        "imagePullSecrets": [{"name": "theirs"}],
    }
    text = json.dumps(forged | {"changed": {name: before}})
    raw = pod("5555/UDP", annotations={STATUS: text, **kept}, **spec)
    assert apply(raw, uninject(raw, CLUSTER)) == pod("5555/UDP", annotations=kept, **spec)


def test_a_newer_versions_sidecar_is_taken_out_by_its_name() -> None:
    after = admitted(pod("5555/UDP"))
    after["metadata"]["annotations"][STATUS] = '{"schema":2}'
    assert apply(after, uninject(after, CLUSTER)) == pod("5555/UDP")
