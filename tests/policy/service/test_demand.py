"""What a load balancer asks of the pods behind it."""

from typing import Any

import pytest

from tests.policy.service.services import DNS_TCP, DNS_UDP, GAME, LBC, WEB, finished, service
from webhook.policy import keys
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import parse_service

SELECTOR = {"app": "game"}

TABLE: list[tuple[str, dict[str, Any], Demand | None]] = [
    ("each UDP target is probed", finished(), Demand("game", SELECTOR, probed=(7777,), udp=True)),
    (
        "two ports of one target are probed once",
        finished({}, GAME, GAME | {"port": 7778, "name": "b"}),
        Demand("game", SELECTOR, probed=(7777,), udp=True),
    ),
    (
        "a named target stays a name",
        finished({}, GAME | {"targetPort": "game"}),
        Demand("game", SELECTOR, probed=("game",), udp=True),
    ),
    (
        "the application answers TCP itself",
        finished({"enable-tcp-udp-listener": "true"}, DNS_UDP, DNS_TCP),
        Demand("game", SELECTOR, probed=(5353,), tcp=(5353,), udp=True),
    ),
    (
        "an explicit check port is probed instead",
        finished({"healthcheck-port": "8080"}, GAME, WEB),
        Demand("game", SELECTOR, elsewhere=(7777,), check_port=8080, tcp=(8080,), udp=True),
    ),
    (
        "unless it is one of the UDP targets",
        finished({"healthcheck-port": "7777"}, GAME, DNS_UDP),
        Demand("game", SELECTOR, probed=(7777,), elsewhere=(5353,), check_port=7777, udp=True),
    ),
    (
        "nodes are checked, not pods",
        service({"nlb-target-type": "instance"}, loadBalancerClass="service.k8s.aws/nlb"),
        Demand("game", SELECTOR, instance=True, udp=True),
    ),
    (
        "the deregistration delay is known",
        finished({"target-group-attributes": "deregistration_delay.timeout_seconds=60"}),
        Demand("game", SELECTOR, probed=(7777,), udp=True, drain_delay=60),
    ),
    (
        "another vendor's asks nothing, but its TCP is in use",
        service({}, GAME, WEB, loadBalancerClass="example.com/lb"),
        Demand("game", SELECTOR, tcp=(8080,)),
    ),
    ("a TCP load balancer asks nothing either", service({}, WEB), Demand("game", SELECTOR, tcp=(8080,))),
    ("nor one of the legacy controller", service({"type": "nlb"}), Demand("game", SELECTOR)),
    (
        "nor one that is opted out",
        finished() | service(plain={keys.INJECT: "false"}),
        Demand("game", SELECTOR),
    ),
    ("a Service of another type is no load balancer", service(type="ClusterIP"), None),
    ("a Service without a selector has no pods", service(selector=None), None),
]


@pytest.mark.parametrize(("raw", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_load_balancer_asks(raw: dict[str, Any], expected: Demand | None) -> None:
    assert demand(parse_service(raw), LBC) == expected


def test_a_demand_selects_by_all_its_labels_and_an_empty_one_selects_nothing() -> None:
    asked = Demand("game", {"app": "game", "tier": "eu"})
    assert asked.selects({"app": "game", "tier": "eu", "more": "x"})
    assert not asked.selects({"app": "game"})
    assert not Demand("game", {}).selects({"app": "game"})
