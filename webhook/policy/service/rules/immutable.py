"""U: what a live load balancer keeps for life: changes that replace it, or that its controller gets stuck in."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.defaults import SOURCE_NAT
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS, NetworkLoadBalancer
from webhook.policy.service.rules.quic import QUIC
from webhook.policy.service.rules.refused import at
from webhook.policy.service.rules.security_groups import WITHOUT_GROUPS, without_security_groups
from webhook.policy.service.rules.transitions import BESIDE

NOT_A_SCHEME, NOT_AN_ADDRESS_TYPE = ("UDPLB603", "UDPLB611"), "UDPLB652"
IPV6_WITHOUT_DUALSTACK, NO_SUCH_PREFIX, PREFIX_WITHOUT_DUALSTACK = "UDPLB651", "UDPLB655", "UDPLB656"
AUTOMATIC = "auto_assigned"


def to_instance_targets(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None:
        return
    if target_types(before.model) == {"ip"} and target_types(facts.model) == {"instance"}:
        reason = "every target group would be replaced by one of nodes, which no sidecar answers for"
        yield at(facts, "nlb-target-type", reason, "write ip")


def target_types(model: NetworkLoadBalancer) -> set[str]:
    return {group.target_type for group in model.target_groups}


def protocols(model: NetworkLoadBalancer) -> dict[int, str]:
    """The protocol of the target group behind each port number."""
    return {listener.port: listener.target_groups[0].protocol for listener in model.listeners}


def serves_udp(model: NetworkLoadBalancer) -> bool:
    return any(listener.protocol in UDP_PROTOCOLS for listener in model.listeners)


def to_udp_on_dualstack(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or "dualstack" not in (before.model.ip_address_type, facts.model.ip_address_type):
        return
    was = {listener.port: listener.protocol for listener in before.model.listeners}
    for listener in facts.model.listeners:
        old = was.get(listener.port)
        if listener.protocol in UDP_PROTOCOLS and old not in (None, listener.protocol):
            reason = (
                f"on a dualstack load balancer AWS does not let the {old} listener of {listener.port} become "
                f"{listener.protocol}, and the controller is stuck"
            )
            fix = "use another port number, or remove the port and add it in a second update"
            yield Fault("spec.ports", reason, fix, f"{listener.protocol} {listener.port}")


def another_scheme(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None:
        return
    written = [name for name in ("scheme", "internal") if facts.service.aws(name) is not None]
    if written and not before.refuses(*NOT_A_SCHEME) and facts.model.scheme != before.model.scheme:
        silent = before.service.aws("scheme") is None and before.service.aws("internal") is None
        fix = "create a second Service with the new scheme and move clients"
        if silent:
            fix += f'; if it is {facts.model.scheme} already, annotate {keys.ALLOW}: "UDPLB814"'
        reason = (
            f"the live load balancer {'was made' if silent else 'is'} {before.model.scheme}"
            f"{' unless told otherwise' if silent else ''}; another scheme replaces it, "
            "with another DNS name and addresses"
        )
        yield at(facts, written[0], reason, fix)


def to_dualstack(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or before.refuses(NOT_AN_ADDRESS_TYPE) or not serves_udp(before.model):
        return
    if (before.model.ip_address_type, facts.model.ip_address_type) == ("ipv4", "dualstack"):
        reason = (
            "AWS wants dualstack before the source NAT prefix and, for UDP, the prefix before dualstack: "
            "the controller is stuck"
        )
        yield at(facts, "ip-address-type", reason, f"write ipv4; {BESIDE}")


def source_nat_taken(facts: Facts) -> Iterator[Fault]:
    """Off on a dualstack load balancer, or on with an IPv4 one, is said without a look at the old object."""
    before = facts.running
    if before is None or not serves_udp(before.model):
        return
    if facts.refuses(IPV6_WITHOUT_DUALSTACK, NO_SUCH_PREFIX, PREFIX_WITHOUT_DUALSTACK):
        return
    if before.model.source_nat == "on" and facts.model.ip_address_type == "ipv4":
        reason = "AWS takes no prefix from a live UDP listener, and the controller is stuck"
        yield at(facts, SOURCE_NAT, reason, f"keep dualstack and on; {BESIDE}")


def other_prefixes(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or not serves_udp(before.model):
        return
    name = "source-nat-ipv6-prefixes"
    both_on = before.model.source_nat == facts.model.source_nat == "on"
    if both_on and _own_prefixes(before, name) != _own_prefixes(facts, name):
        reason = "AWS refuses other prefixes while a UDP listener is live, and the controller is stuck"
        yield at(facts, name, reason, f"put it back; {BESIDE}")


def _own_prefixes(facts: Facts, name: str) -> list[str]:
    written = facts.items(name)
    return [] if set(written) <= {AUTOMATIC} else list(written)


def other_families(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or facts.refuses(IPV6_WITHOUT_DUALSTACK):
        return
    was, becomes = before.service.ip_families, facts.service.ip_families
    if was and becomes and ("IPv6" in was) != ("IPv6" in becomes):
        reason = "a live target group keeps its address type and is not replaced, so pods can no longer be registered"
        fix = f"put {', '.join(was)} back; {BESIDE}"
        yield Fault("spec.ipFamilies", reason, fix, ",".join(becomes))


def other_security_groups(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or without_security_groups(before) is without_security_groups(facts):
        return
    if without_security_groups(facts):
        reason = "the controller cannot take the security groups from a live load balancer, and is stuck"
    else:
        reason = "AWS gives no security groups to a load balancer made without: it has no effect"
    yield at(facts, WITHOUT_GROUPS, reason, f"put it back; {BESIDE}")


def to_quic(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or without_security_groups(before):
        return
    was = protocols(before.model)
    for port, protocol in protocols(facts.model).items():
        if protocol in QUIC and was.get(port, protocol) not in QUIC:
            reason = (
                f"{protocol} on port {port} needs a load balancer without security groups, "
                "which a live one cannot become"
            )
            yield at(facts, "quic-enabled-ports", reason, f"remove it; {BESIDE}")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB807",
        Severity.REJECT,
        "A live Service would leave ip targets",
        "Target groups are replaced; the new ones start empty and are checked on UDP node ports.",
        "LBC pkg/deploy/elbv2/target_group_synthesizer.go",
        to_instance_targets,
    ),
    Rule(
        "UDPLB809",
        Severity.REJECT,
        "A live dualstack listener cannot become UDP",
        "AWS changes the protocol of a listener in place, but not to UDP, TCP_UDP or QUIC while the load balancer is "
        "dualstack. The controller finds listeners by their port number and tries for ever.",
        "ELBv2 API, ModifyListener; LBC pkg/deploy/elbv2/listener_synthesizer.go",
        to_udp_on_dualstack,
    ),
    Rule(
        "UDPLB814",
        Severity.REJECT,
        "A live load balancer would be replaced",
        "The scheme cannot change in place: the old load balancer is deleted, deletion protection or not.",
        "LBC pkg/deploy/elbv2/load_balancer_synthesizer.go",
        another_scheme,
    ),
    Rule(
        "UDPLB819",
        Severity.REJECT,
        "A live UDP load balancer cannot become dualstack",
        "The controller sets the source NAT prefix before the address type. AWS wants dualstack first for the one "
        "and the prefix first for the other.",
        "LBC pkg/deploy/elbv2/load_balancer_manager.go; ELBv2 API, SetSubnets, SetIpAddressType",
        to_dualstack,
    ),
    Rule(
        "UDPLB821",
        Severity.REJECT,
        "A live UDP load balancer cannot leave dualstack",
        "Without the annotation the source NAT prefix counts as off, and AWS refuses that while a UDP listener "
        "exists.",
        "LBC model_build_load_balancer.go, docs/guide/service/annotations.md",
        source_nat_taken,
    ),
    Rule(
        "UDPLB822",
        Severity.REJECT,
        "The source NAT prefixes of a live UDP load balancer cannot change",
        "AWS refuses other prefixes while a UDP listener exists.",
        "LBC docs/guide/service/annotations.md",
        other_prefixes,
    ),
    Rule(
        "UDPLB823",
        Severity.REJECT,
        "The families of a live Service cannot change",
        "A target group is IPv4 or IPv6 for life. The controller does not replace it when spec.ipFamilies gains or "
        "loses IPv6, and its TargetGroupBinding refuses the update.",
        "LBC pkg/deploy/elbv2/target_group_synthesizer.go, webhooks/elbv2/targetgroupbinding_validator.go",
        other_families,
    ),
    Rule(
        "UDPLB707",
        Severity.REJECT,
        "A load balancer has security groups for life, or never",
        "AWS adds none to a load balancer that was made without, and the controller takes none away.",
        "LBC model_build_load_balancer.go; ELBv2 API, SetSecurityGroups",
        other_security_groups,
    ),
    Rule(
        "UDPLB833",
        Severity.REJECT,
        "A live UDP port cannot become QUIC",
        "QUIC needs a load balancer without security groups, which is decided when it is made.",
        "NLB user guide, create-listener",
        to_quic,
    ),
)
