"""What is in sight of an object that is explained: its namespace's objects, from manifests or from a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from webhook.cli.objects import KubernetesObject, load_balancers
from webhook.cli.release import Release
from webhook.cli.sources import Source
from webhook.policy.cluster import Cluster, Namespace, parse_limit_range
from webhook.policy.finding import Decision
from webhook.policy.pod.templates import path_of
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import Service

COLLECTIONS = {
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "TargetGroupBinding": "/apis/elbv2.k8s.aws/v1beta1/namespaces/{}/targetgroupbindings",
    "UDPRoute": "/apis/gateway.networking.k8s.io/v1alpha2/namespaces/{}/udproutes",
}
OPTIONAL = frozenset({"NetworkPolicy", "LimitRange", "TargetGroupBinding", "UDPRoute"})
"""What an explanation can do without, where the API or the permission is missing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One namespace, as it is in a cluster or as it will be once manifests are applied.

    `written` holds objects of manifests as they are written, by kind and name; `objects` holds them as
    admission makes them, and `decisions` what it says to them, by their identities.
    """

    namespace: Namespace
    cluster: Cluster
    objects: Sequence[KubernetesObject]
    written: Mapping[tuple[str, str], KubernetesObject]
    decisions: Mapping[tuple[str, str, str], Decision]
    live: bool

    def find(self, kind: str, name: str) -> KubernetesObject | None:
        return next((one for one in self.of(kind) if one.name == name), None)

    def of(self, *kinds: str) -> Iterator[KubernetesObject]:
        return (one for one in self.objects if one.kind in kinds)

    def services(self) -> list[Service]:
        """The load balancers."""
        return list(load_balancers(self.objects))

    def demands(self) -> list[Demand]:
        asked = (demand(service, self.cluster) for service in self.services())
        return [one for one in asked if one]

    def workloads(self) -> list[KubernetesObject]:
        """Whoever has a pod template, and the pods that are nobody's."""
        bare = (one for one in self.of("Pod") if not one.metadata.get("ownerReferences"))
        return [*(one for one in self.objects if path_of(one.kind)), *bare]


def of_manifests(sources: Sequence[Source], name: str, cluster: Cluster) -> Surroundings:
    """The namespace of this name once the manifests are applied, in a cluster that holds nothing else."""
    items = [item for source in sources for item in source.items(name)]
    release = Release(items, [], cluster)
    release.decide()
    here = [item for item in items if item.namespace == name]
    admitted = [replace(item, raw=release.admitted(item)) for item in here]
    written = {(item.kind, item.name): item for item in here}
    namespace = release.namespaces.get(name) or Namespace(name, {})
    return Surroundings(namespace, release.cluster, admitted, written, release.decisions, live=False)


def of_cluster(
    kubeconfig: Path | None, name: str, kinds: Collection[str], configured: Cluster
) -> Surroundings:
    """The namespace of this name as it is, with these kinds of objects and those that are optional.

    Of the cluster, what is not configured is found out.

    Raises:
        NoCluster: there is no kubeconfig that can be used.
        ApiError: the API server cannot be reached or refuses something that is not optional.
    """
    from webhook.kube import client, discovery  # here, for manifests need no client

    api = client.ApiClient(client.configuration(kubeconfig))
    found = discovery.discover(api)
    cluster = replace(
        configured,
        owner=configured.owner or found.owner,
        ipv6=configured.ipv6 or found.ipv6,
        sees_pods=True,
    )
    labels = Raw(api.get(f"/api/v1/namespaces/{name}")).map("metadata").strings("labels")
    objects: list[KubernetesObject] = []
    for kind in {*kinds, *OPTIONAL}:
        try:
            for page in api.list(COLLECTIONS[kind].format(name)):
                objects += (KubernetesObject({**raw, "kind": kind}, name) for raw in page.items)
        except client.ApiError as failed:
            if kind not in OPTIONAL or failed.status not in discovery.CLOSED:
                raise
    ranges = (parse_limit_range(one.raw) for one in objects if one.kind == "LimitRange")
    namespace = Namespace(name, labels, tuple(chain.from_iterable(ranges)))
    return Surroundings(namespace, cluster, objects, {}, {}, live=True)
