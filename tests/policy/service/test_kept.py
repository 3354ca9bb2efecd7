"""What works on AWS and must be let through, and what somebody else's Service must not lose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.service.services import (
    AUTO_MODE,
    DNS_TCP,
    DNS_UDP,
    GAME,
    LBC,
    LIVE,
    OPTED_IN,
    WEB,
    finished,
    service,
)
from webhook.patch import apply, operations
from webhook.policy import keys
from webhook.policy.cluster import Cluster
from webhook.policy.finding import Decision, Severity
from webhook.policy.service import decision

BY_CLASS: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb"}
AUTO: dict[str, Any] = {"loadBalancerClass": "eks.amazonaws.com/nlb"}
INSTANCE = {"nlb-target-type": "instance"}
MERGED = {"enable-tcp-udp-listener": "true"}
VOICE = [
    {"name": "tcp", "port": 30120, "protocol": "TCP", "targetPort": 30120},
    {"name": "udp", "port": 30120, "protocol": "UDP", "targetPort": 30120},
]
NAMED_CHECK = service(INSTANCE | {"healthcheck-port": "web"}, GAME, WEB, **BY_CLASS)
TWINS = [port | {"nodePort": 30053} for port in (DNS_UDP, DNS_TCP)]
ON_NODES = {"healthcheck-port": "10256", "healthcheck-protocol": "http"}
LEFTOVERS = {
    "listener-attributes.UDP-7777": "x",
    "target-group-attributes.7777": "preserve_client_ip.enabled=false",
    "inbound-sg-rules-on-private-link-traffic": "x",
}


def rejected(made: Decision) -> set[str]:
    return {finding.code for finding in made.findings if finding.severity is Severity.REJECT}


def warned(made: Decision) -> set[str]:
    return {finding.code for finding in made.findings if finding.severity is Severity.WARN}


ADMITTED: list[tuple[str, dict[str, Any], Cluster]] = [
    ("a pod that listens in the range of node ports", service({"nlb-target-type": "ip", "healthcheck-port": "30120"} | MERGED, *VOICE), LBC),
    ("ip targets by the user with a node's number", service({"nlb-target-type": "ip", "healthcheck-port": "10250"}), LBC),
    ("nodes checked on a TCP port's name", NAMED_CHECK, LBC),
    ("a merged port whose node port serves TCP", service(INSTANCE | MERGED, *TWINS, **BY_CLASS), LBC),
    ("the same with Local and traffic-port", service(INSTANCE | MERGED | {"healthcheck-port": "traffic-port"}, *TWINS, externalTrafficPolicy="Local"), LBC),
    ("a misspelt target type that nlb-ip overrides", service({"type": "nlb-ip", "nlb-target-type": "IP"}), LBC),
    ("ip by the controller's default", service({}, plain={keys.KEEP: keys.aws("nlb-target-type")}), replace(LBC, default_target_type="ip")),
    *((f"Auto Mode never reads {name}", service({name: value}, **AUTO), AUTO_MODE) for name, value in LEFTOVERS.items()),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "cluster"), [row[1:] for row in ADMITTED], ids=[row[0] for row in ADMITTED])
def test_this_works_and_is_admitted(raw: dict[str, Any], cluster: Cluster) -> None:
    made = decision.mutate(raw, None, OPTED_IN, (), cluster)
    assert rejected(made) == set()
    after = apply(raw, operations(raw, made.edits))
    assert rejected(decision.validate(after, None, OPTED_IN, (), cluster)) == set()


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_auto_mode_does_not_read_is_said_once(name: str) -> None:
    made = decision.mutate(service({name: LEFTOVERS[name]}, **AUTO), None, OPTED_IN, (), AUTO_MODE)
    assert warned(made) == {"UDPLB411", "UDPLB901"}


UNSUPPORTED = {
    "cross-zone-load-balancing-enabled": "yes",
    "access-log-enabled": "no",
    "access-log-s3-bucket-name": "logs",
    "access-log-s3-bucket-prefix": "games",
    "internal": "0.0.0.0/0",
    "proxy-protocol": "true",
    "service.beta.kubernetes.io/load-balancer-source-ranges": "2001:db8::/32",
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_auto_mode_does_not_support_is_rejected_for_that_alone(name: str) -> None:
    made = decision.mutate(service({name: UNSUPPORTED[name]}, **AUTO), None, OPTED_IN, (), AUTO_MODE)
    assert rejected(made) == {"UDPLB106"}
    assert warned(made) == {"UDPLB901"}


def test_auto_mode_reads_no_scheme_from_internal() -> None:
    raw = service({"internal": "false", "private-ipv4-addresses": "10.0.0.1"}, **AUTO)
    assert rejected(decision.mutate(raw, None, OPTED_IN, (), AUTO_MODE)) == {"UDPLB106"}


def test_a_policy_does_not_choose_the_first_family() -> None:
    raw = service(ipFamilyPolicy="PreferDualStack")
    edits = decision.mutate(raw, None, OPTED_IN, (), replace(LBC, ipv6=True)).edits
    assert keys.aws("ip-address-type") in {edit.path[-1] for edit in edits}


def test_half_a_character_in_an_action_can_be_said() -> None:
    raw = service(plain={"service.beta.kubernetes.io/actions.UDP-7777": '{"type":"\\ud800"}'})
    made = decision.mutate(raw, None, OPTED_IN, (), LBC)
    assert rejected(made) == {"UDPLB352"}
    assert all(str(finding).encode() for finding in made.findings)


def test_nesting_deeper_than_any_service_is_decided() -> None:
    nested: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for _ in range(3000):
        nested, other = {"a": nested}, {"a": other}
    made = decision.mutate(finished(x=nested), finished(x=other), OPTED_IN, (), LBC)
    assert not made.rejected


NOT_OURS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the legacy controller's policy", service({"type": "nlb"}, externalTrafficPolicy="Local", status=LIVE), service({"type": "nlb"})),
    (
        "its health check",
        service({"type": "nlb", "healthcheck-protocol": "tcp", "healthcheck-port": "traffic-port"}, status=LIVE),
        service({"type": "nlb"}),
    ),
    ("the policy where nobody serves", service(externalTrafficPolicy="Local"), service()),
    ("the policy of instance targets by default", service(externalTrafficPolicy="Local", **BY_CLASS), service(**BY_CLASS)),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [row[1:] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS])
def test_what_we_never_wrote_is_not_put_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert decision.mutate(new, old, OPTED_IN, (), LBC).edits == ()


FIRST_UDP: list[tuple[str, dict[str, str]]] = [
    ("UDPLB201", {}),
    ("UDPLB203", INSTANCE),
    ("UDPLB653", {"nlb-target-type": "ip", "ip-address-type": "dualstack"}),
]


@pytest.mark.parametrize(("code", "annotations"), FIRST_UDP)
def test_the_first_udp_port_of_a_live_load_balancer_is_judged(code: str, annotations: dict[str, str]) -> None:
    old = service(annotations, WEB, status=LIVE, **BY_CLASS)
    new = service(annotations, WEB, GAME, status=LIVE, **BY_CLASS)
    assert code in rejected(decision.validate(new, old, OPTED_IN, (), LBC))


def test_the_first_udp_port_beside_a_check_that_nodes_answer_is_kept() -> None:
    old = service(ON_NODES, WEB, status=LIVE, **BY_CLASS)
    new = service(ON_NODES, WEB, GAME, status=LIVE, **BY_CLASS)
    made = decision.mutate(new, old, OPTED_IN, (), LBC)
    assert rejected(made) == set()
    assert "UDPLB240" in warned(made)


UNMERGED = [DNS_TCP, DNS_UDP]
MANY = [{"name": f"p{number}", "port": number, "protocol": "UDP"} for number in range(1, 61)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (finished({}, *UNMERGED), finished({}, WEB, *UNMERGED), "UDPLB301"),
        (finished({}, WEB, *UNMERGED), finished({}, *UNMERGED), "UDPLB301"),
        (finished({}, *MANY), finished({}, *MANY[:55]), "UDPLB323"),
    ],
    ids=["a port in front", "a port in front gone", "fewer than before"],
)
def test_an_old_fault_that_moves_is_still_an_old_fault(
    old: dict[str, Any], new: dict[str, Any], code: str
) -> None:
    made = decision.mutate(new, old, OPTED_IN, (), LBC)
    assert code in warned(made)
    assert not made.rejected


def test_a_scheme_that_the_controller_refused_may_be_corrected() -> None:
    old = finished({"scheme": "Internet-facing"}, status=LIVE)
    assert rejected(decision.mutate(finished({"scheme": "internet-facing"}), old, OPTED_IN, (), LBC)) == set()


def test_a_scheme_on_a_live_silent_service_names_the_way_to_say_it_is_so_already() -> None:
    made = decision.mutate(finished({"scheme": "internet-facing"}), finished(status=LIVE), OPTED_IN, (), LBC)
    (finding,) = made.findings
    assert 'annotate udplb/allow: "UDPLB814"' in finding.fix
