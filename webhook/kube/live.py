"""Live lists: asked when the cache says no, shared by the reviews that wait, and few a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sized
from contextlib import suppress
from typing import Generic, TypeVar

from webhook.kube.bucket import TokenBucket
from webhook.policy.service.demand import LookupFailed

FOUND = "found"
EMPTY = "empty"
FAILED = "lookup_failed"
LIMITED = "lookup_limited"

T = TypeVar("T", bound=Sized)


class LiveLists(Generic[T]):
    """At most one list a namespace waits to begin; whoever comes before it begins shares it.

    Source of the rule: a list that began before a review came may lack the Service that the review is about.
    """

    def __init__(
        self, fetch: Callable[[str], Awaitable[T | None]], bucket: TokenBucket, deadline: float
    ) -> None:
        """`fetch` gives None where it fails; `deadline` is what one review waits, in seconds."""
        self._fetch = fetch
        self._bucket = bucket
        self._deadline = deadline
        self._waiting: dict[str, asyncio.Task[T | None]] = {}
        self._running: set[asyncio.Task[T | None]] = set()
        self.results: Counter[str] = Counter()
        """How the reviews that asked fared."""

    async def list(self, namespace: str) -> T:
        """The namespace's list, begun after this call. Raises LookupFailed."""
        try:
            found = await self._shared(namespace)
        except LookupFailed as failed:
            self.results[failed.reason] += 1
            raise
        self.results[FOUND if len(found) else EMPTY] += 1
        return found

    async def _shared(self, namespace: str) -> T:
        task = self._waiting.get(namespace)
        if task is None:
            wait = self._bucket.take(self._deadline)
            if wait is None:
                raise LookupFailed(LIMITED)
            task = asyncio.create_task(self._run(namespace, wait))
            self._waiting[namespace] = task
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait((task,), timeout=self._deadline)
        if not done:
            raise LookupFailed(LIMITED if self._waiting.get(namespace) is task else FAILED)
        found = None if task.cancelled() else task.result()
        if found is None:
            raise LookupFailed(FAILED)
        return found

    async def _run(self, namespace: str, wait: float) -> T | None:
        await asyncio.sleep(wait)
        del self._waiting[namespace]
        return await self._fetch(namespace)

    async def stop(self) -> None:
        """Give up what is under way; its reviews get `lookup_failed`."""
        for task in tuple(self._running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._waiting.clear()
