"""What operators do to udplb while pods are created: none fails, and none is without its sidecar."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.authority import CertificateAuthority
from tests.e2e.cluster import Cluster, sidecars
from tests.e2e.workloads import pod_spec, service, workload
from tests.lab.node import images
from tests.lab.process import wait_until
from tests.lab.stream import Stream, streaming
from tests.lab.webhook import Namespaces

RELEASE = "udplb-system"
SELECTOR = "app.kubernetes.io/name=udplb"
SECRET = f"/api/v1/namespaces/{RELEASE}/secrets/udplb-ca"
LEAF_SECONDS = 120.0
"""A new authority stands in every caBundle for a minute before it signs; until all replicas have read and published it
some polls of five seconds pass, more where two write at once."""
GETS_NOWHERE = {"CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff"}
HELD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "player-"},
    "spec": pod_spec(schedulingGates=[{"name": "example.com/held"}]),
}
"""A pod that the API server creates and nobody runs: the node would be full of them."""


@pytest.fixture
def stream(cluster: Cluster, namespace: Namespaces) -> Iterator[Stream]:
    """Real creations of pods, judged when the test is over."""
    with streaming(cluster.control_plane, namespace(), HELD, dry_run=False) as stream:
        yield stream
    print(stream)
    assert stream.wrong == []
    assert stream.created > stream.seconds()


def test_a_rollout_of_the_webhook_is_not_heard_of(cluster: Cluster, stream: Stream) -> None:
    cluster.control_plane.kubectl("rollout", "restart", f"--namespace={RELEASE}", "deployment/udplb")
    cluster.rolled_out(RELEASE, "deployment/udplb")


def test_three_upgrades_are_not_heard_of(cluster: Cluster, stream: Stream) -> None:
    for level in ("debug", "warning", "info"):
        cluster.helm("upgrade", "--reuse-values", "--wait", f"--set=logLevel={level}")


def test_a_drained_replica_is_not_heard_of(cluster: Cluster, stream: Stream) -> None:
    name, *_ = staying(cluster)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": RELEASE},
    }
    path = f"/api/v1/namespaces/{RELEASE}/pods/{name}"
    assert cluster.control_plane.request("POST", f"{path}/eviction", eviction).status == 201
    wait_until(lambda: cluster.control_plane.request("GET", path).status == 404, "evicted replica", 60)
    cluster.rolled_out(RELEASE, "deployment/udplb")


def test_a_rotation_of_the_authority_is_not_heard_of(cluster: Cluster, stream: Stream) -> None:
    old = CertificateAuthority.create(datetime.now(UTC) - timedelta(days=300))
    pair = {"ca.crt": old.keypair.cert_pem, "ca.key": old.keypair.key_pem}
    data = {name: base64.b64encode(pem).decode() for name, pem in pair.items()}
    before = {one: swaps(cluster, one) for one in staying(cluster)}
    cluster.control_plane.request("PATCH", SECRET, {"data": data})
    wait_until(
        lambda: all(swaps(cluster, one) > count for one, count in before.items()),
        "a leaf of the new authority in every replica",
        LEAF_SECONDS,
    )


@pytest.mark.parametrize("image", ["localhost/nothing:1", images.ECHO])
def test_a_sidecar_image_that_does_not_exist_or_is_another_program_stops_us_and_not_the_users(
    cluster: Cluster, namespace: Namespaces, image: str
) -> None:
    serving = staying(cluster)
    cluster.helm("upgrade", "--reuse-values", f"--set=sidecar.image={image}")
    wait_until(lambda: refused(cluster, image), f"new replica without a sidecar by {image}", 60)
    name = namespace()
    cluster.apply(name, workload("Deployment"))
    cluster.rolled_out(name, "deployment/echo")
    (pod,) = cluster.pods(name)
    assert sidecars(pod)[0]["image"] != image
    ready = [one["metadata"]["name"] for one in cluster.pods(RELEASE, SELECTOR) if is_ready(one)]
    assert sorted(ready) == sorted(serving)
    cluster.helm("rollback", "--wait")
    wait_until(lambda: sorted(replicas(cluster)) == sorted(serving), "the replicas from before", 60)


def test_with_udplb_down_pods_start_finalizers_go_and_the_way_out_is_open(
    cluster: Cluster, namespace: Namespaces
) -> None:
    name, control_plane = namespace(), cluster.control_plane
    cluster.apply(name, service())
    path = f"/api/v1/namespaces/{name}/services"
    finalizer = {"metadata": {"finalizers": ["service.k8s.aws/resources"]}}
    assert control_plane.request("PATCH", f"{path}/echo", finalizer).status == 200
    control_plane.kubectl("scale", f"--namespace={RELEASE}", "deployment/udplb", "--replicas=0")
    wait_until(lambda: replicas(cluster) == [], "no replica", 60)
    try:
        cluster.apply(name, workload("Deployment"))
        cluster.rolled_out(name, "deployment/echo")
        assert control_plane.request("DELETE", f"{path}/echo").status == 200
        gone = {"metadata": {"finalizers": None}}
        assert control_plane.request("PATCH", f"{path}/echo", gone).status == 200
        assert control_plane.request("GET", f"{path}/echo").status == 404
        written = json.loads(service())
        assert "failed calling webhook" in str(control_plane.request("POST", path, written).body)
        written["metadata"]["annotations"] = {"udplb/inject": "false"}
        assert control_plane.request("POST", path, written).status == 201
        elsewhere = f"/api/v1/namespaces/{namespace({})}"
        assert control_plane.request("POST", f"{elsewhere}/services", json.loads(service())).status == 201
        assert control_plane.request("POST", f"{elsewhere}/pods", HELD).status == 201
    finally:
        control_plane.kubectl("scale", f"--namespace={RELEASE}", "deployment/udplb", "--replicas=2")
        cluster.rolled_out(RELEASE, "deployment/udplb")


def replicas(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.pods(RELEASE, SELECTOR)]


def staying(cluster: Cluster) -> list[str]:
    """The replicas that are not about to go, as those of an upgrade are for a while after it."""
    pods = cluster.pods(RELEASE, SELECTOR)
    return [one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]]


def refused(cluster: Cluster, image: str) -> bool:
    """Whether a new replica has tried this sidecar image, and got nowhere."""
    return any(
        state["image"].endswith(image) and state["state"].get("waiting", {}).get("reason") in GETS_NOWHERE
        for pod in cluster.pods(RELEASE, SELECTOR)
        for state in pod["status"].get("initContainerStatuses", ())
    )


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def swaps(cluster: Cluster, replica: str) -> float:
    """How often a replica has swapped its certificate while serving."""
    path = f"/api/v1/namespaces/{RELEASE}/pods/{replica}:8080/proxy/metrics"
    series = "udplb_certificate_rotations_total "
    lines = str(cluster.control_plane.request("GET", path).body).splitlines()
    return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))
