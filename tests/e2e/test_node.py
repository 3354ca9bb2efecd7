"""On a real node: pods start, TCP tells the truth about UDP, and nothing of ours is in the way."""

from __future__ import annotations

import pytest

from tests.e2e.cluster import Cluster, echoed, sidecars, wait_until_healthy
from tests.e2e.workloads import PORT, pod_spec, service, workload
from tests.lab.process import wait_until
from tests.lab.webhook import Namespaces


@pytest.fixture
def echo(cluster: Cluster, namespace: Namespaces) -> tuple[str, str, str]:
    """Namespace, name and address of a running pod behind a UDP load balancer."""
    name = namespace()
    cluster.apply(name, service())
    cluster.apply(name, workload("Deployment"))
    cluster.rolled_out(name, "deployment/echo")
    (pod,) = cluster.pods(name)
    return name, pod["metadata"]["name"], pod["status"]["podIP"]


def test_tcp_follows_udp_inside_a_real_pod(echo: tuple[str, str, str]) -> None:
    _, _, address = echo
    wait_until_healthy(address, PORT)
    assert echoed(address, PORT, "hello")
    assert echoed(address, PORT, "shut 2")
    wait_until_healthy(address, PORT, expected=False)
    wait_until_healthy(address, PORT)
    assert echoed(address, PORT, "hello again")


def test_the_log_of_the_sidecar_holds_state_changes_and_nothing_else(
    cluster: Cluster, echo: tuple[str, str, str]
) -> None:
    namespace, pod, address = echo
    wait_until_healthy(address, PORT)
    assert echoed(address, PORT, "shut 2")
    wait_until_healthy(address, PORT, expected=False)
    wait_until_healthy(address, PORT)
    states = [line.split(":")[0] for line in cluster.logs(namespace, pod) if str(PORT) in line]
    assert len(states) == len(cluster.logs(namespace, pod)) == 4, cluster.logs(namespace, pod)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_every_kind_of_workload_gets_a_native_sidecar_that_runs(
    cluster: Cluster, namespace: Namespaces, kind: str
) -> None:
    name = namespace()
    cluster.apply(name, workload(kind, **({"serviceName": "echo"} if kind == "StatefulSet" else {})))
    cluster.rolled_out(name, f"{kind.lower()}/echo")
    (pod,) = cluster.pods(name)
    (sidecar,) = sidecars(pod)
    assert sidecar["restartPolicy"] == "Always"
    wait_until_healthy(pod["status"]["podIP"], PORT)


def test_a_rolling_restart_gives_every_new_pod_its_sidecar(
    cluster: Cluster, echo: tuple[str, str, str]
) -> None:
    namespace, old, _ = echo
    cluster.control_plane.kubectl("rollout", "restart", f"--namespace={namespace}", "deployment/echo")
    cluster.rolled_out(namespace, "deployment/echo")
    (new,) = (pod for pod in cluster.pods(namespace) if pod["metadata"]["name"] != old)
    assert sidecars(new)
    wait_until_healthy(new["status"]["podIP"], PORT)


def test_a_job_completes_beside_its_sidecar(cluster: Cluster, namespace: Namespaces) -> None:
    name = namespace()
    cluster.apply(name, workload("Job", pod=pod_spec(restartPolicy="Never")))
    cluster.wait(name, "jsonpath={.status.ready}=1", "job/echo")
    (pod,) = cluster.pods(name)
    assert sidecars(pod)
    assert echoed(pod["status"]["podIP"], PORT, "bye")
    cluster.wait(name, "condition=complete", "job/echo")


def test_a_target_turns_red_before_its_application_ends(cluster: Cluster, namespace: Namespaces) -> None:
    name = namespace()
    slow = pod_spec()
    slow["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
    cluster.apply(name, workload("Deployment", pod=slow))
    cluster.rolled_out(name, "deployment/echo")
    (pod,) = cluster.pods(name)
    address = pod["status"]["podIP"]
    wait_until_healthy(address, PORT)
    cluster.control_plane.kubectl(
        "delete", "pod", f"--namespace={name}", pod["metadata"]["name"], "--wait=false"
    )
    wait_until_healthy(address, PORT, expected=False)
    assert echoed(address, PORT, "still serving")


def test_a_namespace_that_has_not_opted_in_is_left_alone(cluster: Cluster, namespace: Namespaces) -> None:
    name = namespace({})
    cluster.apply(name, service())
    cluster.apply(name, workload("Deployment"))
    cluster.rolled_out(name, "deployment/echo")
    (pod,) = cluster.pods(name)
    assert not sidecars(pod)


def test_helm_test_proves_the_installation(cluster: Cluster) -> None:
    assert "Phase:          Succeeded" in cluster.helm("test")


def test_all_webhook_pods_deleted_at_once_come_back(cluster: Cluster, namespace: Namespaces) -> None:
    cluster.control_plane.kubectl(
        "delete", "pods", "--namespace=udplb-system", "--all", "--force", "--grace-period=0"
    )
    cluster.rolled_out("udplb-system", "deployment/udplb")
    name = namespace()

    def injected() -> bool:
        cluster.apply(name, workload("Job", pod=pod_spec(restartPolicy="Never")))
        cluster.control_plane.kubectl("delete", "job", f"--namespace={name}", "echo")
        return True

    wait_until(injected, "a pod created after the webhook's loss", 30)
