"""Quantities as Kubernetes reads them, and the sidecar inside the namespace's LimitRanges."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER
from webhook.policy.cluster import LimitRange
from webhook.policy.pod.resources import Resources, fit, format_quantity, parse_quantity
from webhook.policy.raw import Raw

DEFAULT = Resources({"cpu": "1m", "memory": "4Mi"}, {"cpu": "50m", "memory": "16Mi"})


@pytest.mark.parametrize(
    ("text", "billionths"),
    [
        ("0", 0),
        ("1", 10**9),
        ("1.", 10**9),
        (".5", 5 * 10**8),
        ("+2", 2 * 10**9),
        ("-1", -(10**9)),
        ("100m", 10**8),
        ("1u", 1000),
        ("7n", 7),
        ("0.1n", 1),
        ("1k", 10**12),
        ("1Ki", 1024 * 10**9),
        ("1.5Gi", 3 * 2**29 * 10**9),
        ("2E", 2 * 10**27),
        ("1Ei", 2**60 * 10**9),
        ("1e3", 10**12),
        ("1E3", 10**12),
        ("15e-1", 15 * 10**8),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, billionths: int) -> None:
    assert parse_quantity(text) == billionths


@pytest.mark.parametrize(
    "text", ["", ".", "m", "1K", "1 Gi", "0x1", "1mm", "1e", "1e999", "١", "1Gi\n", "NaN", "9" * 5000]
)
def test_what_kubernetes_refuses_is_no_quantity(text: str) -> None:
    assert parse_quantity(text) is None


@pytest.mark.parametrize("text", ["0", "1", "101m", "68Mi", "1023", "3Ki", "7n", "1040Mi", "1500m"])
def test_a_quantity_is_written_in_its_shortest_usual_spelling(text: str) -> None:
    amount = parse_quantity(text)
    assert amount is not None
    assert format_quantity(amount) == text


def app(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"name": "app", "resources": resources}


def native(**resources: dict[str, Any]) -> dict[str, Any]:
    return {**app(**resources), "restartPolicy": "Always"}


FULL = app(limits={"cpu": "1", "memory": "64Mi"})


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param([], DEFAULT, id="none"),
        pytest.param([LimitRange("Container", min={"cpu": "1m"}, max={"cpu": "4"})], DEFAULT, id="inside"),
        pytest.param([LimitRange("PersistentVolumeClaim", min={"storage": "1Gi"})], DEFAULT, id="volumes"),
        pytest.param([LimitRange("Container", min={"cpu": "nonsense"})], DEFAULT, id="unreadable"),
        pytest.param(
            [LimitRange("Container", min={"cpu": "100m", "memory": "8Mi"})],
            Resources({"cpu": "100m", "memory": "8Mi"}, {"cpu": "100m", "memory": "16Mi"}),
            id="raised to the min",
        ),
        pytest.param(
            [LimitRange("Container", max={"cpu": "10m", "memory": "8Mi"})],
            Resources({"cpu": "1m", "memory": "4Mi"}, {"cpu": "10m", "memory": "8Mi"}),
            id="cut to the max",
        ),
        pytest.param([LimitRange("Container", max={"memory": "2Mi"})], None, id="max below our need"),
        pytest.param(
            [LimitRange("Container", max_ratio={"cpu": "4", "memory": "4"})],
            Resources({"cpu": "13m", "memory": "4Mi"}, {"cpu": "50m", "memory": "16Mi"}),
            id="request lifted to the ratio",
        ),
        pytest.param(
            [LimitRange("Container", min={"cpu": "100m"}), LimitRange("Container", max={"cpu": "80m"})],
            None,
            id="contradiction",
        ),
        pytest.param(
            [LimitRange("Container", min={"cpu": "80m"}), LimitRange("Container", max={"cpu": "80m"})],
            Resources({"cpu": "80m", "memory": "4Mi"}, {"cpu": "80m", "memory": "16Mi"}),
            id="two that leave one value",
        ),
        pytest.param(
            [LimitRange("Container", max_ratio={"ephemeral-storage": "2"})],
            None,
            id="ratio of another resource",
        ),
        pytest.param(
            [LimitRange("Pod", max_ratio={"ephemeral-storage": "2"})], DEFAULT, id="in the whole pod"
        ),
        pytest.param(
            [
                LimitRange("Container", max_ratio={"ephemeral-storage": "2"}),
                LimitRange("Container", default={"ephemeral-storage": "1Gi"}),
            ],
            DEFAULT,
            id="of which there is a default",
        ),
        pytest.param(
            [LimitRange("Container", max={"ephemeral-storage": "1Gi"}, max_ratio={"ephemeral-storage": "2"})],
            DEFAULT,
            id="of which the max is the default",
        ),
    ],
)
def test_the_sidecar_moves_inside_a_container_s_bounds(
    ranges: list[LimitRange], expected: Resources | None
) -> None:
    assert fit(Raw({"containers": [app()]}), CLUSTER.sidecar, ranges) == expected


@pytest.mark.parametrize(
    ("spec", "memory"),
    [
        pytest.param({"containers": [FULL]}, "16Mi", id="room for all"),
        pytest.param({"containers": [FULL, FULL]}, None, id="two containers"),
        pytest.param(
            {"containers": [FULL], "initContainers": [native(limits={"memory": "56Mi"})]},
            "8Mi",
            id="just the request",
        ),
        pytest.param(
            {"containers": [FULL], "initContainers": [native(limits={"memory": "61Mi"})]},
            None,
            id="less than that",
        ),
        pytest.param(
            {"containers": [FULL], "initContainers": [app(limits={"memory": "120Mi"})]},
            "8Mi",
            id="an init container alone in its time",
        ),
        pytest.param(
            {
                "containers": [FULL],
                "initContainers": [native(limits={"memory": "60Mi"}), app(limits={"memory": "60Mi"})],
            },
            "4Mi",
            id="beside a native sidecar",
        ),
        pytest.param(
            {"containers": [FULL, FULL], "resources": {"limits": {"memory": "120Mi"}}},
            "8Mi",
            id="the pod level's word",
        ),
        pytest.param(
            {"containers": [FULL, {**FULL, "name": "udp-healthcheck"}]}, "16Mi", id="our own of before"
        ),
    ],
)
def test_a_pod_s_bound_leaves_room_or_not(spec: dict[str, Any], memory: str | None) -> None:
    fitted = fit(Raw(spec), CLUSTER.sidecar, [LimitRange("Pod", max={"memory": "128Mi"})])
    assert (fitted and fitted.limits["memory"]) == memory


def test_a_pod_s_ratio_lifts_the_request() -> None:
    spec = Raw({"containers": [app(requests={"cpu": "100m"}, limits={"cpu": "200m"})]})
    fitted = fit(spec, CLUSTER.sidecar, [LimitRange("Pod", max_ratio={"cpu": "2"})])
    assert fitted == Resources({"cpu": "25m", "memory": "4Mi"}, {"cpu": "50m", "memory": "16Mi"})


def test_a_ratio_that_the_pod_already_breaks_leaves_no_room() -> None:
    spec = Raw({"containers": [app(requests={"cpu": "10m"}, limits={"cpu": "1"})]})
    assert fit(spec, CLUSTER.sidecar, [LimitRange("Pod", max_ratio={"cpu": "2"})]) is None


def test_a_guaranteed_pod_stays_so_inside_its_bounds() -> None:
    spec = Raw({"containers": [FULL]})
    fitted = fit(spec, CLUSTER.sidecar, [LimitRange("Container", max={"cpu": "20m"})])
    assert fitted == Resources({"cpu": "20m", "memory": "16Mi"}, {"cpu": "20m", "memory": "16Mi"})
