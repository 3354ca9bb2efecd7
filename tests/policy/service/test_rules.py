"""One row a rule and more: the Service that breaks it, and what is said."""

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
    UNKNOWN,
    WEB,
    finished,
    service,
)
from webhook.policy import keys
from webhook.policy.cluster import Cluster
from webhook.policy.finding import Decision, Severity
from webhook.policy.service import decision
from webhook.policy.service.objects import parse_service
from webhook.policy.service.rules import RULES

ACTION = "service.beta.kubernetes.io/actions.UDP-7777"
CLASS: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb"}
ARENA = {"app": "arena"}
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
MERGE = {"enable-tcp-udp-listener": "true"}
QUIC = {"quic-enabled-ports": "game", "disable-nlb-sg": "true"}
INSTANCE = {"nlb-target-type": "instance"}
OTHER = parse_service(
    service(
        {"name": "taken", "nlb-target-type": "ip"},
        DNS_UDP,
        metadata={"name": "other"},
        **CLASS,
        selector=ARENA,
    )
)
GROUP = "target-group-attributes"
ENDS = "target_health_state.unhealthy.connection_termination.enabled"
DRAINS = "target_health_state.unhealthy.draining_interval_seconds"


def sctp(number: int) -> dict[str, Any]:
    return {"name": "sctp", "port": number, "protocol": "SCTP", "targetPort": number}


def action(text: str) -> dict[str, Any]:
    return service(plain={ACTION: text})


REJECTED: list[tuple[str, dict[str, Any]]] = [
    ("UDPLB202", service({"nlb-target-type": "IP"})),
    ("UDPLB202", service({"type": "external", "nlb-target-type": "pod"})),
    ("UDPLB203", service(INSTANCE)),
    ("UDPLB204", service(INSTANCE, externalTrafficPolicy="Local", allocateLoadBalancerNodePorts=False)),
    ("UDPLB207", service({"type": "nlb-ip", "nlb-target-type": "instance"})),
    ("UDPLB301", service({"enable-tcp-udp-listener": "false"}, DNS_UDP, DNS_TCP)),
    ("UDPLB301", service({}, DNS_UDP, DNS_TCP | {"targetPort": 8053})),
    ("UDPLB302", service(MERGE, DNS_UDP, DNS_TCP | {"targetPort": 8053})),
    ("UDPLB304", service(MERGE, DNS_UDP, DNS_TCP, sctp(53))),
    ("UDPLB304", service(MERGE, DNS_UDP, sctp(53))),
    ("UDPLB304", service(MERGE, DNS_UDP, DNS_UDP)),
    ("UDPLB305", service({"enable-tcp-udp-listener": "yes"})),
    ("UDPLB306", service({}, GAME, sctp(9000))),
    ("UDPLB310", service({"ssl-ports": "443"})),
    ("UDPLB311", service({"quic-enabled-ports": "web"}, GAME, WEB)),
    ("UDPLB316", service(QUIC | {"quic-enabled-ports": "game,dns"}, GAME, DNS_UDP)),
    ("UDPLB316", service(QUIC, GAME, DNS_UDP)),
    ("UDPLB323", service({}, *({"port": n, "protocol": "UDP"} for n in range(1, 52)))),
    ("UDPLB340", service({"ssl-cert": "arn", "alpn-policy": "h2"}, GAME, WEB)),
    ("UDPLB352", action("junk")),
    ("UDPLB352", action('{"type":"redirect"}')),
    ("UDPLB352", action("[]")),
    ("UDPLB352", action('{"type":"forward","forwardConfig":{"targetGroups":"x"}}')),
    ("UDPLB353", action('{"type":"forward"}')),
    (
        "UDPLB354",
        action(
            '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":1}]}}'
        ),
    ),
    ("UDPLB354", action('{"type":"forward","forwardConfig":{"targetGroups":[{}]}}')),
    ("UDPLB354", action('{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other"}]}}')),
    (
        "UDPLB354",
        action('{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"a","weight":1000}]}}'),
    ),
    (
        "UDPLB354",
        action(
            '{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"a"},{"targetGroupARN":"b"}]}}'
        ),
    ),
    ("UDPLB403", service({"healthcheck-protocol": "udp"})),
    ("UDPLB403", service({"healthcheck-protocol": ""})),
    ("UDPLB404", service({"healthcheck-port": "game"}, GAME | {"targetPort": "game"})),
    ("UDPLB405", service({"healthcheck-port": "Traffic-Port"})),
    ("UDPLB407", service({"healthcheck-port": "0"})),
    ("UDPLB407", service({"healthcheck-port": "70000"})),
    ("UDPLB410", service({"healthcheck-port": "10256"})),
    ("UDPLB410", service({"healthcheck-port": "30500"})),
    ("UDPLB414", service({"healthcheck-interval": "301"})),
    ("UDPLB414", service({"healthcheck-healthy-threshold": "1"})),
    ("UDPLB414", service({"healthcheck-protocol": "http", "healthcheck-path": ""})),
    ("UDPLB414", service({"healthcheck-protocol": "http", "healthcheck-success-codes": "100"})),
    ("UDPLB415", service({"healthcheck-interval": "10s"})),
    ("UDPLB416", service({"healthcheck-interval": "10", "healthcheck-timeout": "11"})),
    ("UDPLB423", service(INSTANCE | {"healthcheck-port": "traffic-port"}, externalTrafficPolicy="Local")),
    ("UDPLB501", service({GROUP: "preserve_client_ip.enabled=false"})),
    ("UDPLB501", service({f"{GROUP}.7777": "preserve_client_ip.enabled=false"})),
    ("UDPLB502", service({GROUP: "preserve_client_ip.enabled=no"})),
    ("UDPLB503", service({GROUP: "stickiness.enabled"})),
    ("UDPLB503", service({"attributes": "deletion_protection.enabled=true,"})),
    ("UDPLB503", service({GROUP: "a=true\nb=false"})),
    ("UDPLB504", service({"proxy-protocol": "true"})),
    ("UDPLB505", service({"proxy-protocol": "*"})),
    ("UDPLB505", service({GROUP: "proxy_protocol_v2.enabled=true"})),
    ("UDPLB506", service({"proxy-protocol-per-target-group": "game"})),
    ("UDPLB507", service({GROUP: f"{ENDS}=true"})),
    ("UDPLB508", service({GROUP: f"{DRAINS}=30"})),
    ("UDPLB510", service({GROUP: "stickiness.type=lb_cookie"})),
    ("UDPLB513", service({GROUP: "slow_start.duration_seconds=30"})),
    ("UDPLB513", service({GROUP: "deregistration_delay.timeout_seconds=3601"})),
    (
        "UDPLB602",
        service(
            {
                "cross-zone-load-balancing-enabled": "false",
                "attributes": "load_balancing.cross_zone.enabled=true",
            }
        ),
    ),
    ("UDPLB603", service({"cross-zone-load-balancing-enabled": "on"})),
    ("UDPLB603", service({"internal": "0.0.0.0/0"})),
    ("UDPLB607", service({"attributes": "dns_record.client_routing_policy=near"})),
    ("UDPLB644", service({"attributes": "load_balancing.cross_zone.enabled=yes"})),
    ("UDPLB609", service({"attributes": "deletion_protection.enabled=yes"})),
    ("UDPLB611", service({"scheme": "public"})),
    ("UDPLB612", service({"name": "n" * 33})),
    ("UDPLB615", service({"eip-allocations": "eipalloc-1"})),
    ("UDPLB614", service({"name": "taken"})),
    ("UDPLB616", service({"scheme": "internet-facing", "eip-allocations": "a,b", "subnets": "s"})),
    ("UDPLB617", service({"scheme": "internet-facing", "private-ipv4-addresses": "10.0.0.1"})),
    ("UDPLB617", service({"private-ipv4-addresses": "nonsense"})),
    ("UDPLB641", service({"minimum-load-balancer-capacity": "Units=5"})),
    ("UDPLB641", service({"minimum-load-balancer-capacity": "CapacityUnits=x"})),
    ("UDPLB642", service({"scheme": "internal", "internal": "false"})),
    ("UDPLB651", service(ipFamilies=["IPv4", "IPv6"])),
    ("UDPLB652", service({"ip-address-type": "DualStack"})),
    ("UDPLB653", service({"ip-address-type": "dualstack", "enable-prefix-for-ipv6-source-nat": "off"})),
    ("UDPLB655", service({"enable-prefix-for-ipv6-source-nat": "true"})),
    ("UDPLB656", service({"enable-prefix-for-ipv6-source-nat": "on"})),
    ("UDPLB658", service({"source-nat-ipv6-prefixes": "auto_assigned"})),
    (
        "UDPLB658",
        service(
            {
                "ip-address-type": "dualstack",
                "enable-prefix-for-ipv6-source-nat": "off",
                "source-nat-ipv6-prefixes": "auto_assigned",
            }
        ),
    ),
    ("UDPLB658", service({"ip-address-type": "dualstack", "source-nat-ipv6-prefixes": "2001:db8::/64"})),
    ("UDPLB658", service({"ip-address-type": "dualstack", "source-nat-ipv6-prefixes": "10.0.0.0/80"})),
    ("UDPLB661", service(loadBalancerSourceRanges=["2001:db8::/32"])),
    ("UDPLB661", service(plain={RANGES: "2001:db8::/32"})),
    ("UDPLB740", service({"inbound-sg-rules-on-private-link-traffic": "true"})),
]

WARNED: list[tuple[str, dict[str, Any]]] = [
    ("UDPLB104", service({"type": "nlb"})),
    ("UDPLB103", service({"type": "clb"})),
    ("UDPLB105", service(loadBalancerClass="example.com/lb")),
    ("UDPLB107", service({"type": "nlb"})),
    ("UDPLB141", service(plain={keys.KEEP: "everything"})),
    ("UDPLB143", service(plain={keys.ALLOW: "UDPLB9999"})),
    ("UDPLB240", service(INSTANCE | {"healthcheck-port": "10256", "healthcheck-protocol": "http"})),
    (
        "UDPLB240",
        service(
            INSTANCE | {"healthcheck-port": "web"}, GAME | {"nodePort": 30001}, WEB | {"nodePort": 30002}
        ),
    ),
    ("UDPLB209", service(selector=None)),
    ("UDPLB303", service({}, DNS_UDP, DNS_TCP | {"targetPort": "dns-tcp"})),
    ("UDPLB341", service({}, DNS_UDP, DNS_TCP)),
    ("UDPLB341", service({"healthcheck-port": "5353"}, DNS_UDP, DNS_TCP)),
    (
        "UDPLB355",
        action('{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"far","servicePort":1}]}}'),
    ),
    ("UDPLB408", service({"healthcheck-port": "8080"})),
    ("UDPLB409", service({"healthcheck-port": "7777"}, GAME, DNS_UDP)),
    ("UDPLB411", service({"targettype": "ip"})),
    ("UDPLB411", service({"qqqqqqqq": "ip"})),
    ("UDPLB411", service({"healthcheck-port.53": "8080"})),
    ("UDPLB411", service(plain={"service.beta.kubernetes.io/actions.TCP-7777": "{}"})),
    ("UDPLB413", service({"healthcheck-path": "/health"})),
    ("UDPLB511", service({GROUP: "load_balancing.cross_zone.enabled=false"})),
    ("UDPLB540", service({"proxy-protocol": "*"}, GAME, WEB)),
    ("UDPLB601", service({"attributes": "load_balancing.cross_zone.enabled=false"})),
    ("UDPLB601", service({"cross-zone-load-balancing-enabled": "false"})),
    ("UDPLB640", service({"attributes": "deletion_protection.enabled=true"})),
]

OTHER_CLUSTERS: list[tuple[str, Severity, dict[str, Any], Cluster]] = [
    ("UDPLB104", Severity.WARN, service({"type": "nlb"}), AUTO_MODE),
    ("UDPLB140", Severity.WARN, service(), UNKNOWN),
    (
        "UDPLB301",
        Severity.REJECT,
        service({}, DNS_UDP, DNS_TCP | {"targetPort": 1}),
        replace(AUTO_MODE, auto_mode_tcp_udp=True),
    ),
    ("UDPLB206", Severity.REJECT, service(), replace(LBC, feature_gates={"EnableIPTargetType": False})),
    ("UDPLB301", Severity.REJECT, service({}, DNS_UDP, DNS_TCP), AUTO_MODE),
    ("UDPLB909", Severity.WARN, service(selector=ARENA | {"tier": "lobby"}), LBC),
    ("UDPLB690", Severity.WARN, service(), replace(LBC, ipv6=True)),
]

SILENT_CLUSTERS: list[tuple[str, dict[str, Any], Cluster]] = [
    (
        "UDPLB205",
        service(
            {"type": "nlb"},
            GAME | {"nodePort": 30001},
            externalTrafficPolicy="Local",
            allocateLoadBalancerNodePorts=False,
        ),
        UNKNOWN,
    ),
    (
        "UDPLB641",
        service({"minimum-load-balancer-capacity": "Units=5"}),
        replace(LBC, feature_gates={"LBCapacityReservation": False}),
    ),
]
"""The neighbours of rows above, or of a rule's example, where the cluster or the Service makes it harmless."""

FINAL: list[tuple[str, Severity, dict[str, Any]]] = [
    ("UDPLB101", Severity.REJECT, service({"nlb-target-type": "ip"})),
    ("UDPLB201", Severity.REJECT, service(loadBalancerClass="service.k8s.aws/nlb")),
    ("UDPLB417", Severity.REJECT, finished({"healthcheck-interval": "5"})),
    ("UDPLB601", Severity.WARN, finished({"attributes": ""})),
    ("UDPLB763", Severity.WARN, finished(externalTrafficPolicy="Cluster")),
]

CLEAN: list[tuple[str, dict[str, Any]]] = [
    ("a plain Service", service()),
    ("an internet-facing one with elastic IPs", service({"scheme": "internet-facing", "eip-allocations": "a", "subnets": "s"})),
    ("internal fixed addresses", service({"private-ipv4-addresses": "10.0.0.1"})),
    ("an HTTP check with path and codes", service({"healthcheck-protocol": "HTTP", "healthcheck-path": "/", "healthcheck-success-codes": "200-299,301"})),
    ("a check on the application's TCP port", service({"healthcheck-port": "8080"}, GAME, WEB)),
    ("the check port by a port's name", service({"healthcheck-port": "web"}, GAME, WEB)),
    ("TCP and UDP on one number, both checked on another port", service({"healthcheck-port": "8080"}, DNS_UDP, DNS_TCP, WEB)),
    ("instance targets with Local", service(INSTANCE, externalTrafficPolicy="Local")),
    ("proxy protocol on the TCP port alone", service({"proxy-protocol-per-target-group": "80"}, GAME, WEB)),
    ("client addresses of the TCP port alone", service({f"{GROUP}.80": "preserve_client_ip.enabled=false"}, GAME, WEB)),
    ("draining with termination off", service({GROUP: f"{ENDS}=false,{DRAINS}=30"})),
    ("dualstack", service({"ip-address-type": "dualstack"}, ipFamilies=["IPv6"])),
    ("own security groups", service({"security-groups": "sg-1", "manage-backend-security-group-rules": "true"})),
    ("no security groups", service({"disable-nlb-sg": "true"}, loadBalancerSourceRanges=["10.0.0.0/8"])),
    ("access logs", service({"access-log-enabled": "true", "access-log-s3-bucket-name": "b"})),
    ("keys of the legacy controller alone", service({"connection-idle-timeout": "60"})),
    ("TLS beside UDP", service({"ssl-cert": "arn", "ssl-ports": "web", "backend-protocol": "ssl"}, GAME, WEB)),
    ("zones kept, names in order", service({"name": "game-1", "attributes": "dns_record.client_routing_policy=any_availability_zone,load_balancing.cross_zone.enabled=true"})),
    ("two UDP ports with one target", service({}, GAME, GAME | {"name": "again", "port": 7778})),
    ("prefix lists instead of ranges", service({"security-group-prefix-lists": "pl-1"})),
    ("in-cluster routing hints", service(internalTrafficPolicy="Local", trafficDistribution="PreferClose")),
    ("a target group that sends to all while one is red", service({GROUP: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage=100,target_group_health.dns_failover.minimum_healthy_targets.count=off"})),
    ("an attribute of a port that keeps the base value", service({f"{GROUP}.7777": "deregistration_delay.timeout_seconds="})),
    ("a listener's attributes", service({"listener-attributes.TCP-80": "tcp.idle_timeout.seconds=60"}, GAME, WEB)),
    ("a short tcp interval", service({"healthcheck-interval": "6"})),
    ("a name of its own", service({"name": "free"})),
    ("proxy protocol left to AWS", service({GROUP: "proxy_protocol_v2.enabled="})),
    ("an action with members that the controller does not know", action('{"type":"forward","note":"x","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53,"weight":null}]}}')),
    ("weighted to a Service in sight", action('{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53}]}}')),
]  # fmt: skip


def create(raw: dict[str, Any], cluster: Cluster = LBC) -> Decision:
    return decision.mutate(raw, None, OPTED_IN, (OTHER,), cluster)


def said(made: Decision) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in made.findings}


@pytest.mark.parametrize(("code", "raw"), REJECTED)
def test_this_service_is_rejected(code: str, raw: dict[str, Any]) -> None:
    made = create(raw)
    assert said(made).get(code) is Severity.REJECT
    assert made.edits == ()


@pytest.mark.parametrize(("code", "raw"), WARNED)
def test_this_service_is_admitted_with_a_warning(code: str, raw: dict[str, Any]) -> None:
    made = create(raw)
    assert said(made).get(code) is Severity.WARN
    assert not made.rejected


@pytest.mark.parametrize(("code", "severity", "raw", "cluster"), OTHER_CLUSTERS)
def test_the_cluster_changes_what_is_said(
    code: str, severity: Severity, raw: dict[str, Any], cluster: Cluster
) -> None:
    assert said(create(raw, cluster)).get(code) is severity


@pytest.mark.parametrize(("code", "raw", "cluster"), SILENT_CLUSTERS)
def test_the_cluster_makes_it_harmless(code: str, raw: dict[str, Any], cluster: Cluster) -> None:
    assert code not in said(create(raw, cluster))


@pytest.mark.parametrize(("code", "severity", "raw"), FINAL)
def test_what_another_webhook_undid_is_said_of_the_final_object(
    code: str, severity: Severity, raw: dict[str, Any]
) -> None:
    assert said(decision.validate(raw, None, OPTED_IN, (), LBC)).get(code) is severity


@pytest.mark.parametrize("raw", [raw for _, raw in CLEAN], ids=[name for name, _ in CLEAN])
def test_a_healthy_service_is_admitted_without_a_word(raw: dict[str, Any]) -> None:
    assert create(raw).findings == ()


@pytest.mark.parametrize("raw", [raw for _, raw in CLEAN], ids=[name for name, _ in CLEAN])
def test_what_the_mutating_webhook_made_satisfies_the_validating_one(raw: dict[str, Any]) -> None:
    made = create(raw)
    for edit in made.edits:
        target: Any = raw
        for step in edit.path[:-1]:
            target = target[step]
        target[edit.path[-1]] = edit.value
    assert decision.validate(raw, None, OPTED_IN, (OTHER,), LBC) == Decision()
    assert create(raw) == Decision()


def test_codes_are_used_once() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_explains_itself(rule: Any) -> None:
    assert rule.title
    assert rule.about.endswith(".")
    assert rule.source


def test_allow_turns_a_rejection_into_a_warning() -> None:
    made = create(service({"healthcheck-port": "10256"}, plain={keys.ALLOW: "UDPLB410"}))
    assert said(made) == {"UDPLB410": Severity.WARN}
    assert made.edits


def test_a_value_that_the_controller_cannot_parse_cannot_be_allowed() -> None:
    assert create(service({"healthcheck-protocol": "udp"}, plain={keys.ALLOW: "UDPLB403"})).rejected


def test_the_cluster_sets_a_rules_severity() -> None:
    quiet = replace(LBC, severities={"UDPLB410": Severity.OFF, "UDPLB411": Severity.REJECT})
    assert said(create(service({"healthcheck-port": "10256"}), quiet)) == {}
    assert said(create(service({"targettype": "ip"}), quiet)) == {"UDPLB411": Severity.REJECT}


def test_a_message_names_code_field_reason_fix_and_docs() -> None:
    finding = create(service({"healthcheck-protocol": "udp"})).findings[0]
    assert str(finding) == (
        "UDPLB403 metadata.annotations[…healthcheck-protocol]: the controller refuses it and builds nothing "
        "(unsupported health check protocol udp); write tcp; the sidecar answers TCP while the UDP port is served. "
        "See docs/rules.md#udplb403"
    )
