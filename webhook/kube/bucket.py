"""A token bucket: so many at once, then so many a second."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """`burst` tokens, refilled by `rate` a second; tokens can be promised ahead, for as long as one waits."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self, patience: float) -> float | None:
        """Seconds to wait for the token that is now taken; None, and nothing is, where that is too long."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wait = max(0.0, (1 - self._tokens) / self._rate)
        if wait > patience:
            return None
        self._tokens -= 1
        return wait
