"""The live list: shared, never older than the review that waits, and paced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from webhook.kube.client import ApiError
from webhook.kube.live import LiveList, TokenBucket
from webhook.kube.services import Entry
from webhook.policy.service.demand import LookupFailed
from webhook.policy.service.objects import Service

FOUND = (Entry(Service("games", "echo"), None),)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Lister:
    """A LIST that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = threading.Event()

    def __call__(self, _namespace: str) -> Sequence[Entry]:
        self.begun += 1
        self.go_on.wait(5)
        return FOUND


def bucket(burst: float = 20.0) -> TokenBucket:
    return TokenBucket(5.0, burst, Clock())


def test_a_burst_is_free_and_then_each_waits_its_turn() -> None:
    clock = Clock()
    tokens = TokenBucket(5.0, 2.0, clock)
    assert [tokens.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 0.2, 0.4])
    clock.now += 10
    assert tokens.take() == 0.0


async def _until_begun(lister: Lister, count: int) -> None:
    async with asyncio.timeout(5):
        while lister.begun < count:
            await asyncio.sleep(0.001)


def test_a_review_that_arrives_while_a_list_runs_waits_for_the_next_one() -> None:
    async def drill() -> tuple[int, int]:
        lister = Lister()
        live = LiveList(lister, bucket(), deadline=5)
        first = asyncio.create_task(live.entries("games"))
        await _until_begun(lister, 1)
        later = [asyncio.create_task(live.entries("games")) for _ in range(10)]
        await asyncio.sleep(0)
        while_running = lister.begun
        lister.go_on.set()
        results = await asyncio.gather(first, *later)
        assert all(result == FOUND for result in results)
        return while_running, lister.begun

    assert asyncio.run(drill()) == (1, 2)


def test_a_list_that_takes_too_long_is_a_failed_lookup() -> None:
    async def drill() -> str:
        lister = Lister()
        live = LiveList(lister, bucket(), deadline=0.05)
        try:
            await live.entries("games")
        except LookupFailed as failed:
            return failed.reason
        finally:
            lister.go_on.set()
        return ""

    assert asyncio.run(drill()) == "lookup_failed"


def test_no_token_before_the_deadline_is_a_limited_lookup() -> None:
    async def drill() -> tuple[str, int]:
        lister = Lister()
        lister.go_on.set()
        live = LiveList(lister, bucket(burst=0.0), deadline=0.05)
        with pytest.raises(LookupFailed) as caught:
            await live.entries("games")
        return caught.value.reason, live.results["lookup_limited"]

    assert asyncio.run(drill()) == ("lookup_limited", 1)


def test_an_api_server_that_says_no_is_a_failed_lookup() -> None:
    def refuse(namespace: str) -> Sequence[Entry]:
        raise ApiError("no")

    async def drill() -> None:
        await LiveList(refuse, bucket()).entries("games")

    with pytest.raises(LookupFailed) as caught:
        asyncio.run(drill())
    assert caught.value.reason == "lookup_failed"
