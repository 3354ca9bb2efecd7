"""How many running pods lack their sidecar or have an old one: counted now and then, beside all reviews."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import random
from typing import Protocol

import structlog

from webhook.kube.client import ApiClient, ApiError
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.pod.standing import Standing, standing
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand

LIST_SECONDS = 60.0
"""For the pods of one namespace."""
MOST_PODS = 20_000
"""In one round."""
PAGE_SIZE = 50
"""Whole pods are large, and a page is parsed in one go while reviews wait for this processor."""
PAUSE_SECONDS = 0.1
"""Between two pages, for the API server and for reviews."""
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"

Gauges = Sequence[tuple[str, str, Mapping[str, str], Callable[[], float]]]


class Known(Protocol):
    """What is known of the cluster, as cached."""

    @property
    def unready(self) -> str: ...

    def enabled(self) -> Sequence[Namespace]: ...

    def demands(self, namespace: str) -> Sequence[Demand]: ...

    def cluster(self) -> Cluster: ...


class Census:
    """Counts the pods of the enabled namespaces now and then, one LIST a namespace."""

    def __init__(
        self,
        client: ApiClient,
        known: Known,
        seconds: float,
        pause_seconds: float = PAUSE_SECONDS,
        most_pods: int = MOST_PODS,
    ) -> None:
        """`seconds` lie between two rounds, give or take a quarter; the first comes after a tenth."""
        self._client = client
        self._known = known
        self._seconds = seconds
        self._pause_seconds = pause_seconds
        self._most_pods = most_pods
        self._log = structlog.get_logger()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pod census", daemon=True)
        self.counted: Mapping[str, Counter[Standing]] = {}
        """What the last round saw, by namespace."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further page is asked for."""
        self._stopping.set()

    def gauges(self) -> Gauges:
        missing = "Running pods that should have a sidecar and have none that works."
        stale = "Running pods whose sidecar answers on other ports than are asked for now."
        return (
            ("udplb_pods_missing", missing, {}, partial(self._total, Standing.MISSING)),
            ("udplb_pods_stale", stale, {}, partial(self._total, Standing.STALE)),
        )

    def _total(self, which: Standing) -> float:
        return sum(counts[which] for counts in self.counted.values())

    def _run(self) -> None:
        pause = self._seconds / 10
        while not self._stopping.wait(pause):
            try:
                if not self._known.unready:
                    self.round()
            except Exception:  # figures alone depend on it, and the next round may work
                self._log.exception("pod census failed")
            pause = self._seconds * (0.75 + random() / 2)  # noqa: S311 replicas do not ask together

    def round(self) -> None:
        """Count once. A namespace that cannot be listed keeps its figures."""
        counted: dict[str, Counter[Standing]] = {}
        left = self._most_pods
        for namespace in self._known.enabled():
            if self._stopping.is_set():
                return
            if left <= 0:
                self._log.warning("pod census cut short", pods=self._most_pods, next=namespace.name)
                break
            try:
                counts = self._count(namespace, left)
            except ApiError as failed:
                self._log.warning("pod census failed", namespace=namespace.name, problem=str(failed))
                counts = self.counted.get(namespace.name, Counter())
            left -= counts.total()
            counted[namespace.name] = counts
            self._tell(namespace.name, counts)
        self.counted = counted

    def _tell(self, namespace: str, counts: Counter[Standing]) -> None:
        if counts != self.counted.get(namespace) and counts[Standing.MISSING] + counts[Standing.STALE]:
            missing, stale = counts[Standing.MISSING], counts[Standing.STALE]
            self._log.info("pods without their sidecar", namespace=namespace, missing=missing, stale=stale)

    def _count(self, namespace: Namespace, most: int) -> Counter[Standing]:
        """The first `most` running pods. Raises ApiError."""
        counts: Counter[Standing] = Counter()
        demands, cluster = self._known.demands(namespace.name), self._known.cluster()
        path, query = f"/api/v1/namespaces/{namespace.name}/pods", {"fieldSelector": NOT_ENDED}
        for page in self._client.list(path, query, seconds=LIST_SECONDS, page_size=PAGE_SIZE):
            for raw in page.items:
                try:
                    counts[standing(raw, namespace, demands, cluster)] += 1
                except MalformedObject:
                    counts[Standing.FINE] += 1  # it cannot run
            if counts.total() >= most or self._stopping.wait(self._pause_seconds):
                break
        return counts
