"""L and S: the load balancer's own attributes, scheme, name and addresses."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Owner
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.defaults import CROSS_ZONE_CODE, DEPRECATED, switches_cross_zone
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.refused import at, refused

DELETION_PROTECTION = "deletion_protection.enabled"


def cross_zone_off(facts: Facts) -> Iterator[Fault]:
    if facts.targets_nodes or any(cross_zone_both(facts)):
        return
    spoken = switches_cross_zone(facts.service)
    reason = "cross-zone balancing is off: a client whose zone loses its pods loses the service"
    for name in ("attributes", DEPRECATED):
        if facts.new and spoken.get(name) == "false":
            yield at(facts, name, reason, "switch it on, unless traffic between zones costs too much")
    if any(edit.code == CROSS_ZONE_CODE for edit in facts.missing):
        yield at(facts, "attributes", reason, "apply again; if it stays off, another webhook removes it")


def cross_zone_both(facts: Facts) -> Iterator[Fault]:
    spoken = switches_cross_zone(facts.service)
    written = {spoken.get("attributes"), spoken.get(DEPRECATED)} - {None}
    if written == {"true", "false"} and facts.meant_for is not Owner.AUTO_MODE:
        reason = f"it contradicts {keys.aws('attributes')}, and the controller obeys this one"
        yield at(facts, DEPRECATED, reason, "remove it, and say it in the attributes alone")


def deletion_protection(facts: Facts) -> Iterator[Fault]:
    pairs = gosyntax.parse_map(facts.service.aws("attributes") or "") or {}
    written = pairs.get(DELETION_PROTECTION)
    if written is not None and gosyntax.parse_bool(written.rstrip(",\n")) is None:
        reason = (
            f"{DELETION_PROTECTION}={written} does not parse, which blocks the Service's deletion for ever"
        )
        yield at(facts, "attributes", reason, "write true or false")


def two_schemes(facts: Facts) -> Iterator[Fault]:
    scheme = facts.service.aws("scheme")
    internal = gosyntax.parse_bool(facts.service.aws("internal") or "")
    read = facts.meant_for is not Owner.AUTO_MODE
    if read and scheme in ("internal", "internet-facing") and internal is (scheme != "internal"):
        reason = f"it contradicts {keys.aws('scheme')}: {scheme}, which wins"
        yield at(facts, "internal", reason, "remove it")


def merged(facts: Facts) -> Iterator[Fault]:
    for edit in facts.edits:
        before = facts.written.aws("attributes")
        if edit.code == CROSS_ZONE_CODE and edit.value and before and facts.new:
            reason = f"cross-zone was added: {edit.value}"
            yield at(facts, "attributes", reason, "write it into your manifest, so that both agree")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB601",
        Severity.WARN,
        "Cross-zone balancing is off",
        "Each zone's address reaches the pods of its own zone only. UDP clients that hold one address lose the "
        "service with their zone's pods; traffic between zones costs money, which is the reason to switch it off.",
        "ELBv2 API, LoadBalancerAttribute",
        cross_zone_off,
    ),
    Rule(
        "UDPLB602",
        Severity.REJECT,
        "Cross-zone is both on and off",
        "The deprecated annotation wins over the attribute.",
        "LBC model_build_load_balancer.go",
        cross_zone_both,
    ),
    Rule(
        "UDPLB603",
        Severity.REJECT,
        "Not a boolean",
        "The controller knows true, false, 1, 0, t, f and their capitals, and stops at anything else.",
        "LBC pkg/annotations/parser.go; Go strconv.ParseBool",
        refused("UDPLB603", 'write "true" or "false"'),
        waivable=False,
    ),
    Rule(
        "UDPLB607",
        Severity.REJECT,
        "Unknown routing policy",
        "The controller compares dns_record.client_routing_policy with AWS's three words.",
        "LBC model_build_load_balancer.go",
        refused(
            "UDPLB607",
            "write any_availability_zone, partial_availability_zone_affinity or availability_zone_affinity",
        ),
        waivable=False,
    ),
    Rule(
        "UDPLB609",
        Severity.REJECT,
        "deletion_protection.enabled is no boolean",
        "The controller parses it when the Service is deleted: the Service then hangs in Terminating.",
        "LBC model_builder.go",
        deletion_protection,
        waivable=False,
    ),
    Rule(
        "UDPLB611",
        Severity.REJECT,
        "Unknown scheme",
        "The scheme is internal or internet-facing, in lower case.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB611", "write internal or internet-facing"),
        waivable=False,
    ),
    Rule(
        "UDPLB612",
        Severity.REJECT,
        "The name is too long",
        "AWS gives a load balancer's name 32 characters.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB612", "write at most 32 characters"),
    ),
    Rule(
        "UDPLB615",
        Severity.REJECT,
        "Elastic IPs need an internet-facing load balancer",
        "The scheme is internal unless it is written.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB615", f"write {keys.aws('scheme')}: internet-facing, or remove the addresses"),
    ),
    Rule(
        "UDPLB616",
        Severity.REJECT,
        "Addresses and subnets differ in number",
        "Each subnet gets one address.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB616", "list as many addresses as subnets"),
    ),
    Rule(
        "UDPLB617",
        Severity.REJECT,
        "These fixed addresses do not fit the load balancer",
        "Private IPv4 addresses belong to an internal load balancer, IPv6 addresses to a dualstack one.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB617", "change the scheme or the address type, or remove the addresses"),
    ),
    Rule(
        "UDPLB640",
        Severity.WARN,
        "Cross-zone was added to your attributes",
        "udplb adds one pair and keeps the rest to the letter. A manifest that carries it keeps GitOps quiet.",
        "udplb",
        merged,
    ),
    Rule(
        "UDPLB641",
        Severity.REJECT,
        "The capacity is not CapacityUnits=N",
        "The annotation knows one key with a whole number.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB641", "write CapacityUnits= and a whole number"),
        waivable=False,
    ),
    Rule(
        "UDPLB642",
        Severity.REJECT,
        "Two schemes at once",
        "scheme wins over internal, so one of the two is not what is built.",
        "LBC model_build_load_balancer.go",
        two_schemes,
    ),
    Rule(
        "UDPLB740",
        Severity.REJECT,
        "PrivateLink rules are on or off",
        "The annotation knows these two words.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB740", "write on or off"),
        waivable=False,
    ),
)
