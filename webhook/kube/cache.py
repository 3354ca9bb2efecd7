"""Everything that reviews read of the cluster, joined: `ClusterCache`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from webhook.kube import discovery
from webhook.kube.client import Client, NoCluster
from webhook.kube.informer import Informer
from webhook.kube.live import BURST, DEADLINE_SECONDS, RATE, LiveList, TokenBucket
from webhook.kube.namespaces import LIMIT_RANGES, METADATA, LimitRangeStore, NamespaceStore
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.services import LOAD_BALANCERS, Entry, ServiceStore, Shelf
from webhook.kube.services import PATH as SERVICES
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.service.demand import Demand
from webhook.policy.service.demanding import demand
from webhook.policy.service.objects import Service

__all__ = ["ClusterCache", "NoCluster"]

Gauges = Sequence[tuple[str, str, Mapping[str, str], Callable[[], float]]]


class ClusterCache:
    """One API server's load balancers, namespaces and owner; it never gives up and never goes back.

    Raises:
        NoCluster: neither a kubeconfig nor an in-cluster account.
    """

    def __init__(
        self, kubeconfig: Path | None, cluster: Cluster, *, detect_owner: bool, detect_family: bool
    ) -> None:
        self._client = Client(kubeconfig)
        self._cluster = cluster
        self._detect_owner, self._detect_family = detect_owner, detect_family
        self.owner_source = "detection" if detect_owner else "setting"
        self._services = ServiceStore(partial(demand, cluster=cluster))
        self._namespaces, self._limit_ranges = NamespaceStore(), LimitRangeStore()
        self._live = LiveList(self._list, TokenBucket(RATE, BURST, time.monotonic))
        self._watching = Informer(
            self._client, SERVICES, self._services, LOAD_BALANCERS, before=self._discover
        )
        self._informers = (
            self._watching,
            Informer(self._client, NAMESPACES, self._namespaces, accept=METADATA),
            Informer(self._client, LIMIT_RANGES, self._limit_ranges),
        )

    async def start(self) -> None:
        for informer in self._informers:
            informer.start()

    async def stop(self) -> None:
        for informer in self._informers:
            informer.stop()

    @property
    def unready(self) -> str:
        """Why it has not synced yet; empty for good once it has."""
        missing = [informer for informer in self._informers if not informer.synced]
        if not missing:
            return ""
        return missing[0].trouble or f"waiting for the first list of {missing[0].path}"

    def cluster(self) -> Cluster:
        return self._cluster

    def namespace(self, name: str) -> Namespace:
        return Namespace(name, self._namespaces.labels(name), self._limit_ranges.ranges(name))

    def services(self, namespace: str) -> Sequence[Service]:
        return self._services.shelf(namespace).services

    def demands(self, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Demand]:
        shelf = self._services.shelf(namespace)
        return shelf.demands if labels is None else shelf.selecting(labels)

    async def live_demands(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Demand]:
        """As `demands`, asked now; only of a namespace that is known to have opted in. Raises LookupFailed."""
        if (self._namespaces.labels(namespace) or {}).get(keys.INJECT) not in keys.MODES:
            return self.demands(namespace, labels)
        entries = await self._live.entries(namespace)
        return Shelf({entry.service.name: entry for entry in entries}).selecting(labels)

    def gauges(self) -> Gauges:
        """What metrics show of the cache."""
        restarts = "Watches that had to begin again."
        results = ("found", "empty", "lookup_failed", "lookup_limited")
        return (
            ("udplb_cache_services", "Load balancers cached.", {}, lambda: len(self._services)),
            ("udplb_cache_age_seconds", "Since the API server was heard of.", {}, lambda: self._watching.age),
            ("udplb_watch_restarts_total", restarts, {}, lambda: sum(i.restarts for i in self._informers)),
            *(
                (
                    "udplb_live_lists_total",
                    "Live lists.",
                    {"result": result},
                    partial(self._live_lists, result),
                )
                for result in results
            ),
        )

    def _live_lists(self, result: str) -> float:
        return self._live.results[result]

    def _list(self, namespace: str) -> Sequence[Entry]:
        path = f"/api/v1/namespaces/{namespace}/services"
        items, _version = self._client.list(path, LOAD_BALANCERS, seconds=DEADLINE_SECONDS)
        return tuple(self._services.entries(items))

    def _discover(self) -> None:
        found = self._cluster
        if self._detect_owner:
            owners = discovery.installed_owners(self._client)
            found = replace(found, owner=owners[0] if len(owners) == 1 else None)
        if self._detect_family:
            found = replace(found, ipv6=discovery.prefers_ipv6(self._client))
        if not self._watching.synced or found != self._cluster:
            owner = found.owner or "none: no class will be set"
            structlog.get_logger().info("owner", owner=owner, source=self.owner_source, ipv6=found.ipv6)
        self._cluster = found
