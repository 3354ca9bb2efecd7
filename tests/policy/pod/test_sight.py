"""How a running pod looks to the rules about its Services."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.policy.pod.sight import in_sight, of_template, views
from webhook.policy.service.sight import PodInSight

GAME = {"name": "game", "ports": [{"name": "game", "containerPort": 7777, "protocol": "UDP"}]}
SIDECAR = {
    "name": "udp-healthcheck",
    "restartPolicy": "Always",
    "args": ["--port", "7777,udp=7777", "--port", "9001"],
    "ports": [{"containerPort": 7777}],
}


def pod(
    *, spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": "game-0"} | metadata,
        "spec": {"containers": [GAME]} | (spec or {}),
        "status": status or {"phase": "Running"},
    }


def seen(raw: dict[str, Any]) -> PodInSight:
    view = in_sight(raw)
    assert view is not None
    return view


def owned(kind: str, name: str, **labels: str) -> dict[str, Any]:
    return pod(
        ownerReferences=[{"kind": "Node", "name": "n"}, {"kind": kind, "name": name, "controller": True}],
        labels=labels,
    )


@pytest.mark.parametrize(
    ("raw", "owner"),
    [
        (pod(), "pod/game-0"),
        (owned("StatefulSet", "game"), "statefulset/game"),
        (owned("ReplicaSet", "game-5d9f", **{"pod-template-hash": "5d9f"}), "deployment/game"),
        (owned("ReplicaSet", "game-5d9f", **{"pod-template-hash": "other"}), "replicaset/game-5d9f"),
        (owned("ReplicaSet", "game-5d9f"), "replicaset/game-5d9f"),
    ],
)
def test_the_owner_is_what_a_person_would_roll(raw: dict[str, Any], owner: str) -> None:
    assert seen(raw).owner == owner


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("Pod", pod()),
        ("Deployment", {"metadata": {"name": "game-0"}, "spec": {"template": pod()}}),
        (
            "CronJob",
            {"metadata": {"name": "game-0"}, "spec": {"jobTemplate": {"spec": {"template": pod()}}}},
        ),
    ],
)
def test_a_template_is_seen_as_pods_that_do_not_run_yet(kind: str, raw: dict[str, Any]) -> None:
    seen_there = of_template(kind, raw)
    assert (seen_there.owner, seen_there.running) == (f"{kind.lower()}/game-0", False)
    assert seen_there.ports == seen(pod()).ports


def test_pods_that_are_malformed_or_gone_are_not_in_sight() -> None:
    assert list(views([pod(spec={"containers": {}}), pod(status={"phase": "Failed"}), pod()])) == [
        seen(pod())
    ]


def test_ports_are_those_of_the_applications_alone() -> None:
    view = seen(pod(spec={"initContainers": [SIDECAR]}))
    assert view.ports == {("UDP", "game", 7777)}
    assert view.declared("TCP") == set()


def test_a_name_counts_with_its_protocol() -> None:
    view = seen(pod())
    assert [view.resolve("game", "UDP"), view.resolve("game", "TCP"), view.resolve(53, "UDP")] == [
        7777,
        None,
        53,
    ]


def test_the_sidecar_answers_where_its_arguments_say() -> None:
    assert seen(pod()).sidecar is None
    assert seen(pod(spec={"initContainers": [SIDECAR]})).sidecar == frozenset({7777, 9001})


@pytest.mark.parametrize(
    "raw",
    [
        pod(labels={"udplb/inject": "false"}),
        pod(annotations={"udplb/ports": "7777"}),
        pod(spec={"hostNetwork": True}),
        pod(spec={"os": {"name": "windows"}}),
        pod(annotations={"kubernetes.io/config.mirror": "x"}),
    ],
)
def test_a_rollout_would_change_nothing(raw: dict[str, Any]) -> None:
    assert seen(raw).unchanging
    assert not seen(pod()).unchanging


@pytest.mark.parametrize(
    "raw",
    [
        pod(deletionTimestamp="2026-01-01T00:00:00Z"),
        pod(status={"phase": "Failed"}),
        pod(status={"phase": "Succeeded"}),
    ],
)
def test_a_pod_that_ends_is_out_of_sight(raw: dict[str, Any]) -> None:
    assert in_sight(raw) is None


def test_equal_pods_of_a_workload_are_one() -> None:
    twins = [owned("ReplicaSet", "game-5d", **{"pod-template-hash": "5d"}) for _ in range(2)]
    twins[1]["metadata"]["name"] = "game-1"
    assert len({seen(raw) for raw in twins}) == 1
