"""What the AWS Load Balancer Controller made of a Service, held against the model.

A verdict holds ownership (`supported`), acceptance with the controller's words (`error`), and what it
would create.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.policy.service.addresses import Subnet
from webhook.policy.service.load_balancer import HealthCheck, NetworkLoadBalancer, TargetGroup

IPV4_SUBNETS = tuple(Subnet(f"subnet-{n}", f"192.168.{n}.0/24") for n in (1, 2, 3))
DUALSTACK_SUBNETS = tuple(
    Subnet(f"subnet-{n}", f"192.168.{n}.0/24", (f"2600:1f13:837:850{n}::/64",)) for n in (1, 2, 3)
)

OUT_OF_SIGHT = (
    "couldn't find subnet",
    'services "',  # a weighted backend that does not exist
)
"""What the controller says of subnets and Services that do not exist: nothing in the object shows it."""


def subnets_of(service: Mapping[str, Any], known: Sequence[Subnet]) -> tuple[Subnet, ...]:
    """Those that the controller takes: the ones that are named, else all."""
    annotations = service["metadata"].get("annotations") or {}
    named = annotations.get("service.beta.kubernetes.io/aws-load-balancer-subnets")
    if named is None:
        return tuple(known)
    wanted = [name.strip() for name in named.split(",")]
    return tuple(subnet for name in wanted for subnet in known if subnet.id == name)


def with_node_ports(raw: dict[str, Any]) -> dict[str, Any]:
    """What the API server allocates."""
    spec = raw["spec"]
    if spec.get("allocateLoadBalancerNodePorts") is not False and spec.get("type") != "ClusterIP":
        numbers = list(dict.fromkeys(port["port"] for port in spec.get("ports", [])))
        for port in spec.get("ports", []):
            port.setdefault("nodePort", 30000 + numbers.index(port["port"]))
    return raw


def differences(verdict: Mapping[str, Any], built: NetworkLoadBalancer, *, merged: bool) -> Iterator[str]:
    """Where the model and the controller part, a sentence each.

    `merged`: TCP and UDP share listeners, and the controller then visits them in random order.
    """
    error = verdict["error"]
    if error is None and "scheme" not in verdict:
        return  # the controller does not take it
    said = [refusal.says for refusal in built.refusals]
    if error is not None or said:
        yield from _refusal_differences(error, said if merged else said[:1])
        return
    ours = {
        "scheme": built.scheme,
        "ipAddressType": built.ip_address_type,
        "sourceNat": built.source_nat,
        "attributes": dict(built.attributes),
    }
    for field, value in ours.items():
        if verdict[field] != value:
            yield f"{field}: {verdict[field]} is {value} in the model"
    yield from _listener_differences(verdict["listeners"], built)


def _refusal_differences(error: str | None, said: list[str]) -> Iterator[str]:
    if error is None or not said:
        yield f"controller: {error or 'accepts'}; model: {said or 'accepts'}"
    elif not any(error.startswith(says) for says in said):
        yield f"controller says {error}; model says {said}"


def _listener_differences(listeners: list[dict[str, Any]], built: NetworkLoadBalancer) -> Iterator[str]:
    theirs = {listener["port"]: listener for listener in listeners}
    ours = {listener.port: listener for listener in built.listeners}
    if set(theirs) != set(ours):
        yield f"listeners: {sorted(theirs)} are {sorted(ours)} in the model"
        return
    for port, listener in theirs.items():
        if listener["protocol"] != ours[port].protocol:
            yield f"listener {port}: {listener['protocol']} is {ours[port].protocol} in the model"
        mine = [as_written(group) for group in ours[port].target_groups]
        for group in listener["targetGroups"]:
            group = {key: value for key, value in group.items() if key in mine[0]}
            if group not in mine:
                yield f"target group of {port}: {group} is not among {mine}"


def as_written(group: TargetGroup) -> dict[str, Any]:
    """A target group of the model in the words of a verdict."""
    return {
        "protocol": group.protocol,
        "targetType": group.target_type,
        "port": group.port,
        "ipAddressType": group.ip_address_type,
        "healthCheck": _check(group.health_check),
        "attributes": dict(group.attributes),
    }


def _check(check: HealthCheck) -> dict[str, Any]:
    shown = {
        "port": check.port,
        "protocol": check.protocol,
        "intervalSeconds": check.interval,
        "timeoutSeconds": check.timeout,
        "healthyThresholdCount": check.healthy_threshold,
        "unhealthyThresholdCount": check.unhealthy_threshold,
        "path": check.path,
        "matcher": {"httpCode": check.success_codes} if check.success_codes is not None else None,
    }
    return {key: value for key, value in shown.items() if value is not None}
