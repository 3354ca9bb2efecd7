"""The model against what the AWS Load Balancer Controller 3.5.0 made of some 2,200 Services.

The cases were recorded with three subnets, which the model is given as well.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.policy.service.verdicts import (
    DUALSTACK_SUBNETS,
    IPV4_SUBNETS,
    OUT_OF_SIGHT,
    differences,
    subnets_of,
    with_node_ports,
)
from webhook.policy.cluster import Cluster, Sidecar
from webhook.policy.service.addresses import Subnet
from webhook.policy.service.build import build, merges_tcp_udp
from webhook.policy.service.objects import Service, ServicePort, parse_service
from webhook.policy.service.owners import Ownership, owner

DATA = Path(__file__).parents[2] / "data"
RECORDED = {"lbc-verdicts.jsonl.gz": IPV4_SUBNETS, "lbc-verdicts-dualstack.jsonl.gz": DUALSTACK_SUBNETS}
CLUSTER = Cluster(sidecar=Sidecar(image="udp-healthcheck:test"))
OTHER = Service(
    namespace="games",
    name="other",
    type="LoadBalancer",
    ports=(ServicePort(5555, "UDP", "game", 5555, 30000),),
    selector={"app": "other"},
)


def recorded() -> Iterator[tuple[str, dict[str, Any], Sequence[Subnet]]]:
    for name, subnets in RECORDED.items():
        with gzip.open(DATA / name, "rt") as lines:
            for index, case in enumerate(map(json.loads, lines)):
                yield f"{case['id']}#{name}#{index}", case, subnets


CASES = {name: (case, subnets) for name, case, subnets in recorded()}


@pytest.mark.parametrize("name", CASES)
def test_the_model_builds_what_the_controller_built(name: str) -> None:
    case, subnets = CASES[name]
    verdict, raw = case["verdict"], case["service"]
    service = parse_service(with_node_ports(raw))
    assert (owner(service, CLUSTER) is Ownership.LBC) == verdict["supported"]
    if any(words in (verdict["error"] or "") for words in OUT_OF_SIGHT):
        return
    built = build(service, CLUSTER, (OTHER,), subnets_of(raw, subnets))
    assert list(differences(verdict, built, merged=merges_tcp_udp(service, CLUSTER))) == []
