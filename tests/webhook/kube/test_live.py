"""Live lists: who shares which, how many a second, and what a review is told when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from webhook.kube.bucket import TokenBucket
from webhook.kube.live import LiveLists
from webhook.policy.service.demand import LookupFailed

SECONDS = 20.0


class Lists:
    """An API server that answers when the test lets it, and a clock that the test moves."""

    def __init__(self, rate: float = 1.0, burst: float = 5, deadline: float = SECONDS) -> None:
        self.now = 0.0
        self.begun: list[str] = []
        self.answers: list[asyncio.Future[list[int] | None]] = []
        self.live: LiveLists[list[int]] = LiveLists(
            self.fetch, TokenBucket(rate, burst, lambda: self.now), deadline
        )

    async def fetch(self, namespace: str) -> list[int] | None:
        self.begun.append(namespace)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def ask(self, namespace: str = "games") -> asyncio.Task[list[int]]:
        return asyncio.create_task(self.live.list(namespace))

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.begun) < count:
                await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def reason(task: asyncio.Task[list[int]]) -> str:
    with pytest.raises(LookupFailed) as failed:
        await task
    return failed.value.reason


def test_reviews_that_wait_share_one_list() -> None:
    async def test() -> None:
        lists = Lists()
        asked = [lists.ask() for _ in range(100)]
        await lists.until_begun(1)
        lists.answers[0].set_result([1])
        assert await asyncio.gather(*asked) == [[1]] * 100
        assert lists.begun == ["games"]
        assert lists.live.results == {"found": 100}

    run(test)


def test_a_review_never_uses_a_list_that_began_before_it_came() -> None:
    async def test() -> None:
        lists = Lists()
        early = lists.ask()
        await lists.until_begun(1)
        late = lists.ask()
        await lists.until_begun(2)
        lists.answers[0].set_result([])
        lists.answers[1].set_result([2])
        assert (await early, await late) == ([], [2])
        assert lists.live.results == {"empty": 1, "found": 1}

    run(test)


def test_a_list_that_fails_fails_those_who_share_it_alone() -> None:
    async def test() -> None:
        lists = Lists()
        failing = [lists.ask(), lists.ask()]
        await lists.until_begun(1)
        other = lists.ask()
        await lists.until_begun(2)
        lists.answers[0].set_result(None)
        lists.answers[1].set_result([1])
        assert [await reason(task) for task in failing] == ["lookup_failed"] * 2
        assert await other == [1]

    run(test)


def test_a_list_without_an_answer_fails_at_the_deadline() -> None:
    async def test() -> None:
        lists = Lists(deadline=0.05)
        assert await reason(lists.ask()) == "lookup_failed"
        await lists.live.stop()

    run(test)


def test_a_list_that_may_not_begin_in_time_is_limited_at_once() -> None:
    async def test() -> None:
        lists = Lists(rate=0.01, burst=1)
        lists.ask("first")
        await lists.until_begun(1)
        assert await reason(lists.ask("second")) == "lookup_limited"
        assert lists.begun == ["first"]
        await lists.live.stop()

    run(test)


def test_a_review_whose_time_ends_before_the_list_begins_is_limited() -> None:
    async def test() -> None:
        lists = Lists(rate=0.1, burst=0, deadline=0.05)
        lists.live._bucket = TokenBucket(10, 0, lambda: 0.0)
        lists.live._waiting["games"] = asyncio.create_task(asyncio.sleep(SECONDS, None))
        assert await reason(lists.ask()) == "lookup_limited"
        lists.live._waiting["games"].cancel()

    run(test)


def test_a_paced_list_begins_when_its_token_is_due_and_is_shared_until_then() -> None:
    async def test() -> None:
        lists = Lists(rate=20, burst=1)
        lists.ask("other")
        await lists.until_begun(1)
        asked = [lists.ask(), lists.ask()]
        await lists.until_begun(2)
        lists.answers[1].set_result([3])
        assert await asyncio.gather(*asked) == [[3], [3]]
        await lists.live.stop()

    run(test)


def test_stopping_fails_what_is_under_way() -> None:
    async def test() -> None:
        lists = Lists()
        waiting = lists.ask()
        await lists.until_begun(1)
        await lists.live.stop()
        assert await reason(waiting) == "lookup_failed"

    run(test)


def test_a_review_that_is_given_up_takes_the_list_from_nobody() -> None:
    async def test() -> None:
        lists = Lists()
        given_up, patient = lists.ask(), lists.ask()
        await lists.until_begun(1)
        given_up.cancel()
        lists.answers[0].set_result([1])
        assert await patient == [1]

    run(test)


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    now = [0.0]
    bucket = TokenBucket(5, 20, lambda: now[0])
    assert [bucket.take(0) for _ in range(21)] == [0.0] * 20 + [None]
    assert bucket.take(1) == pytest.approx(0.2)
    assert bucket.take(1) == pytest.approx(0.4)
    now[0] = 0.4
    assert bucket.take(0) is None
    now[0] = 0.65
    assert bucket.take(0) == pytest.approx(0.0)
    now[0] = 1000.0
    assert [bucket.take(0) for _ in range(21)] == [0.0] * 20 + [None]


def test_a_bucket_promises_no_more_than_one_waits_for() -> None:
    bucket = TokenBucket(5, 1, lambda: 0.0)
    taken = [bucket.take(1.0) for _ in range(100)]
    assert sum(wait is not None for wait in taken) == 6
