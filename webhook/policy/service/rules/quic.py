"""P: QUIC listeners, which pass on QUIC's own connection identifiers."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import TRAFFIC_PORT, UDP_PROTOCOLS, Listener
from webhook.policy.service.rules.refused import at, refused
from webhook.policy.service.rules.security_groups import WITHOUT_GROUPS, without_security_groups
from webhook.policy.service.rules.tls import words_of

NAME = "quic-enabled-ports"
QUIC = frozenset({"QUIC", "TCP_QUIC"})
MOST_UNKNOWN = 8
"""Words named; one annotation may hold thousands."""
USER_GUIDE = "NLB user guide, create-listener and create-target-group"


def listeners(facts: Facts) -> tuple[Listener, ...]:
    """Those that become QUIC."""
    return tuple(listener for listener in facts.model.listeners if listener.protocol in QUIC)


def unknown_port(facts: Facts) -> Iterator[Fault]:
    known = {word for port in facts.service.ports for word in words_of(port)}
    unknown = [word for word in facts.items(NAME) if word not in known]
    for word in unknown[:MOST_UNKNOWN]:
        reason = f"{word} is no port of this Service, and the controller ignores it silently"
        yield at(facts, NAME, reason, "list names or numbers of this Service's UDP ports")


def second_name(facts: Facts) -> Iterator[Fault]:
    if not facts.merges:
        return
    first: dict[int, str] = {}
    listed = facts.items(NAME)
    for port in facts.service.ports:
        name = first.setdefault(port.port, port.name)
        if port.name != name and port.name in listed and not {name, str(port.port)} & set(listed):
            reason = f"of the two entries on {port.port} the controller looks at the first one's name alone"
            yield at(facts, NAME, reason, f"write {port.port}")


def instance_targets(facts: Facts) -> Iterator[Fault]:
    if any(group.target_type == "instance" for each in listeners(facts) for group in each.target_groups):
        reason = "QUIC needs ip targets; the controller's own webhook refuses the binding of instance targets"
        yield at(facts, "nlb-target-type", reason, "write ip")


def with_security_groups(facts: Facts) -> Iterator[Fault]:
    if listeners(facts) and not without_security_groups(facts):
        reason = "AWS refuses a QUIC listener on a load balancer with security groups, and this one gets them"
        yield at(facts, WITHOUT_GROUPS, reason, 'write "true" when the Service is created; it is for life')


def beside_others(facts: Facts) -> Iterator[Fault]:
    quic = listeners(facts)
    if not quic:
        return
    others = [str(each.port) for each in facts.model.listeners if each.protocol in UDP_PROTOCOLS - QUIC]
    if len(quic) > 1:
        numbers = ", ".join(str(each.port) for each in quic)
        reason = f"a load balancer has one QUIC listener, and these would be {len(quic)}: {numbers}"
        yield at(facts, NAME, reason, "list one port, and give the others Services of their own")
    if others:
        reason = f"a load balancer with a QUIC listener has no UDP listener beside it: {', '.join(others)}"
        yield at(facts, NAME, reason, "move the UDP ports to a Service of their own")
    if facts.model.ip_address_type == "dualstack":
        reason = "AWS refuses QUIC listeners and target groups with IPv6"
        yield at(facts, NAME, reason, f"write {keys.aws('ip-address-type')}: ipv4, or give up QUIC")


def server_ids(facts: Facts) -> Iterator[Fault]:
    labels = facts.namespace.labels
    if listeners(facts) and labels is not None and labels.get(keys.QUIC_SERVER_ID) != "enabled":
        reason = "pods without a QUIC server id never become targets"
        fix = f"label the namespace {keys.QUIC_SERVER_ID}=enabled; pods need {keys.aws('quic-enabled-containers')}"
        yield at(facts, NAME, reason, fix)


def probe_without_a_rule(facts: Facts) -> Iterator[Fault]:
    for listener in listeners(facts):
        group = listener.target_groups[0]
        own = group.health_check.port in (TRAFFIC_PORT, group.target_port)
        if listener.protocol == "QUIC" and own and without_security_groups(facts):
            reason = f"the controller opens no TCP for the check of QUIC {listener.port} in the pods' security group"
            fix = f"allow TCP {group.target_port} from the load balancer's subnets yourself"
            yield at(facts, NAME, reason, fix)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB311",
        Severity.REJECT,
        "QUIC on a port that is not UDP",
        "Only a UDP or merged listener can become QUIC.",
        "LBC model_build_listener.go",
        refused("UDPLB311", "list only UDP ports in quic-enabled-ports"),
    ),
    Rule(
        "UDPLB312",
        Severity.REJECT,
        "quic-enabled-ports names a port that does not exist",
        "The word has no effect and no event: the port that was meant stays plain UDP.",
        "LBC model_build_listener.go",
        unknown_port,
    ),
    Rule(
        "UDPLB313",
        Severity.REJECT,
        "QUIC by the name of a merged port's second entry",
        "A merged listener goes by its first entry, so the second one's name upgrades nothing.",
        "LBC model_build_listener.go",
        second_name,
    ),
    Rule(
        "UDPLB314",
        Severity.REJECT,
        "QUIC needs ip targets",
        "A QUIC connection is routed to a target by the server id of its pod.",
        "LBC webhooks/elbv2/targetgroupbinding_validator.go",
        instance_targets,
    ),
    Rule(
        "UDPLB315",
        Severity.REJECT,
        "QUIC needs a load balancer without security groups",
        "AWS refuses QUIC listeners on a load balancer that has security groups, and whether it has any is decided "
        "when it is made.",
        USER_GUIDE,
        with_security_groups,
    ),
    Rule(
        "UDPLB316",
        Severity.REJECT,
        "QUIC beside what AWS does not put beside it",
        "One load balancer has at most one QUIC listener, no UDP listener beside it, and IPv4 alone.",
        USER_GUIDE,
        beside_others,
    ),
    Rule(
        "UDPLB317",
        Severity.WARN,
        "QUIC targets need a server id",
        "The controller drops pods without a server id before it registers them; a log line and a metric of its own "
        "are all that tells.",
        "LBC pkg/targetgroupbinding/resource_manager.go",
        server_ids,
    ),
    Rule(
        "UDPLB318",
        Severity.WARN,
        "The check of a QUIC port has no security group rule",
        "Without security groups on the load balancer the controller opens the pods for the check of UDP listeners, "
        "but not of QUIC ones. With restricted rules in the pods' group every target stays red.",
        "LBC model_build_target_group.go",
        probe_without_a_rule,
    ),
)
