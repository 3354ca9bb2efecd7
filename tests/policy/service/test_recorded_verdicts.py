"""The model against what the AWS Load Balancer Controller 3.5.0 made of some 2,200 Services.

A verdict holds ownership, acceptance with the controller's words, and what it would create. The
cases were recorded with three subnets; what needs their number or their addresses is not ours to say.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webhook.policy.cluster import Cluster, Sidecar
from webhook.policy.service.build import build
from webhook.policy.service.load_balancer import HealthCheck, NetworkLoadBalancer, TargetGroup
from webhook.policy.service.objects import Service, ServicePort, parse_service
from webhook.policy.service.owners import Ownership, owner

DATA = Path(__file__).parents[2] / "data"
CLUSTER = Cluster(sidecar=Sidecar(image="udp-healthcheck:test"))
OTHER = Service(
    namespace="games",
    name="other",
    ports=(ServicePort(5555, "UDP", "game", 5555),),
    selector={"app": "other"},
)

NEEDS_AWS = (
    "and subnets (",
    "couldn't find subnet",
    "expect one ",
    "all associated subnets must have an IPv6 CIDR",
    "Number of values in source-nat-ipv6-prefixes",
    "Value must be within subnet CIDR range",
    "do not have an associated IPv6 CIDR block",
    'services "',  # a weighted backend that does not exist
)
"""Refusals that stand on subnets or on Services which the object does not show."""


def recorded() -> Iterator[dict[str, Any]]:
    for name in ("lbc-verdicts.jsonl.gz", "lbc-verdicts-dualstack.jsonl.gz"):
        with gzip.open(DATA / name, "rt") as lines:
            yield from map(json.loads, lines)


def with_node_ports(raw: dict[str, Any]) -> dict[str, Any]:
    """What the API server allocates, as the recording filled it in."""
    spec = raw["spec"]
    if spec.get("allocateLoadBalancerNodePorts") is not False and spec.get("type") != "ClusterIP":
        numbers = list(dict.fromkeys(port["port"] for port in spec.get("ports", [])))
        for port in spec.get("ports", []):
            port.setdefault("nodePort", 30000 + numbers.index(port["port"]))
    return raw


CASES = {f"{case['id']}#{index}": case for index, case in enumerate(recorded())}


def differences(verdict: dict[str, Any], built: NetworkLoadBalancer) -> Iterator[str]:
    error = verdict["error"]
    if error is None and "scheme" not in verdict:
        return  # the controller does not take it
    says = built.refusals[0].says if built.refusals else ""
    if bool(error) != bool(says):
        yield f"controller: {error or 'accepts'}; model: {says or 'accepts'}"
    elif error and not comparable(error).startswith(comparable(says)[:40]):
        yield f"controller says {error}; model says {says}"
    if error or says:
        return
    for field, ours in (("scheme", built.scheme), ("ipAddressType", built.ip_address_type)):
        if verdict[field] != ours:
            yield f"{field}: {verdict[field]} is {ours} in the model"
    if dict(verdict["attributes"]) != dict(built.attributes):
        yield f"attributes: {verdict['attributes']} are {dict(built.attributes)} in the model"
    listeners = {listener["port"]: listener for listener in verdict["listeners"]}
    ours_by_port = {listener.port: listener for listener in built.listeners}
    if set(listeners) != set(ours_by_port):
        yield f"listeners: {sorted(listeners)} are {sorted(ours_by_port)} in the model"
        return
    for port, listener in listeners.items():
        if listener["protocol"] != ours_by_port[port].protocol:
            yield f"listener {port}: {listener['protocol']} is {ours_by_port[port].protocol} in the model"
        mine = [written(group) for group in ours_by_port[port].target_groups]
        for group in listener["targetGroups"]:
            group = {key: value for key, value in group.items() if key in mine[0]}
            if "nodePort" not in str(group) and group not in mine:
                yield f"target group of {port}: {group} is not among {mine}"


def comparable(text: str) -> str:
    return "".join(text.lower().split())


def written(group: TargetGroup) -> dict[str, Any]:
    return {
        "protocol": group.protocol,
        "targetType": group.target_type,
        "port": group.port,
        "ipAddressType": group.ip_address_type,
        "healthCheck": check(group.health_check),
        "attributes": dict(group.attributes),
    }


def check(check: HealthCheck) -> dict[str, Any]:
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


@pytest.mark.parametrize("name", CASES)
def test_the_model_builds_what_the_controller_built(name: str) -> None:
    case = CASES[name]
    verdict = case["verdict"]
    service = parse_service(with_node_ports(case["service"]))
    assert (owner(service, CLUSTER) is Ownership.LBC) == verdict["supported"]
    if any(words in (verdict["error"] or "") for words in NEEDS_AWS):
        return
    assert list(differences(verdict, build(service, CLUSTER, (OTHER,)))) == []
