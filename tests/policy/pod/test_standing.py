"""How a running pod stands beside what its Services ask today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, GAMES, STATUS, admitted, balancer, pod
from webhook.policy.cluster import Namespace
from webhook.policy.pod.injection import gather
from webhook.policy.pod.objects import parse_pod
from webhook.policy.pod.standing import Standing, condition, standing
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand

ASKING = balancer("echo", 5555)
MOVED = balancer("echo", 6666)


def bare(**fields: Any) -> dict[str, Any]:
    return pod("game:5555/UDP") | fields


def injected() -> dict[str, Any]:
    return admitted(bare(), [ASKING])


def other_container_of_our_name() -> dict[str, Any]:
    raw = injected()
    del raw["metadata"]["annotations"][STATUS]
    return raw


def damaged() -> dict[str, Any]:
    raw = injected()
    del raw["spec"]["initContainers"][0]["restartPolicy"]
    return raw


def skipped() -> dict[str, Any]:
    raw = bare()
    raw["metadata"]["annotations"] = {
        STATUS: json.dumps({"schema": 1, "version": "0.1.0", "injected": False})
    }
    return raw


OURS = {"udplb/inject": "enabled"}
ROWS: dict[str, tuple[dict[str, Any], tuple[Demand, ...], Namespace, Standing]] = {
    "injected": (injected(), (ASKING,), GAMES, Standing.FINE),
    "bare behind a load balancer": (bare(), (ASKING,), GAMES, Standing.MISSING),
    "skipped then": (skipped(), (ASKING,), GAMES, Standing.MISSING),
    "damaged": (damaged(), (ASKING,), GAMES, Standing.MISSING),
    "a container of our name without a status": (
        other_container_of_our_name(),
        (ASKING,),
        GAMES,
        Standing.FINE,
    ),
    "of a Service that moved to another port": (injected(), (MOVED,), GAMES, Standing.STALE),
    "bare, declaring no port": (
        pod("80"),
        (ASKING, balancer("other", 1, selector={"app": "x"})),
        GAMES,
        Standing.MISSING,
    ),
    "not selected": (pod("80", labels={"app": "web"}), (ASKING,), GAMES, Standing.FINE),
    "in a namespace that left": (bare(), (ASKING,), Namespace("games", {}), Standing.FINE),
    "on the host network": (pod("5555/UDP", hostNetwork=True), (ASKING,), GAMES, Standing.FINE),
    "ended": (bare(status={"phase": "Failed"}), (ASKING,), GAMES, Standing.FINE),
}


@pytest.mark.parametrize(("raw", "demands", "namespace", "expected"), ROWS.values(), ids=ROWS)
def test_a_running_pod_is_judged_by_what_is_asked_today(
    raw: dict[str, Any], demands: tuple[Demand, ...], namespace: Namespace, expected: Standing
) -> None:
    assert standing(raw, namespace, demands, CLUSTER) is expected


def test_a_pod_that_is_being_deleted_is_not_missed() -> None:
    raw = bare()
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert standing(raw, GAMES, (ASKING,), CLUSTER) is Standing.FINE


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (injected(), "intact"),
        (bare(), "absent"),
        (other_container_of_our_name(), "the pod's own, not udplb's"),
        (damaged(), "restartPolicy"),
    ],
    ids=["injected", "bare", "a container of our name without a status", "damaged"],
)
def test_what_stands_in_a_pod_is_told_in_words(raw: dict[str, Any], expected: str) -> None:
    assert expected in condition(gather(Raw(raw), parse_pod(raw), [ASKING], GAMES, CLUSTER))
