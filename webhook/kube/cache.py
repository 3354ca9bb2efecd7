"""The cluster as the webhook knows it: three watches, discovery and the live list, behind one object.

Threads fill the stores; a review reads values that are replaced and never changed, and waits for nobody but
the live list.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from webhook.kube.bucket import TokenBucket
from webhook.kube.census import Census
from webhook.kube.client import ApiClient, ApiError, NoCluster, configuration
from webhook.kube.discovery import Discovered, discover
from webhook.kube.informer import Informer
from webhook.kube.live import EMPTY, FAILED, FOUND, LIMITED, LiveLists
from webhook.kube.namespaces import LIMIT_RANGES, NAMESPACES, LimitRangeStore, NamespaceStore
from webhook.kube.pods import PodLists
from webhook.kube.services import (
    QUERY,
    SERVICES,
    LoadBalancer,
    NamespaceServices,
    ServiceStore,
    demands,
    read_service,
)
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import Service
from webhook.policy.service.sight import NOTHING, Sight

__all__ = ["ClusterCache", "NoCluster"]

LIVE_SECONDS = 1.0
"""Well inside the webhook's timeout of 5 s."""
POD_SECONDS = 0.5
"""For advice alone: nobody waits longer for it."""
CENSUS_SECONDS = 300.0
"""Between two counts of all pods."""
LIVE_RATE = 5.0
LIVE_BURST = 20
LIVE_THREADS = 4
STOP_SECONDS = 2.0
RESULTS = (FOUND, EMPTY, FAILED, LIMITED)

Gauges = Sequence[tuple[str, str, Mapping[str, str], Callable[[], float]]]


class ClusterCache:
    """Starts at once, answers when it is synced, and never gives up."""

    def __init__(
        self,
        kubeconfig: Path | None,
        configured: Cluster,
        *,
        detect_owner: bool = True,
        detect_family: bool = True,
        live_seconds: float = LIVE_SECONDS,
        pod_seconds: float = POD_SECONDS,
        census_seconds: float = CENSUS_SECONDS,
    ) -> None:
        """Reads credentials, asks nobody yet. Raises NoCluster."""
        self._client = ApiClient(configuration(kubeconfig))
        self._detects = (detect_owner, detect_family)
        self._configured = self._cluster = configured
        self._discovered: Discovered | None = None
        self._log = structlog.get_logger()
        self._services = ServiceStore(self._demand)
        self._namespaces = NamespaceStore()
        self._limit_ranges = LimitRangeStore()
        # Demands stand on what discovery finds, so it comes before each list and watch of Services.
        self._service_informer = Informer(self._client, SERVICES, self._services, self._detect)
        self._informers: tuple[Informer[Any], ...] = (
            self._service_informer,
            Informer(self._client, NAMESPACES, self._namespaces),
            Informer(self._client, LIMIT_RANGES, self._limit_ranges),
        )
        self._threads = ThreadPoolExecutor(LIVE_THREADS, "live list")
        self._live_seconds = live_seconds
        bucket = TokenBucket(LIVE_RATE, LIVE_BURST, time.monotonic)
        self._live = LiveLists(self._list_live, bucket, live_seconds)
        pace = TokenBucket(LIVE_RATE, LIVE_BURST, time.monotonic)
        self._pods = PodLists(self._client, pace, pod_seconds)
        self._census = Census(self._client, self, census_seconds) if configured.sees_pods else None

    async def start(self) -> None:
        for informer in self._informers:
            informer.start()
        if self._census:
            self._census.start()

    async def stop(self) -> None:
        for informer in self._informers:
            informer.stop()
        if self._census:
            self._census.stop()
        self._client.close()
        await self._live.stop()
        self._pods.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for informer in self._informers:
            informer.join(STOP_SECONDS)

    @property
    def unready(self) -> str:
        """Why it has not synced yet; empty for good once it has."""
        for informer in self._informers:
            if not informer.synced:
                return f"the cache has not synced yet: {informer.problem or 'listing'}"
        return ""

    @property
    def synced(self) -> bool:
        return not self.unready

    @property
    def age(self) -> float:
        """Seconds since the API server was last heard of, by the watch that has waited longest."""
        return max(informer.age for informer in self._informers)

    @property
    def restarts(self) -> int:
        """How often a watch broke and was begun again."""
        return sum(informer.restarts for informer in self._informers)

    def gauges(self) -> Gauges:
        """Name, help, labels and value of what metrics show of the cache."""
        age, restarts = "Since the API server was heard of.", "Watches that broke and were begun again."
        asked, results = "Reviews that asked for a live list.", self._live.results
        looked, sights = "Reviews of Services that asked for the pods behind them.", self._pods.results
        return (
            ("udplb_cache_services", "Load balancers cached.", {}, lambda: len(self._services)),
            ("udplb_cache_age_seconds", age, {}, lambda: self.age),
            ("udplb_watch_restarts_total", restarts, {}, lambda: self.restarts),
            *(
                ("udplb_live_lists_total", asked, {"result": result}, partial(results.__getitem__, result))
                for result in RESULTS
            ),
            *(
                ("udplb_pod_lists_total", looked, {"result": result}, partial(sights.__getitem__, result))
                for result in RESULTS
            ),
            *(self._census.gauges() if self._census else ()),
        )

    def cluster(self) -> Cluster:
        """As configured, and with what discovery has found by now."""
        return self._cluster

    @property
    def owner_source(self) -> str:
        """`setting` or `detection`."""
        return "detection" if self._detects[0] else "setting"

    def namespace(self, name: str) -> Namespace:
        labels = self._namespaces.labels(name)
        limit_ranges = self._limit_ranges.in_namespace(name) if labels else ()
        return Namespace(name, labels, limit_ranges, self._namespaces.annotations(name))

    def enabled(self) -> Sequence[Namespace]:
        """The namespaces in which pods get their sidecars."""
        return [self.namespace(name) for name in self._namespaces.in_mode(keys.ENABLED)]

    def services(self, namespace: str) -> Sequence[Service]:
        return [member.service for member in self._services.in_namespace(namespace).all()]

    def demands(self, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Demand]:
        """What the cached load balancers ask of pods with these labels; of any pod without labels."""
        return self._demands(self._services.in_namespace(namespace), labels)

    async def live_demands(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Demand]:
        """The same, asked of the API server now; only for a namespace that is known to have opted in.

        Raises:
            LookupFailed: no answer in time, or too many questions.
        """
        if not self._opted_in(namespace):
            return self.demands(namespace, labels)
        return self._demands(await self._live.list(namespace), labels)

    async def pods(self, namespace: str, selector: Mapping[str, str]) -> Sight:
        """The pods behind a selector, asked of the API server now; nothing where we may not, or cannot in time."""
        if not (self._configured.sees_pods and self._opted_in(namespace)):
            return NOTHING
        return await self._pods.select(namespace, selector)

    def _opted_in(self, namespace: str) -> bool:
        """Whether the namespace is known to have: a name out of a forged review becomes no path."""
        return bool(self._namespaces.labels(namespace))  # of the others no label is kept

    def _demands(self, services: NamespaceServices, labels: Mapping[str, str] | None) -> Sequence[Demand]:
        members = services.all() if labels is None else services.selecting(labels)
        return demands(members, demand, self._cluster)

    def _demand(self, member: LoadBalancer) -> None:
        member.demand(demand, self._cluster)

    def _detect(self) -> None:
        """Fill in what the settings leave to the cluster; the same findings keep the same value. Raises ApiError."""
        found = discover(self._client)
        if found == self._discovered:
            return
        detect_owner, detect_family = self._detects
        self._cluster = replace(
            self._configured,
            owner=found.owner if detect_owner else self._configured.owner,
            ipv6=found.ipv6 if detect_family else self._configured.ipv6,
        )
        self._discovered = found
        self._log.info(
            "cluster",
            api_server=found.version,
            owner=self._cluster.owner,
            owner_source=self.owner_source,
            ipv6=self._cluster.ipv6,
        )

    async def _list_live(self, namespace: str) -> NamespaceServices | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._list_services, namespace, time.monotonic() + self._live_seconds
        )

    def _list_services(self, namespace: str, ends: float) -> NamespaceServices | None:
        path = f"/api/v1/namespaces/{namespace}/services"
        seconds = ends - time.monotonic()
        members = []
        try:
            for page in self._client.list(path, QUERY, seconds=seconds):
                for raw in page.items:
                    try:
                        members.append(read_service(raw))
                    except MalformedObject as fault:
                        self._log.warning(
                            "object kept out, a field has a wrong type", path=path, field=str(fault)
                        )
        except ApiError as failed:
            self._log.warning("live list failed", namespace=namespace, problem=str(failed))
            return None
        return NamespaceServices(members)
