"""L: the load balancer's own attributes, scheme, name and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Owner
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.build import CROSS_ZONE, NAME_LIMIT
from webhook.policy.service.defaults import CROSS_ZONE_CODE, DEPRECATED
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.refused import at, refused

DELETION_PROTECTION = "deletion_protection.enabled"
ROUTING_POLICY = "dns_record.client_routing_policy"
ZONAL_SHIFT = "zonal_shift.config.enabled"
NAME = re.compile(r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?")
SAYABLE = 100
"""Characters of a merged value that a warning has room for beside its own words."""


def cross_zone_off(facts: Facts) -> Iterator[Fault]:
    if facts.targets_nodes or any(cross_zone_both(facts)):
        return
    spoken = facts.cross_zone
    reason = "cross-zone balancing is off: a client whose zone loses its pods loses the service"
    for name in ("attributes", DEPRECATED):
        if facts.new and spoken.get(name) == "false":
            yield at(facts, name, reason, "switch it on, unless traffic between zones costs too much")
    if any(edit.code == CROSS_ZONE_CODE for edit in facts.missing):
        yield at(facts, "attributes", reason, "apply again; if it stays off, another webhook removes it")


def cross_zone_both(facts: Facts) -> Iterator[Fault]:
    spoken = facts.cross_zone
    written = {spoken.get("attributes"), spoken.get(DEPRECATED)} - {None}
    if written == {"true", "false"} and facts.meant_for is not Owner.AUTO_MODE:
        reason = f"it contradicts {keys.aws('attributes')}, and the controller obeys this one"
        yield at(facts, DEPRECATED, reason, "remove it, and say it in the attributes alone")


def cross_zone_unknown(facts: Facts) -> Iterator[Fault]:
    written = facts.cross_zone.get("attributes", "true")
    if written.rstrip(",\n") not in ("true", "false"):
        reason = f"AWS takes true or false for {CROSS_ZONE}, not {written!r}"
        yield at(facts, "attributes", reason, f"write {CROSS_ZONE}=true")


def deletion_protection(facts: Facts) -> Iterator[Fault]:
    written = facts.pairs("attributes").get(DELETION_PROTECTION)
    if written is not None and gosyntax.parse_bool(written.rstrip(",\n")) is None:
        reason = (
            f"{DELETION_PROTECTION}={written} does not parse, which blocks the Service's deletion for ever"
        )
        yield at(facts, "attributes", reason, "write true or false")


def zonal_affinity(facts: Facts) -> Iterator[Fault]:
    if facts.new and facts.model.attributes.get(ROUTING_POLICY) == "availability_zone_affinity":
        reason = "clients are sent to their own zone alone, whether or not its pods are healthy enough"
        fix = f"write {ROUTING_POLICY}=partial_availability_zone_affinity, or remove it"
        yield at(facts, "attributes", reason, fix)


def protected(facts: Facts) -> Iterator[Fault]:
    if facts.new and gosyntax.parse_bool(facts.model.attributes.get(DELETION_PROTECTION, "")):
        reason = "the Service cannot be deleted while this is true: it hangs in Terminating"
        yield at(facts, "attributes", reason, f"write {DELETION_PROTECTION}=false before you delete it")


def illegal_name(facts: Facts) -> Iterator[Fault]:
    written = facts.read("name")
    if written is not None and not NAME.fullmatch(written) and len(written) <= NAME_LIMIT:
        reason = f"AWS refuses the name {written!r}"
        fix = "write letters, digits and hyphens, not beginning or ending with a hyphen nor beginning with internal-"
        yield at(facts, "name", reason, fix)


def zonal_shift(facts: Facts) -> Iterator[Fault]:
    added = any(edit.code == CROSS_ZONE_CODE and edit.value for edit in facts.edits)
    if added and gosyntax.parse_bool(facts.model.attributes.get(ZONAL_SHIFT, "")):
        reason = "cross-zone balancing was added beside zonal shift, which AWS combines for UDP since September 2026"
        fix = f"if AWS refuses it in your region, write {CROSS_ZONE}=false"
        yield at(facts, "attributes", reason, fix)


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
            short = len(str(edit.value)) <= SAYABLE
            reason = (
                f"cross-zone was added: {edit.value}" if short else f"{CROSS_ZONE}=true was added at its end"
            )
            fix = "write it into your manifest, so that both agree"
            yield at(
                facts, "attributes", reason, fix if short else f"{fix} (`udplb inject --diff` prints it)"
            )


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
        "UDPLB608",
        Severity.WARN,
        "Clients stay in their own zone",
        "With availability_zone_affinity a client resolves the addresses of its own zone only, until that zone is "
        "unhealthy as a whole.",
        "ELBv2 API, LoadBalancerAttribute",
        zonal_affinity,
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
        "UDPLB610",
        Severity.WARN,
        "The load balancer is protected from deletion",
        "The controller refuses to delete it, and the Service waits with its finalizer until the attribute is false.",
        "LBC model_builder.go",
        protected,
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
        "UDPLB613",
        Severity.REJECT,
        "A name that AWS refuses",
        "The controller looks at its length only; AWS takes letters, digits and hyphens.",
        "ELBv2 API, CreateLoadBalancer",
        illegal_name,
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
        "UDPLB643",
        Severity.WARN,
        "Cross-zone beside zonal shift",
        "AWS lets a load balancer with UDP have both since September 2026 only.",
        "AWS, Application Recovery Controller, zonal shift for cross-zone load balancers",
        zonal_shift,
    ),
    Rule(
        "UDPLB644",
        Severity.REJECT,
        "Cross-zone is neither on nor off",
        "The controller passes the value on as it is. AWS refuses it when the load balancer is there already, and "
        "cross-zone balancing stays off.",
        "ELBv2 API, LoadBalancerAttribute",
        cross_zone_unknown,
    ),
)
