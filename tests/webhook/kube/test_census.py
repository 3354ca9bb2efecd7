"""The census of running pods: what it counts, what it costs, and that nothing ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from tests.policy.pod.pods import CLUSTER, GAMES, admitted, balancer, pod
from tests.webhook.kube.api import Api, answering, hanging, listing, poll, replying
from webhook.kube.census import PAGE_SIZE, Census
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.service.demand import Demand

ARENA = Namespace("arena", {"udplb/inject": "enabled"})
ASKING = balancer("echo", 5555)
BARE = pod("5555/UDP")
FINE = admitted(BARE, [ASKING])
STALE = admitted(BARE, [balancer("echo", 6666)])
ODD = pod(containers=[{"name": 7}])


class Known:
    """What the caches hold."""

    def __init__(self, *namespaces: Namespace) -> None:
        self.namespaces = list(namespaces)

    @property
    def unready(self) -> str:
        return ""

    def enabled(self) -> Sequence[Namespace]:
        return self.namespaces

    def demands(self, namespace: str) -> Sequence[Demand]:
        return [ASKING]

    def cluster(self) -> Cluster:
        return CLUSTER


def census(api: Api, known: Known, **options: Any) -> Census:
    return Census(api.client(), known, **{"seconds": 0.0, "pause_seconds": 0.0} | options)


def figures(counting: Census) -> dict[str, float]:
    return {name: read() for name, _, _, read in counting.gauges()}


def test_pods_without_a_sidecar_and_with_an_old_one_are_counted_over_all_namespaces() -> None:
    with answering(replying(listing(BARE, FINE, STALE, ODD)), replying(listing(BARE))) as api:
        counting = census(api, Known(ARENA, GAMES))
        assert figures(counting) == {"udplb_pods_missing": 0, "udplb_pods_stale": 0}
        with capture_logs() as logged:
            counting.round()
        assert figures(counting) == {"udplb_pods_missing": 2, "udplb_pods_stale": 1}
        assert [(one["namespace"], one["missing"], one["stale"]) for one in logged] == [
            ("arena", 1, 1),
            ("games", 1, 0),
        ]
        asked = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed", "limit": str(PAGE_SIZE)}
        assert api.calls == [(f"/api/v1/namespaces/{name}/pods", asked) for name in ("arena", "games")]


def test_a_round_that_sees_the_same_says_nothing_more() -> None:
    with answering(replying(listing(BARE))) as api:
        counting = census(api, Known(GAMES))
        counting.round()
        with capture_logs() as logged:
            counting.round()
        assert logged == []


def test_a_namespace_that_cannot_be_listed_keeps_its_figures() -> None:
    with answering(replying(listing(BARE)), replying({"message": "forbidden"}, 403)) as api:
        counting = census(api, Known(GAMES))
        counting.round()
        with capture_logs() as logged:
            counting.round()
        assert figures(counting)["udplb_pods_missing"] == 1
        assert [one["event"] for one in logged] == ["pod census failed"]


def test_a_namespace_that_left_is_counted_no_more() -> None:
    with answering(replying(listing(BARE))) as api:
        known = Known(GAMES)
        counting = census(api, known)
        counting.round()
        known.namespaces.clear()
        counting.round()
        assert figures(counting)["udplb_pods_missing"] == 0


def test_a_round_reads_no_more_pods_than_its_bound_and_says_where_it_stopped() -> None:
    with answering(replying(listing(BARE, FINE, rest="more"))) as api, capture_logs() as logged:
        counting = census(api, Known(ARENA, GAMES), most_pods=4)
        counting.round()
        assert len(api.calls) == 2
        assert [(one["event"], one.get("next")) for one in logged] == [
            ("pods without their sidecar", None),
            ("pod census cut short", "games"),
        ]


def test_it_counts_by_itself_until_it_is_stopped() -> None:
    with answering(replying(listing(BARE)), hanging) as api:
        counting = census(api, Known(GAMES), seconds=1.0)
        counting.start()
        poll(lambda: figures(counting)["udplb_pods_missing"] == 1, "count")
        counting.stop()
        counting.round()
        assert len(api.calls) == 1


def test_nothing_is_asked_before_the_caches_have_synced_and_no_fault_ends_it() -> None:
    unready = ["syncing", "syncing", "", "", ""]
    rounds: list[ValueError | list[Namespace]] = [ValueError("a fault of ours"), [GAMES]]

    class Starting(Known):
        @property
        def unready(self) -> str:
            return unready.pop(0) if unready else "done"

        def enabled(self) -> Sequence[Namespace]:
            assert len(unready) < 3
            outcome = rounds.pop(0) if rounds else []
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    with answering(replying(listing(BARE))) as api, capture_logs() as logged:
        counting = census(api, Starting())
        counting.start()
        poll(lambda: not unready, "third round")
        counting.stop()
        assert len(api.calls) == 1
    assert [one["event"] for one in logged] == ["pod census failed", "pods without their sidecar"]
