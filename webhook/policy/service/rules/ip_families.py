"""I: IPv4, IPv6 and dualstack."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.defaults import FAMILIES, SOURCE_NAT
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.refused import at, refused


def source_nat_off(facts: Facts) -> Iterator[Fault]:
    if facts.model.ip_address_type == "dualstack" and facts.model.source_nat != "on":
        reason = "AWS refuses a UDP listener on a dualstack load balancer without a source NAT prefix"
        yield at(facts, SOURCE_NAT, reason, "write on")


def ipv4_targets(facts: Facts) -> Iterator[Fault]:
    """Where the Service names no family, a single one is the cluster's own."""
    service = facts.service
    default = (
        () if service.ip_family_policy.endswith("DualStack") else ("IPv6" if facts.cluster.ipv6 else "IPv4",)
    )
    families = service.ip_families or default
    if facts.model.ip_address_type == "dualstack" and families and "IPv6" not in families:
        reason = "the targets are IPv4, and AWS refuses a UDP listener for them on a dualstack load balancer"
        fix = f"write IPv6 among them, or {keys.aws('ip-address-type')}: ipv4"
        yield Fault("spec.ipFamilies", reason, fix, ",".join(service.ip_families))


def becomes_dualstack(facts: Facts) -> Iterator[Fault]:
    added = any(edit.code == FAMILIES and edit.value == "dualstack" for edit in facts.edits)
    if added and facts.new:
        reason = "the cluster gives this Service an IPv6 address, so the load balancer becomes dualstack"
        fix = "write spec.ipFamilies to choose, or the annotation to have it in your manifest"
        yield at(facts, "ip-address-type", reason, fix)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB651",
        Severity.REJECT,
        "An IPv6 Service behind an IPv4 load balancer",
        "A Service with IPv6 among its families, first or second, needs a dualstack load balancer.",
        "LBC model_build_target_group.go; LBC issue 2668",
        refused(
            "UDPLB651",
            f"write {keys.aws('ip-address-type')}: dualstack, or spec.ipFamilyPolicy: SingleStack with IPv4",
        ),
    ),
    Rule(
        "UDPLB652",
        Severity.REJECT,
        "Unknown address type",
        "The address type is ipv4 or dualstack, in lower case.",
        "LBC model_build_load_balancer.go",
        refused("UDPLB652", "write ipv4 or dualstack"),
        waivable=False,
    ),
    Rule(
        "UDPLB653",
        Severity.REJECT,
        "Dualstack UDP needs a source NAT prefix",
        "Without it AWS refuses the UDP listener, after the load balancer itself was made.",
        "LBC docs/guide/service/annotations.md; ELBv2 API, CreateListener",
        source_nat_off,
    ),
    Rule(
        "UDPLB654",
        Severity.REJECT,
        "A dualstack load balancer needs IPv6 targets for UDP",
        "The controller makes an IPv4 target group unless IPv6 is among the Service's families, and AWS refuses it "
        "when the listener is made: a load balancer without listeners stays behind.",
        "NLB user guide, create-listener",
        ipv4_targets,
    ),
    Rule(
        "UDPLB655",
        Severity.REJECT,
        "The source NAT prefix is on or off",
        "The controller compares exactly; true is no value.",
        "LBC pkg/networking/utils.go",
        refused("UDPLB655", "write on or off"),
        waivable=False,
    ),
    Rule(
        "UDPLB656",
        Severity.REJECT,
        "A source NAT prefix needs dualstack",
        "An IPv4 load balancer has no IPv6 source addresses.",
        "LBC pkg/networking/utils.go",
        refused("UDPLB656", f"write {keys.aws('ip-address-type')}: dualstack, or remove it"),
    ),
    Rule(
        "UDPLB658",
        Severity.REJECT,
        "These source NAT prefixes cannot be used",
        "They need a dualstack load balancer with the prefix on; each is auto_assigned or a /80 of IPv6.",
        "LBC pkg/networking/utils.go",
        refused("UDPLB658", "write auto_assigned or an IPv6 /80 for each subnet"),
    ),
    Rule(
        "UDPLB661",
        Severity.REJECT,
        "An IPv6 source range behind an IPv4 load balancer",
        "Clients with IPv6 addresses cannot reach it.",
        "LBC model_build_managed_sg.go",
        refused("UDPLB661", f"remove the range, or write {keys.aws('ip-address-type')}: dualstack"),
    ),
    Rule(
        "UDPLB690",
        Severity.WARN,
        "The load balancer becomes dualstack",
        "In a cluster whose first family is IPv6, a Service that names none gets an IPv6 address from the API "
        "server after us, and the controller then refuses an IPv4 load balancer.",
        "LBC model_build_target_group.go",
        becomes_dualstack,
    ),
)
