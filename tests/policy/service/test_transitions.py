"""Changes of a live load balancer, one row for each way and its neighbour that differs in one field.

The row's name is what happens on AWS; the neighbour never earns the same code.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

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
from webhook.admission import WARNING_CHARACTERS
from webhook.patch import apply, operations
from webhook.policy import keys
from webhook.policy.finding import Decision, Severity
from webhook.policy.service import decision
from webhook.policy.service.rules import immutable, live_changes, transitions

REJECT, WARN = Severity.REJECT, Severity.WARN
AUTO_FINALIZER = {"finalizers": [keys.AUTO_MODE_FINALIZER]}
FINALIZER = {"finalizers": [keys.LBC_FINALIZER]}
CLASS: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb"}
BY_TYPE = {"type": "external", "nlb-target-type": "ip"}
BY_NODES = {"type": "external", "nlb-target-type": "instance"}
MERGED = {"enable-tcp-udp-listener": "true"}
DUAL = {"ip-address-type": "dualstack", "enable-prefix-for-ipv6-source-nat": "on"}
WITHOUT_GROUPS = {"disable-nlb-sg": "true"}
LATER = "2026-01-01T00:00:00Z"

Raw = dict[str, Any]


class Row(NamedTuple):
    id: str
    what: str
    code: str
    severity: Severity
    old: Raw
    new: Raw
    neighbour: Raw


def live(annotations: dict[str, str] | None = None, *ports: dict[str, Any], **more: Any) -> Raw:
    """A load balancer that runs, with all that udplb sets."""
    return finished(annotations, *ports, **{"status": LIVE} | more)


def legacy(annotations: dict[str, str] | None = None, **more: Any) -> Raw:
    """One without a class."""
    return service(annotations, **{"status": LIVE} | more)


def nodes(annotations: dict[str, str] | None = None, *ports: dict[str, Any], **more: Any) -> Raw:
    """One with a class and instance targets that kube-proxy answers for."""
    fields = {"status": LIVE, "externalTrafficPolicy": "Local", **CLASS} | more
    return service({"nlb-target-type": "instance"} | (annotations or {}), *ports, **fields)


ROWS: list[Row] = [
    Row("U1", "the legacy controller's NLB leaks", "UDPLB801", REJECT, legacy({"type": "nlb"}), legacy({"type": "nlb-ip"}), legacy({"type": "nlb"}, metadata={"labels": {"a": "b"}})),
    Row("U1", "and so it does by external", "UDPLB801", REJECT, legacy({"type": "nlb"}), legacy(BY_TYPE), legacy({"type": "nlb", "nlb-target-type": "ip"})),
    Row("U2", "the NLB is deleted, back to nlb", "UDPLB802", REJECT, legacy(BY_TYPE), legacy(BY_TYPE | {"type": "nlb"}), legacy(BY_TYPE | {"type": "nlb-ip"})),
    Row("U2", "the type is gone", "UDPLB802", REJECT, legacy(BY_TYPE), legacy({"nlb-target-type": "ip"}), legacy(BY_TYPE | {"scheme": "internal"})),
    Row("U2", "the target type is gone", "UDPLB802", REJECT, legacy(BY_NODES), legacy({"type": "external"}), legacy(BY_NODES | {"type": "nlb-ip"})),
    Row("U2", "the target type is misspelt", "UDPLB802", REJECT, legacy(BY_TYPE), legacy(BY_TYPE | {"nlb-target-type": "IP"}), live()),
    Row("U3", "a classic load balancer is forgotten", "UDPLB803", REJECT, service({}, WEB, status=LIVE), service(BY_TYPE, WEB, GAME), service({}, WEB, GAME)),
    Row("U3", "a type comes after the creation", "UDPLB803", REJECT, service({}, WEB, status=LIVE), service({"type": "nlb"}, WEB, GAME), service({}, WEB, GAME)),
    Row("U3", "the legacy NLB's type goes", "UDPLB803", REJECT, legacy({"type": "nlb"}), legacy(), legacy({"type": "nlb"}, selector={"app": "b"})),
    Row("U5", "a class is added", "UDPLB805", REJECT, service(), service(**CLASS), service(selector={"app": "b"})),
    Row("U5", "another class", "UDPLB805", REJECT, live(), live(loadBalancerClass="eks.amazonaws.com/nlb"), live(loadBalancerClass=None)),
    Row("U5", "another vendor's class", "UDPLB805", REJECT, live(), live(loadBalancerClass="example.com/lb"), live(selector={"app": "b"})),
    Row("U6", "groups are replaced by empty ones", "UDPLB806", WARN, nodes(), nodes({"nlb-target-type": "ip"}), nodes({"healthcheck-interval": "20"})),
    Row("U7", "pods are no targets any more", "UDPLB807", REJECT, live(), live({"nlb-target-type": "instance"}), live({"nlb-target-type": "ip"}, GAME, WEB)),
    Row("U8", "a TCP twin comes", "UDPLB808", WARN, live(MERGED, DNS_UDP), live(MERGED, DNS_UDP, DNS_TCP), live(MERGED, DNS_UDP, WEB)),
    Row("U8", "a TCP twin goes", "UDPLB808", WARN, live(MERGED, DNS_UDP, DNS_TCP), live(MERGED, DNS_UDP), live(MERGED, DNS_UDP, DNS_TCP, WEB)),
    Row("U8", "the listener is switched on", "UDPLB808", WARN, live({"enable-tcp-udp-listener": "false"}, DNS_UDP, DNS_TCP), live(MERGED, DNS_UDP, DNS_TCP), live({"enable-tcp-udp-listener": "0"}, DNS_UDP, DNS_TCP)),
    Row("U9", "TCP becomes UDP", "UDPLB808", WARN, live({}, GAME, WEB), live({}, GAME, WEB | {"protocol": "UDP"}), live({}, GAME, WEB | {"name": "http"})),
    Row("U9", "UDP becomes TCP, with none left", "UDPLB808", WARN, live(), live({}, GAME | {"protocol": "TCP"}), live({"healthcheck-interval": "20"})),
    Row("U9", "TCP becomes UDP on dualstack", "UDPLB809", REJECT, live(DUAL, GAME, WEB), live(DUAL, GAME, WEB | {"protocol": "UDP"}), live(DUAL, GAME, WEB | {"port": 81, "protocol": "UDP"})),
    Row("U10", "the other half of an unmerged pair goes dark", "UDPLB301", REJECT, live({}, DNS_UDP, DNS_TCP), live({}, DNS_TCP, DNS_UDP), live(MERGED, DNS_TCP, DNS_UDP)),
    Row("U11", "traffic goes to the other targetPort", "UDPLB302", REJECT, live(MERGED, DNS_UDP, DNS_TCP | {"targetPort": 8053}), live(MERGED, DNS_TCP | {"targetPort": 8053}, DNS_UDP), live(MERGED, DNS_TCP, DNS_UDP)),
    Row("U12", "the old listener goes", "UDPLB812", WARN, live(), live({}, GAME | {"port": 7778}), live({}, GAME, WEB)),
    Row("U13", "targets are registered on another port", "UDPLB813", WARN, live(), live({}, GAME | {"targetPort": 7778}), live({}, GAME | {"name": "play"})),
    Row("U14", "the load balancer is replaced", "UDPLB814", REJECT, live({"scheme": "internal"}), live({"scheme": "internet-facing"}), live({"scheme": "internal", "name": "a"})),
    Row("U14", "by the older annotation", "UDPLB814", REJECT, live({"internal": "true"}), live({"internal": "false"}), live({"internal": "1"})),
    Row("U14", "where no scheme was written", "UDPLB814", REJECT, live(), live({"scheme": "internet-facing"}), live({"scheme": "internal"})),
    Row("U16", "the name stays", "UDPLB816", WARN, live({"name": "a"}), live({"name": "b"}), live({"name": "a", "healthcheck-interval": "20"})),
    Row("U17", "elastic IPs stay", "UDPLB817", WARN, live({"scheme": "internet-facing", "eip-allocations": "a", "subnets": "s"}), live({"scheme": "internet-facing", "eip-allocations": "b", "subnets": "s"}), live({"scheme": "internet-facing", "eip-allocations": "b", "subnets": "t"})),
    Row("U17", "private addresses stay", "UDPLB817", WARN, live({"private-ipv4-addresses": "10.0.0.1"}), live({"private-ipv4-addresses": "10.0.0.2"}), live({"private-ipv4-addresses": " 10.0.0.1"})),
    Row("U18", "fewer subnets than addresses", "UDPLB616", REJECT, live({"scheme": "internet-facing", "eip-allocations": "a,b", "subnets": "s,t"}), live({"scheme": "internet-facing", "eip-allocations": "a,b", "subnets": "s"}), live({"scheme": "internet-facing", "eip-allocations": "a", "subnets": "s"})),
    Row("U19", "the way to dualstack is a deadlock", "UDPLB819", REJECT, live(), live(DUAL), live({"ip-address-type": "ipv4"})),
    Row("U20", "IPv6 behind an ipv4 load balancer", "UDPLB651", REJECT, live(DUAL, ipFamilies=["IPv6"]), live({"ip-address-type": "ipv4"}, ipFamilies=["IPv6"]), live(DUAL | {"healthcheck-interval": "20"}, ipFamilies=["IPv6"])),
    Row("U21", "the prefix is switched off", "UDPLB653", REJECT, live(DUAL), live(DUAL | {"enable-prefix-for-ipv6-source-nat": "off"}), live(DUAL, metadata={"labels": {"a": "b"}})),
    Row("U21", "the prefix goes with dualstack", "UDPLB821", REJECT, live(DUAL), live(), live(DUAL | {"healthcheck-interval": "20"})),
    Row("U22", "other prefixes", "UDPLB822", REJECT, live(DUAL | {"source-nat-ipv6-prefixes": "2001:db8::/80"}), live(DUAL | {"source-nat-ipv6-prefixes": "2001:db8:1::/80"}), live(DUAL | {"source-nat-ipv6-prefixes": "2001:db8::/80 "})),
    Row("U22", "automatic ones are no change", "UDPLB822", REJECT, live(DUAL), live(DUAL | {"source-nat-ipv6-prefixes": "2001:db8::/80"}), live(DUAL | {"source-nat-ipv6-prefixes": "auto_assigned"})),
    Row("U23", "IPv6 comes", "UDPLB823", REJECT, live(DUAL, ipFamilies=["IPv4"]), live(DUAL, ipFamilies=["IPv4", "IPv6"]), live(DUAL, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")),
    Row("U23", "IPv6 goes", "UDPLB823", REJECT, live(DUAL, ipFamilies=["IPv4", "IPv6"]), live(DUAL, ipFamilies=["IPv4"]), live(DUAL)),
    Row("U24", "security groups cannot go", "UDPLB707", REJECT, live(), live(WITHOUT_GROUPS), live({"disable-nlb-sg": "false"})),
    Row("U24", "security groups cannot come", "UDPLB707", REJECT, live(WITHOUT_GROUPS), live(), live({"disable-nlb-sg": "1"})),
    Row("U25", "an attribute stays", "UDPLB512", WARN, live({"attributes": "deletion_protection.enabled=true,load_balancing.cross_zone.enabled=true"}), live(), live({"attributes": "deletion_protection.enabled=false,load_balancing.cross_zone.enabled=true"})),
    Row("U25", "unless they cannot be parsed", "UDPLB512", WARN, live({"attributes": "a=b,load_balancing.cross_zone.enabled=true"}), live(), live({"attributes": "a"})),
    Row("U25", "so does what the deprecated key wrote", "UDPLB512", WARN, live({"cross-zone-load-balancing-enabled": "true", "attributes": ""}), live({"attributes": ""}), live({"cross-zone-load-balancing-enabled": "1", "attributes": ""})),
    Row("U25", "so does a target group's", "UDPLB512", WARN, live({"target-group-attributes": "deregistration_delay.timeout_seconds=30"}), live(), live({"target-group-attributes": "deregistration_delay.timeout_seconds=60"})),
    Row("U29", "the load balancer is deleted", "UDPLB829", WARN, live(), service(type="ClusterIP"), live({}, GAME, WEB)),
    Row("U29", "the load balancer stays for ever", "UDPLB829", WARN, legacy(BY_TYPE), service(BY_TYPE, type="NodePort"), legacy(BY_TYPE, selector={"app": "b"})),
    Row("U30", "new pods are red", "UDPLB830", WARN, live(), live(plain={keys.INJECT: "false"}), live(plain={keys.INJECT: "yes"})),
    Row("U31", "other pods are the targets", "UDPLB813", WARN, live(), live(selector={"app": "other"}), live(metadata={"labels": {"app": "other"}})),
    Row("U32", "a header comes", "UDPLB832", WARN, live({}, GAME, WEB), live({"proxy-protocol-per-target-group": "80"}, GAME, WEB), live({"proxy-protocol-per-target-group": "81"}, GAME, WEB)),
    Row("U32", "a header goes", "UDPLB832", WARN, live({"target-group-attributes.80": "proxy_protocol_v2.enabled=true"}, GAME, WEB), live({}, GAME, WEB), live({"proxy-protocol-per-target-group": "80"}, GAME, WEB)),
    Row("U33", "QUIC needs another load balancer", "UDPLB833", REJECT, live(), live({"quic-enabled-ports": "7777"}), live({"quic-enabled-ports": "7778"})),
    Row("U14", "known by the finalizer of EKS Auto Mode", "UDPLB814", REJECT, finished(metadata=AUTO_FINALIZER), live({"scheme": "internet-facing"}), live({"scheme": "internal"})),
    Row("U34", "the same as U6, known by the finalizer", "UDPLB806", WARN, nodes(status=None, metadata=FINALIZER), nodes({"nlb-target-type": "ip"}), nodes({"healthcheck-interval": "20"})),
]  # fmt: skip

PASSES: list[tuple[str, str, Raw, Raw]] = [
    ("U4", "nobody had built anything", service(), service(BY_TYPE)),
    ("U15", "the scheme that is no longer written stays", live({"scheme": "internet-facing"}), live()),
    ("U26", "a health check changes in place", live(), live({"healthcheck-interval": "20", "healthcheck-healthy-threshold": "2"})),
    ("U33", "QUIC where no security groups were", live(WITHOUT_GROUPS), live(WITHOUT_GROUPS | {"quic-enabled-ports": "7777"})),
    ("U29", "what nobody serves ends", service(status=LIVE), service(type="ClusterIP")),
    ("U30", "what has long opted out", live(plain={keys.INJECT: "false"}), live({"scheme": "x"}, GAME | {"port": 1}, plain={keys.INJECT: "false"})),
    ("U35", "a deletion that a finalizer holds up", live({"scheme": "internal"}, metadata=FINALIZER), live({"scheme": "x"}, metadata={"deletionTimestamp": LATER})),
]  # fmt: skip

NOT_LIVE = [row for row in ROWS if row.code.startswith("UDPLB8") and row.code != "UDPLB805"]
COMES_BACK = {"U27", "U28"}
"""What udplb restores: test_update."""


def update(old: Raw, new: Raw) -> Decision:
    """What both webhooks say, the second one of what the first one made."""
    made = decision.mutate(new, old, OPTED_IN, (), LBC)
    after = apply(new, operations(new, made.edits))
    final = decision.validate(after, old, OPTED_IN, (), LBC)
    return Decision(made.edits, tuple({*made.findings, *final.findings}))


def said(made: Decision) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in made.findings}


def name(row: Row) -> str:
    return f"{row.id} {row.what}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_change_gets_the_verdict_of_its_row(row: Row) -> None:
    made = update(row.old, row.new)
    assert said(made).get(row.code) is row.severity
    assert made.rejected is (row.severity is REJECT)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_its_neighbour_does_not(row: Row) -> None:
    assert row.code not in said(update(row.old, row.neighbour))


@pytest.mark.parametrize(
    ("old", "new"), [row[2:] for row in PASSES], ids=[f"{row[0]} {row[1]}" for row in PASSES]
)
def test_this_change_is_nobodys_harm(old: Raw, new: Raw) -> None:
    assert not update(old, new).rejected


@pytest.mark.parametrize("row", NOT_LIVE, ids=name)
def test_what_was_never_built_may_change(row: Row) -> None:
    old = copy.deepcopy(row.old)
    old.pop("status", None)
    old["metadata"].pop("finalizers", None)
    assert row.code not in said(update(old, row.new))


def test_every_rule_about_changes_has_a_row() -> None:
    rules = {rule.code for rule in (*transitions.RULES, *immutable.RULES, *live_changes.RULES)}
    assert rules <= {row.code for row in ROWS}


def test_every_transition_is_accounted_for() -> None:
    ids = {row.id for row in ROWS} | {row[0] for row in PASSES} | COMES_BACK
    assert ids == {f"U{number}" for number in range(1, 36)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.severity is WARN], ids=name)
def test_a_warning_about_a_change_is_never_cut(row: Row) -> None:
    for finding in update(row.old, row.new).findings:
        if finding.code == row.code:
            assert len(f"audit: {finding}") <= WARNING_CHARACTERS, str(finding)


@pytest.mark.parametrize("row", [row for row in ROWS if row.id in ("U6", "U7", "U14", "U19")], ids=name)
def test_auto_mode_is_held_to_the_same(row: Row) -> None:
    old, new = copy.deepcopy(row.old), copy.deepcopy(row.new)
    for raw in (old, new):
        raw["spec"]["loadBalancerClass"] = "eks.amazonaws.com/nlb"
    internal = keys.aws("internal") in row.new["metadata"]["annotations"]
    codes = said(decision.validate(new, old, OPTED_IN, (), AUTO_MODE))
    assert (row.code in codes) is not internal
