"""P: listeners, and TCP and UDP on one port number."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Owner
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.build import merges_tcp_udp
from webhook.policy.service.defaults import twins
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import ServicePort
from webhook.policy.service.rules.named_targets import certainly_two
from webhook.policy.service.rules.refused import at, at_port, refused

NAME = "enable-tcp-udp-listener"
LISTENERS = 50
"""Listeners of one NLB; AWS does not raise it."""


def not_merged(facts: Facts) -> Iterator[Fault]:
    if merges_tcp_udp(facts.service, facts.cluster):
        return
    for tcp, udp in twins(facts.service):
        first, second = sorted((tcp, udp), key=facts.service.ports.index)
        reason = f"only {first.protocol} {first.port} gets a listener; {second.protocol} {second.port} is dropped silently"
        yield at_port(facts, second, reason, _way_out(facts, tcp, udp))


def _way_out(facts: Facts, tcp: ServicePort, udp: ServicePort) -> str:
    if facts.meant_for is Owner.AUTO_MODE and not facts.cluster.auto_mode_tcp_udp:
        return "use two port numbers or two Services; under EKS Auto Mode a shared listener is unsettled"
    if tcp.target_port != udp.target_port:
        return "give both the same targetPort, or use two port numbers"
    return f'write {keys.aws(NAME)}: "true", or use two port numbers'


def different_targets(facts: Facts) -> Iterator[Fault]:
    if not merges_tcp_udp(facts.service, facts.cluster):
        return
    for tcp, udp in twins(facts.service):
        numbers = isinstance(tcp.target_port, int) and isinstance(udp.target_port, int)
        if numbers and tcp.target_port != udp.target_port:
            first, second = sorted((tcp, udp), key=facts.service.ports.index)
            reason = (
                f"one listener has one target group: {second.protocol} {second.port} would go to "
                f"targetPort {first.target_port}, not to {second.target_port}"
            )
            yield at_port(facts, second, reason, "give both the same targetPort, or use two port numbers")
    yield from certainly_two(facts)


def not_a_bool(facts: Facts) -> Iterator[Fault]:
    written = facts.service.aws(NAME)
    if written is not None and gosyntax.parse_bool(written) is None:
        reason = f"the controller cannot parse {written!r} and silently takes its default"
        yield at(facts, NAME, reason, 'write "true" or "false"')


def sctp(facts: Facts) -> Iterator[Fault]:
    for port in facts.service.ports:
        if port.protocol == "SCTP":
            reason = "an NLB has no SCTP listener, and AWS then refuses the whole Service"
            yield at_port(facts, port, reason, "move the port to a Service of its own")


def too_many(facts: Facts) -> Iterator[Fault]:
    count = len({port.port for port in facts.service.ports})
    if count > LISTENERS:
        reason = f"{count} listeners, and one NLB has {LISTENERS} at most"
        yield Fault("spec.ports", reason, "split the Service")


def health_of_a_merged_port(facts: Facts) -> Iterator[Fault]:
    if not facts.new or facts.targets_nodes or not merges_tcp_udp(facts.service, facts.cluster):
        return
    for _tcp, udp in twins(facts.service):
        reason = (
            f"TCP and UDP {udp.port} share one target group: it is healthy while the application "
            "answers TCP there, whatever its UDP side does"
        )
        yield at_port(facts, udp, reason, "use two port numbers to have UDP checked on its own")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB301",
        Severity.REJECT,
        "TCP and UDP on one number, but only one listener",
        "An NLB has one listener for a number. Unless it is told to merge the two, the controller gives it to the "
        "first entry and drops the second without an event: the Service looks reconciled and half of it is dark.",
        "LBC model_build_listener.go; LBC issues 4405, 2597",
        not_merged,
    ),
    Rule(
        "UDPLB302",
        Severity.REJECT,
        "One listener cannot have two target ports",
        "A TCP_UDP listener forwards to one target group. The second entry's targetPort is ignored, and its "
        "traffic goes to the first one's.",
        "LBC model_build_listener.go",
        different_targets,
    ),
    Rule(
        "UDPLB304",
        Severity.REJECT,
        "These ports cannot share a listener",
        "Exactly one TCP and one UDP entry can be merged on a number.",
        "LBC model_build_listener.go",
        refused("UDPLB304", "leave one TCP and one UDP entry on the number"),
    ),
    Rule(
        "UDPLB305",
        Severity.REJECT,
        "enable-tcp-udp-listener is no boolean",
        "The controller swallows the parse error and takes its default, which is not to merge.",
        "LBC model_build_listener.go; Go strconv.ParseBool",
        not_a_bool,
        waivable=False,
    ),
    Rule(
        "UDPLB306",
        Severity.REJECT,
        "SCTP beside UDP",
        "AWS has no SCTP listener. The error at deploy stops every other port of the Service as well.",
        "ELBv2 API, ProtocolEnum",
        sctp,
    ),
    Rule(
        "UDPLB310",
        Severity.REJECT,
        "ssl-ports names a port that does not exist",
        "The controller stops at a word that is neither a port's name nor its number.",
        "LBC model_build_listener.go",
        refused("UDPLB310", "list names or numbers of this Service's TCP ports"),
    ),
    Rule(
        "UDPLB311",
        Severity.REJECT,
        "QUIC on a port that is not UDP",
        "Only a UDP or merged listener can become QUIC.",
        "LBC model_build_listener.go",
        refused("UDPLB311", "list only UDP ports in quic-enabled-ports"),
    ),
    Rule(
        "UDPLB323",
        Severity.REJECT,
        "More listeners than an NLB can have",
        "AWS limits an NLB to 50 listeners and does not raise it.",
        "NLB user guide, load-balancer-limits",
        too_many,
    ),
    Rule(
        "UDPLB340",
        Severity.REJECT,
        "Unknown ALPN policy",
        "The controller compares the policy's name exactly.",
        "LBC model_build_listener.go",
        refused("UDPLB340", "write None, HTTP1Only, HTTP2Only, HTTP2Optional or HTTP2Preferred"),
    ),
    Rule(
        "UDPLB341",
        Severity.WARN,
        "A merged port is as healthy as its TCP side",
        "TCP and UDP of one number share a target group, and the application answers the TCP check itself. No "
        "sidecar is added for that number.",
        "LBC model_build_listener.go",
        health_of_a_merged_port,
    ),
)
