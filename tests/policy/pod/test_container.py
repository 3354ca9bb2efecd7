"""The container to the letter, and every other change that comes with it."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.policy.pod.pods import (
    CLUSTER,
    GAMES,
    STATUS,
    admitted,
    apply,
    balancer,
    container,
    pod,
    sidecars,
    status,
)
from webhook.policy.finding import Edit
from webhook.policy.pod.decision import mutate

GOLDEN = Path(__file__).parent / "golden"
NATIVE_OFF = {"udplb/native-sidecar": "false"}
GUARANTEED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}}


def edits(raw: dict[str, Any], **cluster: Any) -> dict[str, Edit]:
    made = mutate(raw, GAMES, (), replace(CLUSTER, **cluster)).edits
    return {edit.field: edit for edit in made}


@pytest.mark.parametrize(
    ("name", "annotations"),
    [("native-sidecar", {}), ("ordinary-container", NATIVE_OFF)],
    ids=["native", "ordinary"],
)
def test_the_pod_is_the_golden_one(name: str, annotations: dict[str, str]) -> None:
    raw = pod(
        "game:5555/UDP",
        "voice:53/UDP",
        "9001/TCP",
        annotations=annotations,
        initContainers=[{"name": "once"}],
    )
    after = admitted(raw, [balancer("echo", "game", "voice", 9001)])
    assert after == json.loads((GOLDEN / f"{name}.json").read_text())


def test_a_native_sidecar_stands_first_of_the_init_containers() -> None:
    after = admitted(pod("5555/UDP", initContainers=[{"name": "once"}]))
    assert [entry["name"] for entry in after["spec"]["initContainers"]] == ["udp-healthcheck", "once"]


def test_an_ordinary_sidecar_stands_last_and_kubectl_finds_the_application() -> None:
    after = admitted(pod("5555/UDP", annotations=NATIVE_OFF))
    assert [entry["name"] for entry in after["spec"]["containers"]] == ["app", "udp-healthcheck"]
    assert after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "app"


def test_the_user_s_default_container_is_kept() -> None:
    chosen = {**NATIVE_OFF, "kubectl.kubernetes.io/default-container": "shell"}
    after = admitted(pod("5555/UDP", annotations=chosen))
    assert after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "shell"


def test_a_pod_of_our_container_alone_gets_no_default_container() -> None:
    bare = {"metadata": {"annotations": {**NATIVE_OFF, "udplb/ports": "5555"}}, "spec": {}}
    annotations = admitted(bare)["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/default-container" not in annotations


def test_no_port_is_declared_twice_in_a_pod() -> None:
    after = admitted(pod("9001/TCP", annotations={"udplb/ports": "9001"}))
    assert "ports" not in after["spec"]["initContainers"][0]


def test_pull_secrets_are_added_once() -> None:
    raw = pod("5555/UDP", imagePullSecrets=[{"name": "mine"}])
    sidecar = replace(CLUSTER.sidecar, pull_secrets=("mine", "ours"))
    after = apply(raw, edits(raw, sidecar=sidecar).values())
    assert after["spec"]["imagePullSecrets"] == [{"name": "mine"}, {"name": "ours"}]


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        pytest.param(pod("53/UDP", "161/UDP"), "53", id="the lowest port decides"),
        pytest.param(pod("1023/UDP"), "1023", id="the last closed port"),
        pytest.param(pod("1024/UDP"), None, id="the first open port"),
        pytest.param(pod("53/UDP", "53/TCP", "5555/UDP"), None, id="only probed ports count"),
        pytest.param(pod("53/UDP", schedulerName="fargate-scheduler"), None, id="Fargate by scheduler"),
        pytest.param(
            pod("53/UDP", labels={"eks.amazonaws.com/fargate-profile": "x"}), None, id="Fargate by label"
        ),
    ],
)
def test_a_low_port_is_opened_by_the_pod_s_sysctl(raw: dict[str, Any], start: str | None) -> None:
    context = admitted(raw)["spec"].get("securityContext")
    expected = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": start}]}
    assert context == (expected if start else None)


def test_a_sysctl_of_ours_is_taken_back_where_fargate_claims_the_pod_after_us() -> None:
    other = {"name": "net.ipv4.tcp_syncookies", "value": "1"}
    claimed = admitted(pod("53/UDP", securityContext={"sysctls": [other]}))
    claimed["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] = "games"
    after = admitted(claimed)
    assert after["spec"]["securityContext"] == {"sysctls": [other]}
    assert admitted(after) == after


def test_a_user_s_sysctl_is_kept_on_fargate() -> None:
    own = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}]}
    claimed = admitted(pod("53/UDP", securityContext=own))
    claimed["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] = "games"
    assert admitted(claimed)["spec"]["securityContext"] == own


@pytest.mark.parametrize(
    ("change", "skip"),
    [({"hostNetwork": True}, "host_network"), ({"os": {"name": "windows"}}, "windows")],
    ids=["the node's network", "Windows"],
)
def test_a_sysctl_of_ours_goes_with_the_sidecar(change: dict[str, Any], skip: str) -> None:
    """The API server refuses such a pod with it, with an empty list of sysctls too on Windows."""
    changed = admitted(pod("53/UDP", annotations=NATIVE_OFF))
    changed["spec"] |= change
    assert mutate(changed, GAMES, (), CLUSTER).reason == skip
    after = admitted(changed)
    assert sidecars(after) == []
    assert "securityContext" not in after["spec"]


def test_a_user_s_sysctl_stays_where_the_sidecar_goes() -> None:
    own = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}]}
    changed = admitted(pod("53/UDP", securityContext=own))
    changed["spec"]["os"] = {"name": "windows"}
    assert admitted(changed)["spec"]["securityContext"] == own


@pytest.mark.parametrize(
    ("late", "context"),
    [
        (
            container("40/UDP", name="late"),
            {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "40"}]},
        ),
        (container("53/TCP", name="late"), None),
    ],
    ids=["a lower port", "no low port any more"],
)
def test_a_sysctl_of_ours_follows_the_ports(late: dict[str, Any], context: dict[str, Any] | None) -> None:
    changed = admitted(pod("53/UDP", "5555/UDP"))
    changed["spec"]["containers"].append(late)
    after = admitted(changed)
    assert after["spec"].get("securityContext") == context
    assert admitted(after) == after


@pytest.mark.parametrize("spec", [{}, {"hostNetwork": True}], ids=["kept", "without its sidecar"])
def test_a_sysctl_that_another_set_to_a_value_of_its_own_is_left_alone(spec: dict[str, Any]) -> None:
    """An application behind it may need ports that ours would close."""
    changed = admitted(pod("53/UDP"))
    changed["spec"]["securityContext"]["sysctls"][0]["value"] = "0"
    changed["spec"] |= spec
    after = admitted(changed)
    assert after["spec"]["securityContext"] == changed["spec"]["securityContext"]
    assert admitted(after) == after


def test_a_pull_secret_of_ours_that_another_took_out_is_not_missed() -> None:
    cluster = replace(CLUSTER, sidecar=replace(CLUSTER.sidecar, pull_secrets=("ours",)))
    changed = admitted(pod("5555/UDP"), cluster=cluster)
    changed["spec"] |= {"imagePullSecrets": [{"name": "theirs"}], "hostNetwork": True}
    after = admitted(changed, cluster=cluster)
    assert sidecars(after) == []
    assert after["spec"]["imagePullSecrets"] == [{"name": "theirs"}]


def test_the_pod_s_other_sysctls_are_kept() -> None:
    other = {"name": "net.ipv4.tcp_syncookies", "value": "1"}
    after = admitted(pod("53/UDP", securityContext={"fsGroup": 1, "sysctls": [other]}))
    assert after["spec"]["securityContext"] == {
        "fsGroup": 1,
        "sysctls": [other, {"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}],
    }


def test_the_pod_level_resources_grow_by_ours() -> None:
    raw = pod(
        "5555/UDP",
        resources={
            "requests": {"cpu": "100m", "memory": "64Mi", "hugepages-2Mi": "2Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
    )
    assert admitted(raw)["spec"]["resources"] == {
        "requests": {"cpu": "101m", "memory": "68Mi", "hugepages-2Mi": "2Mi"},
        "limits": {"cpu": "1050m", "memory": "1040Mi"},
    }


def test_pod_level_resources_without_requests_get_none() -> None:
    after = admitted(pod("5555/UDP", resources={"limits": {"cpu": 1}}))
    assert after["spec"]["resources"] == {"limits": {"cpu": "1050m"}}


def test_a_copy_with_another_low_port_gets_the_sysctl_for_it() -> None:
    copied = admitted(pod("53/UDP", annotations={}))
    copied["metadata"]["annotations"]["udplb/ports"] = "161"
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "161"}]
    assert admitted(copied)["spec"]["securityContext"] == {"sysctls": sysctls}


def test_a_copy_without_a_low_port_loses_the_sysctl() -> None:
    copied = admitted(pod("53/UDP", annotations={}))
    copied["metadata"]["annotations"]["udplb/ports"] = "5555"
    assert "securityContext" not in admitted(copied)["spec"]


def test_a_pull_secret_of_ours_stays_ours() -> None:
    cluster = replace(CLUSTER, sidecar=replace(CLUSTER.sidecar, pull_secrets=("ours",)))
    once = admitted(pod("5555/UDP"), cluster=cluster)
    assert status(once)["changed"] == {"spec.imagePullSecrets[ours]": None}
    assert admitted(once, cluster=cluster) == once


def test_pod_level_resources_are_not_raised_twice_where_another_webhook_took_the_sidecar_out() -> None:
    once = admitted(pod("5555/UDP", resources={"limits": {"cpu": "1"}}))
    without = apply(once, ())
    del without["spec"]["initContainers"]
    assert admitted(without) == once


def test_a_copied_status_is_no_proof_that_the_pod_level_holds_our_share() -> None:
    once = admitted(pod("5555/UDP", resources={"limits": {"cpu": "1"}}))
    copied = apply(once, ())
    del copied["spec"]["initContainers"]
    copied["spec"]["resources"] = {"limits": {"cpu": "2", "memory": "1Gi"}}
    assert admitted(copied)["spec"]["resources"] == {"limits": {"cpu": "2050m", "memory": "1040Mi"}}


def test_pod_level_resources_are_raised_once_though_the_sidecar_is_moved() -> None:
    moved = admitted(pod("5555/UDP", resources={"limits": {"cpu": "1"}}))
    moved["metadata"]["annotations"]["udplb/native-sidecar"] = "false"
    assert admitted(moved)["spec"]["resources"] == {"limits": {"cpu": "1050m"}}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"containers": [container("5555/UDP", resources=GUARANTEED)]}, id="its containers"),
        pytest.param(
            {"containers": [container("5555/UDP", resources={"limits": GUARANTEED["limits"]})]},
            id="limits alone",
        ),
        pytest.param({"containers": [container("5555/UDP")], "resources": GUARANTEED}, id="the pod level"),
    ],
)
def test_a_guaranteed_pod_stays_guaranteed(spec: dict[str, Any]) -> None:
    resources = admitted(pod(**spec))["spec"]["initContainers"][0]["resources"]
    assert resources == {
        "requests": {"cpu": "50m", "memory": "16Mi"},
        "limits": {"cpu": "50m", "memory": "16Mi"},
    }


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"containers": [container("5555/UDP")]}, id="best effort"),
        pytest.param(
            {"containers": [container("5555/UDP", resources={"limits": {"cpu": "1"}})]}, id="no memory limit"
        ),
        pytest.param(
            {
                "containers": [
                    container("5555/UDP", resources={**GUARANTEED, "requests": {"cpu": "2", "memory": "1Gi"}})
                ]
            },
            id="other requests",
        ),
        pytest.param(
            {
                "containers": [container("5555/UDP", resources=GUARANTEED)],
                "initContainers": [{"name": "once"}],
            },
            id="an init container without",
        ),
    ],
)
def test_any_other_pod_gets_the_small_requests(spec: dict[str, Any]) -> None:
    sidecar = admitted(pod(**spec))["spec"]["initContainers"][0]
    assert sidecar["resources"]["requests"] == {"cpu": "1m", "memory": "4Mi"}


def test_the_hash_tells_what_was_injected_and_nothing_that_others_may_change() -> None:
    def hash_of(raw: dict[str, Any], **sidecar: Any) -> str:
        cluster = replace(CLUSTER, sidecar=replace(CLUSTER.sidecar, **sidecar))
        return str(status(admitted(raw, cluster=cluster))["hash"])

    plain = hash_of(pod("5555/UDP"))
    assert hash_of(pod("5555/UDP"), image="other:2", uid=1, limits={"cpu": "1"}) == plain
    assert hash_of(pod("5555/UDP", annotations=NATIVE_OFF)) != plain
    assert hash_of(pod("5556/UDP")) != plain


def test_the_hash_is_the_head_of_a_sha_256_over_the_injected_spec() -> None:
    spec = b'[true,["--port","53"],["/udp-healthcheck","--drain"],[53],"53"]'
    expected = hashlib.sha256(spec).hexdigest()[:12]
    assert status(admitted(pod("53/UDP")))["hash"] == expected


def test_the_status_is_compact_with_sorted_keys() -> None:
    raw = pod("53/UDP", "53/TCP", "9001/UDP")
    after = admitted(raw, [balancer("echo", 5555, 53)])
    assert after["metadata"]["annotations"][STATUS] == (
        '{"hash":"b8ca677f2114","injected":true,"ports":{"5555":"service/echo"},"schema":1,'
        '"skipped":{"53":"tcp_port_in_use"},"version":"0.1.0"}'
    )


def test_every_change_says_what_it_would_do() -> None:
    made = edits(
        pod("53/UDP", "9001/UDP", annotations=NATIVE_OFF, resources={"requests": {"cpu": "100m"}}),
        sidecar=replace(CLUSTER.sidecar, pull_secrets=("ours",)),
    )
    assert {field: edit.says for field, edit in made.items()} == {
        "spec.containers[-1]": "the sidecar would be added, listening on TCP 53 and 9001",
        "spec.imagePullSecrets[-1]": "the pull secret ours would be added",
        "spec.resources.requests.cpu": "the sidecar's share would be added: 101m",
        "spec.securityContext.sysctls[-1]": "net.ipv4.ip_unprivileged_port_start would be set to 53",
        "metadata.annotations[kubectl.kubernetes.io/default-container]": "would be set to app",
        "metadata.annotations[udplb/status]": "would record what was done",
    }


def test_a_tcp_port_of_an_init_container_is_not_declared_twice() -> None:
    starter = container("5555/TCP", name="starter")
    (_, _, ours), *_ = sidecars(admitted(pod("5555/UDP", "9001/UDP", initContainers=[starter])))
    assert ours["args"] == ["--port", "5555", "--port", "9001"]
    assert ours["ports"] == [{"containerPort": 9001, "protocol": "TCP"}]


def filled(raw: dict[str, Any], room: int) -> dict[str, Any]:
    """The pod with annotations that leave room for so many bytes more; `é` has two."""
    annotations = raw["metadata"].setdefault("annotations", {})
    used = sum(len(f"{key}{value}".encode()) for key, value in annotations.items())
    text = "é" * 100_000
    annotations["own"] = text + "x" * (256 * 1024 - used - len(f"own{text}".encode()) - room)
    return raw


STATUS_BYTES = len(f"{STATUS}{admitted(pod('5555/UDP'))['metadata']['annotations'][STATUS]}")
DEFAULT_BYTES = len("kubectl.kubernetes.io/default-containerapp") + len(
    '"changed":{"metadata.annotations[kubectl.kubernetes.io/default-container]":null},'
)


@pytest.mark.parametrize(
    ("room", "written"),
    [
        (STATUS_BYTES + DEFAULT_BYTES, {STATUS, "kubectl.kubernetes.io/default-container"}),
        (STATUS_BYTES + DEFAULT_BYTES - 1, {STATUS}),
        (STATUS_BYTES, {STATUS}),
        (STATUS_BYTES - 1, set()),
    ],
    ids=["for both", "a byte short of both", "for the status", "a byte short of the status"],
)
def test_an_annotation_that_the_pod_has_no_room_for_is_left_out(room: int, written: set[str]) -> None:
    """The API server takes 256 KiB of annotations; the sidecar comes all the same."""
    raw = filled(pod("5555/UDP", annotations=NATIVE_OFF), room)
    after = admitted(raw)
    assert after["metadata"]["annotations"].keys() - raw["metadata"]["annotations"].keys() == written
    assert len(sidecars(after)) == 1
    assert admitted(after) == after


def test_an_old_status_goes_where_the_new_one_has_no_room() -> None:
    forged = '{"schema":1,"version":"0.1.0","injected":true,"hash":"0","ports":{"1":"x"}}'
    raw = filled(pod("5555/UDP", annotations={STATUS: forged}), 0)
    assert STATUS not in admitted(raw)["metadata"]["annotations"]


def test_the_request_s_own_object_is_never_changed() -> None:
    raw = pod("53/UDP", resources={"requests": {"cpu": "100m"}})
    before = copy.deepcopy(raw)
    mutate(raw, GAMES, (), CLUSTER)
    assert raw == before
