"""S: who may reach the load balancer, and whether its checks reach the pods."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.annotations import SOURCE_RANGES, Reader
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import TRAFFIC_PORT
from webhook.policy.service.rules.refused import at, refused
from webhook.policy.service.target_groups import PRESERVE_CLIENT_IP

WITHOUT_GROUPS, BACKEND_RULES = "disable-nlb-sg", "manage-backend-security-group-rules"
EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
RANGES_FIELD = "spec.loadBalancerSourceRanges"


def without_security_groups(facts: Facts) -> bool:
    """The load balancer is made without security groups, which is for life."""
    gate = facts.cluster.gate("NLBSecurityGroup", default=True)
    return not gate or bool(gosyntax.parse_bool(facts.read(WITHOUT_GROUPS) or ""))


def source_ranges(facts: Facts) -> tuple[str, ...]:
    """The client addresses that are allowed, as far as the Service restricts them."""
    written = gosyntax.parse_list(facts.service.annotations.get(SOURCE_RANGES, ""))
    return facts.service.source_ranges or (() if facts.reader is Reader.AUTO_MODE else written)


def closed_pods(facts: Facts) -> Iterator[Fault]:
    managed = gosyntax.parse_bool(facts.read(BACKEND_RULES) or "")
    own_groups = facts.items("security-groups") and not without_security_groups(facts)
    if own_groups and facts.reader is Reader.LBC and not managed:
        reason = (
            "beside groups of your own the controller opens nothing on the pods: UDP and checks are dropped"
        )
        yield at(
            facts,
            "security-groups",
            reason,
            f'write {keys.aws(BACKEND_RULES)}: "true", or open them yourself',
        )


def vpc_clients_only(facts: Facts) -> Iterator[Fault]:
    if without_security_groups(facts) and facts.model.scheme == "internal" and not source_ranges(facts):
        reason = "pods admit the VPC's own addresses alone: clients over peering, VPN or a transit gateway are dropped"
        yield at(facts, WITHOUT_GROUPS, reason, f"list your clients' networks in {RANGES_FIELD}")


def checks_shut_out(facts: Facts) -> Iterator[Fault]:
    """For a merged listener the check's sources are not opened beside the client ranges."""
    ranges = source_ranges(facts)
    if not ranges or EVERYBODY & set(ranges) or not without_security_groups(facts):
        return
    for listener in facts.model.listeners:
        group = listener.target_groups[0]
        on_target = group.health_check.port in (TRAFFIC_PORT, group.target_port)
        kept = gosyntax.parse_bool(group.attributes.get(PRESERVE_CLIENT_IP, ""))
        if listener.protocol in ("TCP_UDP", "TCP_QUIC") and on_target and not kept:
            reason = (
                f"the pods admit {listener.protocol} {listener.port} from these ranges alone, "
                "which shuts out the load balancer's own checks"
            )
            yield Fault(
                _ranges_field(facts),
                reason,
                "add the load balancer's subnets to the ranges",
                ",".join(ranges),
            )


def _ranges_field(facts: Facts) -> str:
    return RANGES_FIELD if facts.service.source_ranges else annotation_field(SOURCE_RANGES)


def two_lists_of_ranges(facts: Facts) -> Iterator[Fault]:
    written = facts.service.annotations.get(SOURCE_RANGES)
    if facts.new and facts.service.source_ranges and written is not None and facts.reader is Reader.LBC:
        reason = f"{RANGES_FIELD} wins, and the controller ignores this annotation"
        yield Fault(annotation_field(SOURCE_RANGES), reason, "keep the field alone", written)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB701",
        Severity.WARN,
        "Own security groups leave the pods closed",
        "Once the load balancer has security groups of the user's, the controller no longer opens the pods' groups "
        "for it unless it is told to. Nothing reports it: datagrams and checks are dropped.",
        "LBC model_build_load_balancer.go, model_build_target_group.go",
        closed_pods,
    ),
    Rule(
        "UDPLB704",
        Severity.WARN,
        "Only clients of the VPC are let in",
        "UDP keeps the client's address, so without security groups on the load balancer the pods' own groups must "
        "admit the clients. For an internal one the controller admits the VPC's networks, unless ranges are given.",
        "LBC model_build_target_group.go",
        vpc_clients_only,
    ),
    Rule(
        "UDPLB705",
        Severity.WARN,
        "The checks of a merged port are shut out",
        "Without security groups on the load balancer, a TCP_UDP target group is opened for the given ranges alone, "
        "and not for the subnets that its checks come from: every target is red.",
        "LBC model_build_target_group.go",
        checks_shut_out,
    ),
    Rule(
        "UDPLB710",
        Severity.WARN,
        "Source ranges in two places",
        "The field wins over the annotation, whose ranges are not applied.",
        "LBC model_build_target_group.go",
        two_lists_of_ranges,
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
