"""The load balancers of each namespace, found by the labels of a pod in about constant time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from sys import intern
from typing import Any

from webhook.kube.informer import Collection, Key
from webhook.policy.cluster import Cluster
from webhook.policy.service.demand import Demand
from webhook.policy.service.objects import Service, parse_service

QUERY = {"fieldSelector": "spec.type=LoadBalancer"}
SERVICES = Collection("/api/v1/services", QUERY)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of the whole manifest, which no rule reads."""

Pair = tuple[str, str]
MakeDemand = Callable[[Service, Cluster], Demand | None]


class LoadBalancer:
    """A Service, and what it asks of pods: made once for a cluster's facts, not once a review."""

    __slots__ = ("_made", "service")

    def __init__(self, service: Service) -> None:
        self.service = service
        self._made: tuple[Cluster, Demand | None] | None = None  # one reference, for two threads write it

    def demand(self, make: MakeDemand, cluster: Cluster) -> Demand | None:
        """What the Service asks; made anew when the cluster's facts have changed."""
        made = self._made
        if made is None or made[0] is not cluster:
            made = self._made = (cluster, make(self.service, cluster))
        return made[1]


class NamespaceServices:
    """One namespace's load balancers; a value, every change makes another.

    Each stands in one bucket, that of one pair of its selector: a pod can only be selected by those in the
    buckets of its own labels, so that a look-up reads a few of them, however many there are.
    """

    __slots__ = ("_buckets", "_by_name")

    def __init__(self, members: Iterable[LoadBalancer] = ()) -> None:
        self._by_name = {member.service.name: member for member in members}
        shared = Counter(
            pair for member in self._by_name.values() for pair in member.service.selector.items()
        )
        buckets: dict[Pair, list[LoadBalancer]] = {}
        for member in self._by_name.values():
            if member.service.selector:
                rarest = min(member.service.selector.items(), key=shared.__getitem__)
                buckets.setdefault(rarest, []).append(member)
        self._buckets = {pair: tuple(bucket) for pair, bucket in buckets.items()}

    def __len__(self) -> int:
        return len(self._by_name)

    def all(self) -> list[LoadBalancer]:
        """All of them, by name."""
        return [member for _, member in sorted(self._by_name.items())]

    def selecting(self, labels: Mapping[str, str]) -> list[LoadBalancer]:
        """Those that select a pod of these labels, by name; an empty selector selects nothing."""
        found = [
            member
            for pair in labels.items()
            for member in self._buckets.get(pair, ())
            if member.service.selector.items() <= labels.items()
        ]
        return sorted(found, key=lambda member: member.service.name)

    def with_(self, member: LoadBalancer) -> NamespaceServices:
        """This and the member, which takes the place of one of its name."""
        changed = self.without(member.service.name)
        changed._by_name[member.service.name] = member
        if member.service.selector:
            buckets = changed._buckets
            pair = min(member.service.selector.items(), key=lambda pair: len(buckets.get(pair, ())))
            buckets[pair] = (*buckets.get(pair, ()), member)
        return changed

    def without(self, name: str) -> NamespaceServices:
        changed = NamespaceServices()
        changed._by_name, changed._buckets = dict(self._by_name), dict(self._buckets)
        member = changed._by_name.pop(name, None)
        for pair in member.service.selector.items() if member else ():
            bucket = changed._buckets.get(pair, ())
            if member in bucket:
                rest = tuple(other for other in bucket if other is not member)
                changed._buckets.pop(pair)
                if rest:
                    changed._buckets[pair] = rest
        return changed


NONE = NamespaceServices()


class ServiceStore:
    """The load balancers of the cluster: a mapping that is replaced, never changed."""

    def __init__(self, warm: Callable[[LoadBalancer], object] = lambda _: None) -> None:
        """`warm` sees each new load balancer in the thread that read it, before a review does."""
        self._warm = warm
        self._snapshot: Mapping[str, NamespaceServices] = {}

    def __len__(self) -> int:
        return sum(map(len, self._snapshot.values()))

    def in_namespace(self, namespace: str) -> NamespaceServices:
        return self._snapshot.get(namespace, NONE)

    def read(self, raw: Mapping[str, Any]) -> LoadBalancer:
        """Raises MalformedObject."""
        member = read_service(raw)
        self._warm(member)
        return member

    def replace(self, objects: Mapping[Key, LoadBalancer]) -> None:
        grouped: dict[str, list[LoadBalancer]] = {}
        for key, member in objects.items():
            grouped.setdefault(key.namespace, []).append(member)
        self._snapshot = {namespace: NamespaceServices(members) for namespace, members in grouped.items()}

    def put(self, key: Key, value: LoadBalancer) -> None:
        changed = self.in_namespace(key.namespace).with_(value)
        self._snapshot = {**self._snapshot, key.namespace: changed}

    def remove(self, key: Key) -> None:
        snapshot = dict(self._snapshot)
        changed = snapshot.pop(key.namespace, NONE).without(key.name)
        if changed:
            snapshot[key.namespace] = changed
        self._snapshot = snapshot


def read_service(raw: Mapping[str, Any]) -> LoadBalancer:
    """The frozen view of a raw Service, without what no rule reads. Raises MalformedObject."""
    service = parse_service(raw)
    shared = replace(
        service,
        annotations=_shared(service.annotations),
        labels=_shared(service.labels),
        selector=_shared(service.selector),
    )
    return LoadBalancer(shared)


def _shared(strings: Mapping[str, str]) -> Mapping[str, str]:
    """Equal texts of ten thousand Services become one."""
    return {intern(key): intern(value) for key, value in strings.items() if key != LAST_APPLIED}


def demands(members: Sequence[LoadBalancer], make: MakeDemand, cluster: Cluster) -> list[Demand]:
    """What these load balancers ask; those that ask nothing are left out."""
    asked = (member.demand(make, cluster) for member in members)
    return [demand for demand in asked if demand is not None]
