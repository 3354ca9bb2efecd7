"""After `helm uninstall` nothing of udplb is left, and nothing waits for it."""

from __future__ import annotations

from tests.e2e.cluster import Cluster, sidecars
from tests.e2e.workloads import service, workload
from tests.lab.process import wait_until
from tests.lab.webhook import Namespaces


def test_pods_and_services_are_created_as_if_udplb_had_never_been(
    cluster: Cluster, namespace: Namespaces
) -> None:
    cluster.helm("uninstall", "--wait")
    name = namespace()
    cluster.apply(name, service())
    cluster.apply(name, workload("Deployment"))
    cluster.rolled_out(name, "deployment/echo")
    (pod,) = cluster.pods(name)
    assert not sidecars(pod)
    wait_until(lambda: left(cluster) == "", "nothing of udplb", 60)


def left(cluster: Cluster) -> str:
    """What is there of udplb; the Secret goes with its Service, when the garbage collector comes."""
    kinds = (
        "all,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets,roles,rolebindings,"
        "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations"
    )
    selector = "--selector=app.kubernetes.io/name=udplb"
    return cluster.control_plane.kubectl("get", kinds, "--all-namespaces", selector, "--output=name").stdout
