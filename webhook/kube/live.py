"""The live list: asks the API server where the cache says no, at a bounded pace.

A Service may have been created a moment before its pods. Reviews that wait share one LIST, and a review
only trusts a LIST that began after it arrived.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from webhook.kube.client import ApiError
from webhook.kube.services import Entry
from webhook.policy.service.demand import LookupFailed

DEADLINE_SECONDS = 1.0
"""Well inside the webhook's timeout."""
RATE, BURST = 5.0, 20.0
"""Lists a second over all namespaces, and how many at once after a quiet time."""

List = Callable[[str], Sequence[Entry]]


class TokenBucket:
    """How long the next one has to wait: `rate` a second, `burst` after a quiet time."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> float:
        """Take a token, on credit where there is none; the seconds until it is due."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._tokens / self._rate)


class LiveList:
    """One LIST at a time for a namespace, shared by the reviews that wait for it."""

    def __init__(self, entries: List, bucket: TokenBucket, deadline: float = DEADLINE_SECONDS) -> None:
        self._entries, self._bucket, self._deadline = entries, bucket, deadline
        self._next: dict[str, asyncio.Task[Sequence[Entry]]] = {}
        self._running: dict[str, asyncio.Task[Sequence[Entry]]] = {}
        self.results: Counter[str] = Counter()

    async def entries(self, namespace: str) -> Sequence[Entry]:
        """The load balancers of the namespace as they are now. Raises LookupFailed."""
        task = self._next.get(namespace)
        if task is None:
            task = self._next[namespace] = asyncio.create_task(self._list(namespace))
            task.add_done_callback(_retrieve)
        try:
            found = await asyncio.wait_for(asyncio.shield(task), self._deadline)
        except TimeoutError:
            waiting = self._next.get(namespace) is task
            raise self._failed("lookup_limited" if waiting else "lookup_failed") from None
        except ApiError:
            raise self._failed("lookup_failed") from None
        self.results["found" if found else "empty"] += 1
        return found

    def _failed(self, reason: str) -> LookupFailed:
        self.results[reason] += 1
        return LookupFailed(reason)

    async def _list(self, namespace: str) -> Sequence[Entry]:
        running = self._running.get(namespace)
        if running is not None:
            await asyncio.wait([running])
        await asyncio.sleep(self._bucket.take())
        # From here on the LIST has begun, and whoever arrives waits for the next one.
        self._running[namespace] = self._next.pop(namespace)
        try:
            return await asyncio.to_thread(self._entries, namespace)
        finally:
            del self._running[namespace]


def _retrieve(task: asyncio.Task[Sequence[Entry]]) -> None:
    """Nobody may be waiting any more; a failure was counted by those who were."""
    if not task.cancelled():
        task.exception()
