"""Which NetworkPolicies let a port's UDP in and shut its health check out."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.policy.pod.network_policies import shut_out
from webhook.policy.pod.objects import parse_pod

POD = parse_pod(
    {
        "metadata": {"labels": {"app": "game", "tier": "edge"}},
        "spec": {
            "containers": [
                {"name": "game", "ports": [{"name": "game", "containerPort": 7777, "protocol": "UDP"}]}
            ]
        },
    },
)
UDP = {"protocol": "UDP", "port": 7777}
TCP = {"protocol": "TCP", "port": 7777}
FROM_PODS: list[dict[str, Any]] = [{"podSelector": {}}]
FROM_ADDRESSES: list[dict[str, Any]] = [{"podSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]


def policy(*ingress: dict[str, Any], selector: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "edge"},
        "spec": {"podSelector": selector or {}, "ingress": list(ingress), **spec},
    }


def expression(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    "policies",
    [
        [policy({"ports": [UDP]})],
        [policy({"ports": [{"protocol": "UDP"}]})],
        [policy({"ports": [{"protocol": "UDP", "port": "game"}]})],
        [policy({"ports": [{"protocol": "UDP", "port": 7000, "endPort": 8000}]})],
        [policy({"ports": [UDP], "from": FROM_ADDRESSES})],
        [policy({"ports": [UDP]}, {"ports": [{"port": 80}]})],
        [policy({"ports": [UDP]}, {"ports": [TCP], "from": FROM_PODS})],
        [policy({"ports": [UDP]}), policy({"ports": [TCP]}, selector={"matchLabels": {"app": "web"}})],
        [policy({"ports": [UDP]}), policy({"ports": [TCP]}, policyTypes=["Egress"])],
        [policy({"ports": [UDP]}, selector={"matchLabels": {"app": "game"}}, policyTypes=["Ingress"])],
        [policy({"ports": [UDP]}, selector=expression("In", "game"))],
        [policy({"ports": [UDP]}, selector=expression("NotIn", "web"))],
        [policy({"ports": [UDP]}, selector=expression("Exists"))],
        [policy({"ports": [UDP]}, selector=expression("DoesNotExist", key="zone"))],
    ],
)
def test_the_check_is_shut_out(policies: list[dict[str, Any]]) -> None:
    assert shut_out(POD, [7777], policies) == {7777: ("edge",)}


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [policy({"ports": [UDP, TCP]})],
        [policy({})],
        [policy({"ports": [UDP]}, {"ports": [{"port": 7777}]})],
        [policy({"ports": [UDP]}), policy({"ports": [TCP], "from": FROM_ADDRESSES})],
        [policy({"ports": [UDP], "from": FROM_PODS})],
        [policy({"ports": [{"protocol": "UDP", "port": 7778}]})],
        [policy({"ports": [{"protocol": "UDP", "port": "query"}]})],
        [policy({"ports": [UDP]}, selector={"matchLabels": {"app": "web"}})],
        [policy({"ports": [UDP]}, selector=expression("In", "web"))],
        [policy({"ports": [UDP]}, selector=expression("NotIn", "game"))],
        [policy({"ports": [UDP]}, selector=expression("Exists", key="zone"))],
        [policy({"ports": [UDP]}, selector=expression("DoesNotExist"))],
        [policy()],
    ],
)
def test_the_check_is_let_in_or_udp_is_shut_out_as_well(policies: list[dict[str, Any]]) -> None:
    assert shut_out(POD, [7777], policies) == {}
