"""Services that teach something about the controller: every annotation with good, odd and malformed values.

A seed gives the same Services again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.policy.service.verdicts import DUALSTACK_SUBNETS, IPV4_SUBNETS
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Owner, Sidecar
from webhook.policy.service.addresses import Subnet

Object = dict[str, Any]
CROSS_ZONE = "load_balancing.cross_zone.enabled"

BOOLS = ("true", "false", "1", "0", "t", "F", "TRUE", "False", "tRUE", "yes", "on", "", " true", "0.0.0.0/0")
NUMBERS = ("10", "5", "6", "30", "2", "0", "-1", "+10", "010", "300", "301", "2147483647", "2147483648",
           "99999999999999999999", "10s", " 10", "1.5", "1e1", "0x10", "1_0", "", "abc")  # fmt: skip
MAPS = ("", " ", ",", "=", "=x", "a", "a=", "a=b", "a=b,", "a=b, ", "a=b,c", "a=b,c=d", "a = b , c = d", "a=b,,c=d",
        "a=b=c", "a=b\\,c", "a=b\\,c=d", "a\\=b=c", "a=b\\", "a=1,a=2", "a=b\nc=d", "\u00a0a=b\u2003", "=,a=b")  # fmt: skip
ATTRIBUTES = (
    f"{CROSS_ZONE}=true",
    f"{CROSS_ZONE}=false",
    f"{CROSS_ZONE}=true,deletion_protection.enabled=true",
    f"{CROSS_ZONE}=true,",
    f"{CROSS_ZONE}",
    "dns_record.client_routing_policy=availability_zone_affinity",
    "dns_record.client_routing_policy=nearest",
    "dns_record.client_routing_policy=",
    "access_logs.s3.enabled=true,access_logs.s3.bucket=logs",
)
GROUP_ATTRIBUTES = (
    "preserve_client_ip.enabled=true",
    "preserve_client_ip.enabled=false",
    "preserve_client_ip.enabled=no",
    "preserve_client_ip.enabled=",
    "proxy_protocol_v2.enabled=true",
    "proxy_protocol_v2.enabled=",
    "stickiness.enabled=true,stickiness.type=source_ip",
    "deregistration_delay.timeout_seconds=120",
    f"{CROSS_ZONE}=false",
    "target_health_state.unhealthy.connection_termination.enabled=false",
)
PORT_WORDS = ("53", "7777", "80", "443", "game", "dns", "dns-tcp", "web", "*", "nope", "", "53,80", "7777, game", ",",
              "053", "99999999999")  # fmt: skip
FORWARD = '{"type":"forward","forwardConfig":'
ACTIONS = (
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":"game","weight":10}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":"5555"}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":1}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"inner","servicePort":5555,"decrypt":true}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"six","servicePort":5555}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"game","servicePort":"game"}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"missing","servicePort":1}]}}',
    FORWARD + '{"targetGroups":[{"targetGroupARN":"arn:aws:1"}]}}',
    FORWARD + '{"targetGroups":[{"targetGroupARN":"arn:aws:1","serviceName":"other","servicePort":1}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other"}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555,"weight":1000}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555,"weight":1.0}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555,"weight":true}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555,"weight":null}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":1,"servicePort":5555}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555},{"targetGroupARN":"arn:aws:1"}]}}',
    FORWARD + '{"targetGroups":[{"serviceName":"other","servicePort":5555,"weight":1},'
    '{"targetGroupARN":"arn:aws:1","weight":2}],"baseServiceWeight":3}}',
    FORWARD + '{"targetGroups":[null]}}',
    FORWARD + '{"targetGroups":{}}}',
    FORWARD + '{"targetGroups":null,"targetGroupStickinessConfig":{"enabled":"yes"}}}',
    FORWARD + '{"targetGroups":[],"targetGroupStickinessConfig":{"enabled":true}}}',
    FORWARD + '{"baseServiceWeight":"1"}}',
    FORWARD + "{}}",
    FORWARD + "null}",
    FORWARD + "[]}",
    '{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"other","ServicePort":5555}]}}',
    '{"type":"forward"}',
    '{"type":"redirect"}',
    '{"type":null}',
    '{"type":1}',
    '{"unknown":[1.5],"type":"forward","forwardConfig":{}}',
    "{}",
    "null",
    "[]",
    '"forward"',
    "NaN",
    "junk",
    "",
)

ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "type": ("nlb", "nlb-ip", "external", "External", "nlb_ip", "", "instance"),
    "nlb-target-type": ("ip", "ip", "instance", "IP", "pod", " ip", ""),
    "scheme": ("internal", "internet-facing", "Internal", "public", ""),
    "internal": BOOLS,
    "name": ("games", "a" * 32, "a" * 33, "ü" * 17, ""),
    "subnets": ("subnet-1,subnet-2,subnet-3", "subnet-1", "subnet-2, subnet-1", "subnet-9", "subnet-1,"),
    "eip-allocations": ("eipalloc-1,eipalloc-2,eipalloc-3", "eipalloc-1", "", " , "),
    "private-ipv4-addresses": (
        "192.168.1.9,192.168.2.9,192.168.3.9",
        "192.168.1.9",
        "10.0.0.1,10.0.0.2,10.0.0.3",
        "192.168.1.9,192.168.1.10,192.168.2.9",
        "192.168.1.9,192.168.2.09,192.168.3.9",
        "2600::1,2600::2,2600::3",
        "x,y,z",
    ),
    "ipv6-addresses": (
        "2600:1f13:837:8501::1,2600:1f13:837:8502::1,2600:1f13:837:8503::1",
        "2600::1,2600::2,2600::3",
        "192.168.1.9,192.168.2.9,192.168.3.9",
        "2600:1f13:837:8501::1",
        "::ffff:1.2.3.4,::,x",
    ),
    "additional-resource-tags": (*MAPS, "team=games"),
    "target-node-labels": (*MAPS, "role=edge"),
    "multi-cluster-target-group": BOOLS,
    "minimum-load-balancer-capacity": (
        "CapacityUnits=500",
        "CapacityUnits=x",
        "CapacityUnits=",
        "CapacityUnits=3000000000",
        "CapacityUnits=99999999999999999999",
        "Units=5",
        "5",
        "",
    ),
    "enable-tcp-udp-listener": (*BOOLS, "true", "true", "true", "true"),
    "quic-enabled-ports": PORT_WORDS,
    "disable-nlb-sg": BOOLS,
    "listener-attributes.UDP-53": (*MAPS, "tcp.idle_timeout.seconds=60"),
    "listener-attributes.TCP_UDP-53": MAPS,
    "listener-attributes.TCP-80": MAPS,
    "ssl-cert": ("arn:aws:acm:1", "arn:aws:acm:1,arn:aws:acm:2", "", ","),
    "ssl-ports": PORT_WORDS,
    "ssl-negotiation-policy": ("ELBSecurityPolicy-TLS13-1-2-2021-06", ""),
    "backend-protocol": ("ssl", "tcp", "SSL", ""),
    "alpn-policy": ("None", "HTTP2Preferred", "http2", ""),
    "healthcheck-protocol": ("tcp", "TCP", "http", "HTTPS", "Http", "udp", "tls", "", " tcp", "http\u017f"),
    "healthcheck-port": (
        *("traffic-port", "Traffic-Port", "7777", "80", "8080", "30000", "10256", "0", "-1", "+80", "70000"),
        *("2147483648", "", " ", "game", "dns", "dns-tcp", "web", "container", "80.0", "080"),
    ),
    "healthcheck-path": ("/healthz", "", "healthz"),
    "healthcheck-success-codes": ("200", "200-399", "", "0-99"),
    "healthcheck-interval": NUMBERS,
    "healthcheck-timeout": NUMBERS,
    "healthcheck-healthy-threshold": NUMBERS,
    "healthcheck-unhealthy-threshold": NUMBERS,
    "attributes": (*MAPS, *ATTRIBUTES, *ATTRIBUTES),
    "cross-zone-load-balancing-enabled": BOOLS,
    "target-group-attributes": (*MAPS, *GROUP_ATTRIBUTES, *GROUP_ATTRIBUTES),
    "target-group-attributes.53": (*MAPS, *GROUP_ATTRIBUTES),
    "target-group-attributes.7777": (*MAPS, *GROUP_ATTRIBUTES),
    "target-group-attributes.5555": GROUP_ATTRIBUTES,
    "proxy-protocol": ("*", "true", "", " *"),
    "proxy-protocol-per-target-group": PORT_WORDS,
    "access-log-enabled": BOOLS,
    "access-log-s3-bucket-name": ("logs", ""),
    "access-log-s3-bucket-prefix": ("games", ""),
    "access-log-emit-interval": NUMBERS,
    "connection-draining-enabled": BOOLS,
    "connection-draining-timeout": NUMBERS,
    "connection-idle-timeout": NUMBERS,
    "extra-security-groups": ("sg-1", ""),
    "security-groups": ("sg-1", "sg-1,sg-2", "", ","),
    "security-group-prefix-lists": ("pl-1", ""),
    "manage-backend-security-group-rules": BOOLS,
    "inbound-sg-rules-on-private-link-traffic": ("on", "off", "true", ""),
    "enable-icmp-for-path-mtu-discovery": ("on", "off", "true"),
    "ip-address-type": ("ipv4", "dualstack", "dualstack", "ipv6", "DualStack", "dualstack-without-public-ipv4", ""),
    "enable-prefix-for-ipv6-source-nat": ("on", "on", "off", "true", ""),
    "source-nat-ipv6-prefixes": (
        "auto_assigned,auto_assigned,auto_assigned",
        "2600:1f13:837:8501:1::/80,2600:1f13:837:8502:1::/80,auto_assigned",
        "2600:1f13:837:8502:1::/80,auto_assigned,auto_assigned",
        "2600:1f13:837:8501:1::/64,auto_assigned,auto_assigned",
        "2600:1f13:837:8501:1::/80/9,auto_assigned,auto_assigned",
        "192.168.1.0/80,auto_assigned,auto_assigned",
        "junk,auto_assigned,auto_assigned",
        "auto_assigned",
        "",
    ),
    "helth-check-port": ("80",),
}  # fmt: skip

OTHER_KEYS: Mapping[str, tuple[str, ...]] = {
    "service.beta.kubernetes.io/load-balancer-source-ranges": ("10.0.0.0/8", "2600::/12", "10.0.0.0/8, 2600::/12", "x", ""),
    **{
        f"service.beta.kubernetes.io/actions.{listener}": ACTIONS
        for listener in ("UDP-7777", "UDP-53", "TCP_UDP-53", "TCP-80", "TLS-80", "QUIC-7777")
    },
    "service.kubernetes.io/aws-load-balancer-type": ("external",),
    "external-dns.alpha.kubernetes.io/hostname": ("game.example",),
}  # fmt: skip

TOGETHER: tuple[tuple[str, ...], ...] = (
    ("healthcheck-protocol", "healthcheck-port", "healthcheck-path", "healthcheck-success-codes"),
    ("healthcheck-interval", "healthcheck-timeout"),
    ("ssl-cert", "ssl-ports", "backend-protocol", "alpn-policy"),
    ("ip-address-type", "enable-prefix-for-ipv6-source-nat", "source-nat-ipv6-prefixes", "ipv6-addresses"),
    ("scheme", "eip-allocations", "private-ipv4-addresses", "subnets"),
    ("attributes", "cross-zone-load-balancing-enabled", "access-log-enabled", "access-log-s3-bucket-name"),
    ("target-group-attributes", "target-group-attributes.53", "target-group-attributes.7777"),
    ("proxy-protocol", "proxy-protocol-per-target-group", "target-group-attributes"),
    ("security-groups", "disable-nlb-sg", "manage-backend-security-group-rules"),
    ("type", "nlb-target-type", "internal"),
    ("enable-tcp-udp-listener", "quic-enabled-ports", "ssl-cert"),
)
"""Annotations that mean something to each other."""


def port(number: int, protocol: str, name: str, target: int | str | None = None) -> Object:
    written = {"port": number, "protocol": protocol, "targetPort": number if target is None else target}
    return written | ({"name": name} if name else {})


GAME, QUERY = port(7777, "UDP", "game"), port(7778, "UDP", "query")
DNS_UDP, DNS_TCP = port(53, "UDP", "dns", 5353), port(53, "TCP", "dns-tcp", 5353)
WEB = port(80, "TCP", "web", 8080)
PORTS: tuple[tuple[Object, ...], ...] = (
    (GAME,),
    (GAME,),
    (port(7777, "UDP", ""),),
    (port(7777, "UDP", "game", "game"),),
    (GAME, QUERY),
    (GAME, WEB),
    (WEB, GAME),
    (port(443, "TCP", "https", 8443), port(443, "UDP", "quic", 8443)),
    (DNS_UDP, DNS_TCP),
    (DNS_TCP, DNS_UDP),
    (DNS_UDP, DNS_TCP, WEB),
    (DNS_UDP, port(53, "TCP", "dns-tcp", 8053)),
    (port(53, "UDP", "dns", "dns"), port(53, "TCP", "dns-tcp", "dns-tcp")),
    (port(53, "UDP", "dns", "dns"), DNS_TCP),
    (DNS_UDP, DNS_TCP, port(53, "SCTP", "dns-sctp", 5353)),
    (DNS_UDP, port(53, "SCTP", "dns-sctp", 5353)),
    (GAME, port(9, "SCTP", "sctp")),
    tuple(port(7777 + number, "UDP", f"p{number}") for number in range(6)),
    (WEB,),
)
SPECS: tuple[tuple[Object, ...], ...] = (
    ({}, {"externalTrafficPolicy": "Cluster"}, {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31234}),
    ({}, {}, {}, {"allocateLoadBalancerNodePorts": False}, {"allocateLoadBalancerNodePorts": True}),
    (
        {},
        {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
        {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"},
        {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"},
    ),
    ({}, {}, {}, {"loadBalancerSourceRanges": ["10.0.0.0/8"]}, {"loadBalancerSourceRanges": ["10.0.0.0/8", "2600::/12"]}),
    ({}, {}, {}, {"sessionAffinity": "ClientIP"}, {"publishNotReadyAddresses": True}),
)  # fmt: skip
LBC_CLASS = "service.k8s.aws/nlb"
CLASSES = (None, None, None, "eks.amazonaws.com/nlb", "example.com/nlb", "games/nlb", LBC_CLASS)
TYPES = (*("LoadBalancer",) * 24, "NodePort", "ClusterIP")

SIBLINGS: tuple[Object, ...] = tuple(
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "games"},
        "spec": {
            "selector": {"app": name},
            "ports": [port(5555, "UDP", "game") | node, port(80, "TCP", "web")],
            **spec,
        },
    }
    for name, node, spec in (
        ("other", {"nodePort": 30555}, {"type": "LoadBalancer"}),
        ("inner", {}, {"type": "ClusterIP"}),
        ("six", {"nodePort": 30556}, {"type": "LoadBalancer", "ipFamilies": ["IPv6"]}),
    )
)
"""The other Services of the namespace, which weighted actions name."""

GATES = (
    {"EnableTCPUDPListener": True},
    {"EnableIPTargetType": False},
    {"NLBHealthCheckAdvancedConfig": False},
    {"NLBSecurityGroup": False},
    {"LBCapacityReservation": False},
)


@dataclass(frozen=True)
class Case:
    """A Service as a user writes it, and where."""

    service: Object
    cluster: Cluster
    subnets: tuple[Subnet, ...] = field(repr=False)


def cases(seed: int, count: int) -> Iterator[Case]:
    """As many Services as asked, the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        cluster = _cluster(dice)
        yield Case(_service(dice, cluster), cluster, dice.choice((IPV4_SUBNETS, DUALSTACK_SUBNETS)))


def _cluster(dice: random.Random) -> Cluster:
    unusual = dice.random() < 0.3
    return Cluster(
        sidecar=Sidecar(image="udp-healthcheck:test"),
        owner=Owner.LBC,
        lbc_class=dice.choice((LBC_CLASS, "games/nlb")) if unusual else LBC_CLASS,
        default_target_type=dice.choice(("instance", "ip")) if unusual else "instance",
        default_scheme=dice.choice(("internal", "internet-facing")) if unusual else "internal",
        feature_gates=dice.choice(GATES) if unusual and dice.random() < 0.5 else {},
    )


def _service(dice: random.Random, cluster: Cluster) -> Object:
    spec: Object = {"type": dice.choice(TYPES), "selector": {"app": "game"}}
    for choices in SPECS:
        spec |= dice.choice(choices) if dice.random() < 0.2 else choices[0]
    spec["ports"] = [dict(entry) for entry in dice.choice(PORTS)]
    chosen = dice.choice(CLASSES) if dice.random() < 0.2 else cluster.lbc_class
    if chosen is not None:
        spec["loadBalancerClass"] = chosen
    metadata = {"name": "game", "namespace": "games", "annotations": _annotations(dice, spec["ports"])}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _annotations(dice: random.Random, ports: list[Object]) -> dict[str, str]:
    names = set(dice.sample(sorted(ANNOTATIONS), dice.choice((0, 0, 1, 1, 2, 3))))
    if dice.random() < 0.5:
        family = dice.choice(TOGETHER)
        names |= set(dice.sample(family, dice.randint(1, len(family))))
    written = {keys.aws(name): _value(dice, ANNOTATIONS[name]) for name in sorted(names)}
    if dice.random() < 0.7:
        written.setdefault(keys.aws("nlb-target-type"), "ip")
    if dice.random() < 0.15:
        entry = dice.choice(ports)
        key = f"service.beta.kubernetes.io/actions.{entry['protocol']}-{entry['port']}"
        written[key] = dice.choice(ACTIONS)
    if dice.random() < 0.05:
        key = dice.choice(sorted(OTHER_KEYS))
        written[key] = dice.choice(OTHER_KEYS[key])
    return written


def _value(dice: random.Random, values: tuple[str, ...]) -> str:
    """The first are good ones: without them a Service is refused before the rest of it is read."""
    return dice.choice(values[:2]) if dice.random() < 0.5 else dice.choice(values)
