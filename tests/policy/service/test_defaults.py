"""What udplb sets on a new Service, and what it leaves as it was written."""

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.service.services import (
    AUTO_MODE,
    DNS_TCP,
    DNS_UDP,
    GAME,
    LBC,
    OPTED_IN,
    OURS,
    UNKNOWN,
    finished,
    service,
)
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.service import decision

ALL = OURS | {"class": "service.k8s.aws/nlb", "policy": "Local"}
AUTO = ALL | {"class": "eks.amazonaws.com/nlb"}
MERGED = ALL | {"enable-tcp-udp-listener": "true"}
DUAL = {"ip-address-type": "dualstack"}
KEPT_LEGACY = {"type": "nlb", keys.KEEP: "loadBalancerClass"}
PREFIX = {"enable-prefix-for-ipv6-source-nat": "on"}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in ALL.items() if name not in names}


def set_by(raw: dict[str, Any], cluster: Cluster = LBC, namespace: Namespace = OPTED_IN) -> dict[str, Any]:
    """What the mutating webhook sets on CREATE, by short names."""
    edits = decision.mutate(raw, None, namespace, (), cluster).edits
    fields = {"loadBalancerClass": "class", "externalTrafficPolicy": "policy"}
    return {fields.get(str(e.path[-1]), str(e.path[-1]).removeprefix(keys.aws(""))): e.value for e in edits}


TABLE: list[tuple[str, dict[str, Any], Cluster, dict[str, Any]]] = [
    ("a plain UDP Service gets everything", service(), LBC, ALL),
    ("a finished Service gets nothing", finished(), LBC, {}),
    ("Auto Mode has its own class", service(), AUTO_MODE, AUTO),
    ("no class where no owner is known", service(), UNKNOWN, without("class")),
    ("type external means LBC, also in an Auto Mode cluster", service({"type": "external"}), AUTO_MODE, ALL),
    ("type nlb-ip means LBC", service({"type": "nlb-ip"}), UNKNOWN, ALL),
    ("a class stays", service(loadBalancerClass="service.k8s.aws/nlb"), AUTO_MODE, without("class")),
    ("an HTTP check stays", service({"healthcheck-protocol": "http"}), LBC, without("healthcheck-protocol")),
    ("a check port stays", service({"healthcheck-port": "8080"}), LBC, without("healthcheck-port")),
    (
        "a short interval gets a timeout that AWS takes",
        service({"healthcheck-interval": "5"}),
        LBC,
        ALL | {"healthcheck-timeout": "5"},
    ),
    (
        "the cluster's interval where no time is named",
        service(),
        replace(LBC, check_interval=5),
        ALL | {"healthcheck-interval": "5", "healthcheck-timeout": "5"},
    ),
    (
        "a named time keeps the cluster's interval out",
        service({"healthcheck-timeout": "6"}),
        replace(LBC, check_interval=5),
        ALL,
    ),
    ("an interval of 10 needs none", service({"healthcheck-interval": "10"}), LBC, ALL),
    (
        "a timeout stays",
        service({"healthcheck-interval": "5", "healthcheck-timeout": "3"}),
        LBC,
        ALL,
    ),
    (
        "cross-zone is merged into the user's attributes",
        service({"attributes": "deletion_protection.enabled=true"}),
        LBC,
        ALL | {"attributes": "deletion_protection.enabled=true,load_balancing.cross_zone.enabled=true"},
    ),
    (
        "cross-zone switched off stays off",
        service({"attributes": "load_balancing.cross_zone.enabled=false"}),
        LBC,
        without("attributes"),
    ),
    (
        "the deprecated key that is true is enough under LBC",
        service({"cross-zone-load-balancing-enabled": "true"}),
        LBC,
        without("attributes"),
    ),
    (
        "Auto Mode does not read the deprecated key",
        service({"cross-zone-load-balancing-enabled": "true"}),
        AUTO_MODE,
        AUTO | {"cross-zone-load-balancing-enabled": None},
    ),
    (
        "a target group's word against cross-zone is the user's",
        service({"target-group-attributes": "load_balancing.cross_zone.enabled=false"}),
        LBC,
        without("attributes"),
    ),
    (
        "cross-zone can be off for the cluster",
        service(),
        replace(LBC, cross_zone=False),
        without("attributes"),
    ),
    ("TCP and UDP of one number share a listener", service({}, DNS_UDP, DNS_TCP), LBC, MERGED),
    (
        "also where one targetPort is a name",
        service({}, DNS_UDP, DNS_TCP | {"targetPort": "dns-tcp"}),
        LBC,
        MERGED,
    ),
    (
        "Auto Mode shares a listener only where the setting allows it",
        service({}, DNS_UDP, DNS_TCP),
        replace(AUTO_MODE, auto_mode_tcp_udp=True),
        AUTO | {"enable-tcp-udp-listener": "true"},
    ),
    (
        "the controller's gate is enough",
        service({}, DNS_UDP, DNS_TCP),
        replace(LBC, feature_gates={"EnableTCPUDPListener": True}),
        ALL,
    ),
    ("dualstack UDP gets its source NAT prefix", service(DUAL, ipFamilies=["IPv6"]), LBC, ALL | PREFIX),
    (
        "an IPv6 cluster makes the load balancer dualstack",
        service(),
        replace(LBC, ipv6=True),
        ALL | DUAL | PREFIX,
    ),
    (
        "a named family is the user's word there too",
        service(ipFamilies=["IPv4"]),
        replace(LBC, ipv6=True),
        ALL,
    ),
    (
        "instance targets get a class and nothing else",
        service({"nlb-target-type": "instance"}, externalTrafficPolicy="Local"),
        LBC,
        {"class": "service.k8s.aws/nlb"},
    ),
    (
        "udplb/keep names what must stay unset",
        service(plain={keys.KEEP: f"externalTrafficPolicy, {keys.aws('healthcheck-port')}"}),
        LBC,
        without("policy", "healthcheck-port"),
    ),
    ("a Service without UDP is not ours", service({}, DNS_TCP), LBC, {}),
    ("nor one of another type", service(type="ClusterIP"), LBC, {}),
    ("nor one that is opted out", service(plain={keys.INJECT: "false"}), LBC, {}),
    ("nor one of another vendor's class", service(loadBalancerClass="example.com/lb"), LBC, {}),
    ("several ports", service({}, GAME, DNS_UDP), LBC, ALL),
    (
        "an empty check port, which names an unnamed port by accident, becomes traffic-port",
        service({"healthcheck-port": ""}, {"port": 7777, "protocol": "UDP"}),
        LBC,
        ALL,
    ),
    ("nothing where the legacy controller keeps the Service", service(KEPT_LEGACY), LBC, {}),
    ("nor where nobody knows another owner for it", service({"type": "nlb"}), UNKNOWN, {}),
]


@pytest.mark.parametrize(
    ("raw", "cluster", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_new_service_gets(raw: dict[str, Any], cluster: Cluster, expected: dict[str, Any]) -> None:
    assert set_by(raw, cluster) == expected


def test_the_namespace_label_names_the_owner() -> None:
    namespace = Namespace("games", {keys.INJECT: "enabled", keys.OWNER: "auto-mode"})
    assert set_by(service(), LBC, namespace) == AUTO


def test_scheme_subnets_addresses_and_name_are_never_set() -> None:
    touched = {name for row in TABLE for name in set_by(row[1], row[2])}
    assert not touched & {
        "scheme",
        "internal",
        "subnets",
        "eip-allocations",
        "private-ipv4-addresses",
        "name",
    }
