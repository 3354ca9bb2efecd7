"""The pods that a Service selects, for advice: one short list, read and forgotten."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from webhook.kube.bucket import TokenBucket
from webhook.kube.client import ApiClient, ApiError
from webhook.kube.live import EMPTY, FAILED, FOUND, LIMITED
from webhook.policy.pod.sight import views
from webhook.policy.service.sight import NOTHING, PodInSight, Sight

MOST_PODS = 500
PAGE_SIZE = 100
"""Whole pods are large, and only their views are kept from page to page."""
THREADS = 2


class PodLists:
    """Lists of pods, paced and bounded; whatever goes wrong, no pod is in sight."""

    def __init__(self, client: ApiClient, bucket: TokenBucket, seconds: float) -> None:
        """`seconds` bound what one review waits, the pacing included."""
        self._client = client
        self._bucket = bucket
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(THREADS, "pod list")
        self._log = structlog.get_logger()
        self.results: Counter[str] = Counter()
        """How the reviews that asked fared."""

    async def select(self, namespace: str, selector: Mapping[str, str]) -> Sight:
        """The pods of a namespace with these labels, at most 500; an empty selector selects nothing."""
        if not selector:
            return NOTHING
        ends = time.monotonic() + self._seconds
        wait = self._bucket.take(self._seconds)
        if wait is None:
            self.results[LIMITED] += 1
            return NOTHING
        await asyncio.sleep(wait)
        asked = asyncio.get_running_loop().run_in_executor(
            self._threads, self._list, namespace, selector, ends
        )
        try:
            sight = await asyncio.wait_for(asked, max(0.0, ends - time.monotonic()))
        except (ApiError, TimeoutError) as failed:
            self.results[FAILED] += 1
            self._log.warning(
                "pod list failed", namespace=namespace, problem=str(failed) or "no answer in time"
            )
            return NOTHING
        self.results[FOUND if sight else EMPTY] += 1
        return sight

    def _list(self, namespace: str, selector: Mapping[str, str], ends: float) -> Sight:
        """Raises ApiError."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in selector.items())}
        sight: Counter[PodInSight] = Counter()
        read = 0
        for page in self._client.list(path, query, seconds=ends - time.monotonic(), page_size=PAGE_SIZE):
            sight.update(views(page.items))
            read += len(page.items)
            if read >= MOST_PODS:
                break
        return sight

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
