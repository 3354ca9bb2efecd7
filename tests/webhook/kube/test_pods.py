"""The list of pods behind a Service: what is asked, what is kept, and that it never costs more than its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.webhook.kube.api import Answer, Api, answering, hanging, listing, replying
from webhook.kube.bucket import TokenBucket
from webhook.kube.pods import MOST_PODS, PAGE_SIZE, PodLists
from webhook.policy.service.sight import NOTHING, PodInSight, Sight

SELECTOR = {"app": "game", "tier": "arena"}
SECRET = "swordfish"  # noqa: S105 what no log may hold


def pod(name: str, **spec: Any) -> dict[str, Any]:
    environment = [{"name": "PASSWORD", "value": SECRET}]
    return {
        "metadata": {"namespace": "games", "name": name, "labels": SELECTOR},
        "spec": {"containers": [{"name": "game", "env": environment}], **spec},
        "status": {"phase": "Running"},
    }


def lists(api: Api, bucket: TokenBucket | None = None, seconds: float = 20.0) -> PodLists:
    return PodLists(api.client(), bucket or TokenBucket(5, 20, time.monotonic), seconds)


def select(asked: PodLists, selector: Mapping[str, str] | None = None) -> Sight:
    async def test() -> Sight:
        try:
            return await asked.select("games", SELECTOR if selector is None else selector)
        finally:
            asked.stop()

    return asyncio.run(test())


def test_the_pods_of_the_selector_are_asked_for_and_counted_by_kind() -> None:
    bare = [pod(f"game-{number}") for number in range(3)]
    for raw in bare:
        raw["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "game", "controller": True}]
    ended = pod("ended") | {"status": {"phase": "Succeeded"}}
    with answering(replying(listing(*bare, ended, pod("odd", containers="none")))) as api:
        asked = lists(api)
        sight = select(asked)
    assert sight == {PodInSight("statefulset/game", frozenset(SELECTOR.items())): 3}
    assert asked.results == {"found": 1}
    assert api.calls == [
        ("/api/v1/namespaces/games/pods", {"labelSelector": "app=game,tier=arena", "limit": str(PAGE_SIZE)})
    ]


def test_no_more_than_the_first_pods_are_read() -> None:
    pages = [replying(listing(*(pod(f"game-{number}") for number in range(PAGE_SIZE)), rest="more"))]
    with answering(*pages) as api:
        assert sum(select(lists(api)).values()) == MOST_PODS
        assert len(api.calls) == MOST_PODS / PAGE_SIZE


def test_an_empty_selector_asks_nobody() -> None:
    with answering(hanging) as api:
        assert select(lists(api), {}) == NOTHING
        assert api.calls == []


FAILING: dict[str, Answer] = {
    "forbidden": replying({"message": f"pods is forbidden, {SECRET} or not"}, 403),
    "no list": replying({"items": "none"}),
    "silence": hanging,
}


@pytest.mark.parametrize("answer", FAILING.values(), ids=FAILING)
def test_whatever_goes_wrong_no_pod_is_in_sight(answer: Answer) -> None:
    with answering(answer) as api, capture_logs() as logged:
        asked = lists(api, seconds=0.3)
        began = time.monotonic()
        assert select(asked) == NOTHING
        assert time.monotonic() - began < 5
    assert asked.results == {"lookup_failed": 1}
    assert [line["event"] for line in logged] == ["pod list failed"]


def test_nothing_of_a_pod_is_logged() -> None:
    with (
        answering(replying(listing(pod("game"), pod("odd", containers=SECRET)))) as api,
        capture_logs() as logged,
    ):
        select(lists(api))
    assert SECRET not in str(logged)


def test_reviews_beyond_the_pace_see_nothing_and_ask_nobody() -> None:
    with answering(replying(listing(pod("game")))) as api:
        asked = lists(api, TokenBucket(0.001, 1, lambda: 0.0), seconds=0.3)

        async def test() -> list[Sight]:
            return [await asked.select("games", SELECTOR) for _ in range(3)]

        first, *others = asyncio.run(test())
        asked.stop()
    assert sum(first.values()) == 1
    assert others == [NOTHING, NOTHING]
    assert asked.results == {"found": 1, "lookup_limited": 2}
    assert len(api.calls) == 1
