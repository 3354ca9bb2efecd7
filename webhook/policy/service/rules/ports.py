"""P: listeners, and TCP and UDP on one port number."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Owner
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import TRAFFIC_PORT
from webhook.policy.service.objects import ServicePort
from webhook.policy.service.rules.named_targets import certainly_two
from webhook.policy.service.rules.refused import at, at_port, refused

NAME = "enable-tcp-udp-listener"
LISTENER_ATTRIBUTES = "listener-attributes."
TFTP = 69
MANY_PORTS = 8
LISTENERS = 50
"""Listeners of one NLB; AWS does not raise it."""


def not_merged(facts: Facts) -> Iterator[Fault]:
    if facts.merges:
        return
    for tcp, udp in facts.twins:
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
    if not facts.merges:
        return
    for tcp, udp in facts.twins:
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
    if not facts.new or facts.targets_nodes or not facts.merges:
        return
    elsewhere = {group.health_check.port for group in facts.model.target_groups} - {TRAFFIC_PORT}
    for _tcp, udp in facts.twins:
        if elsewhere and udp.target_port not in elsewhere:
            continue
        reason = (
            f"TCP and UDP {udp.port} share one target group: it is healthy while the application "
            "answers TCP there, whatever its UDP side does"
        )
        yield at_port(facts, udp, reason, "use two port numbers to have UDP checked on its own")


def attributes_of_a_udp_listener(facts: Facts) -> Iterator[Fault]:
    listeners = {f"{each.protocol}-{each.port}": each.protocol for each in facts.model.listeners}
    for name, listener in _listener_attributes(facts):
        if listeners.get(listener) in ("UDP", "QUIC"):
            yield at(facts, name, "AWS has no attribute for a UDP listener and refuses any", "remove it")


def attributes_of_no_listener(facts: Facts) -> Iterator[Fault]:
    listeners = [f"{each.protocol}-{each.port}" for each in facts.model.listeners]
    for name, listener in _listener_attributes(facts):
        if listener not in listeners:
            fix = f"name a listener of this Service: {', '.join(listeners)}"
            yield at(facts, name, "no listener of this Service reads it", fix)


def _listener_attributes(facts: Facts) -> Iterator[tuple[str, str]]:
    """The annotations about one listener: their short names, and the listener as they name it."""
    for name in facts.annotations:
        if name.startswith(LISTENER_ATTRIBUTES) and facts.read(name) is not None:
            yield name, name.removeprefix(LISTENER_ATTRIBUTES)


def tftp(facts: Facts) -> Iterator[Fault]:
    for port in facts.service.udp_ports:
        if facts.new and TFTP in (port.port, port.target_port):
            reason = "TFTP answers from another port, which a load balancer does not let through"
            yield at_port(facts, port, reason, "serve it on the node's network, or over HTTP")


def many(facts: Facts) -> Iterator[Fault]:
    count = len({port.port for port in facts.service.udp_ports})
    if facts.new and not facts.targets_nodes and MANY_PORTS < count <= LISTENERS:
        reason = f"{count} UDP ports: a zone leaves DNS when any one of them has no healthy target there"
        fix = (
            f"let ports that open on demand follow another one: {keys.PROBE_OF_PORT}<port>: "
            "bound,udp=<signalling port> on the pods"
        )
        yield Fault("spec.ports", reason, fix, str(count))


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
        "UDPLB320",
        Severity.REJECT,
        "Attributes of a UDP listener",
        "The controller sends them on, AWS knows none for UDP and QUIC, and the error at deploy stops the whole "
        "Service. A merged listener has one, for its TCP side.",
        "LBC pkg/deploy/elbv2/listener_manager.go; ELBv2 API, ListenerAttribute",
        attributes_of_a_udp_listener,
    ),
    Rule(
        "UDPLB321",
        Severity.WARN,
        "Attributes of a listener that does not exist",
        "The key holds the listener's own protocol: TCP_UDP for a merged one, TLS with a certificate.",
        "LBC model_build_listener.go",
        attributes_of_no_listener,
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
        "UDPLB341",
        Severity.WARN,
        "A merged port is as healthy as its TCP side",
        "TCP and UDP of one number share a target group, and the application answers the TCP check itself. No "
        "sidecar is added for that number.",
        "LBC model_build_listener.go",
        health_of_a_merged_port,
    ),
    Rule(
        "UDPLB343",
        Severity.WARN,
        "TFTP does not pass a load balancer",
        "The first datagram goes to port 69, and the server answers from a port that it just opened: no flow of "
        "the load balancer belongs to it.",
        "RFC 1350, section 4",
        tftp,
    ),
    Rule(
        "UDPLB344",
        Severity.WARN,
        "Many UDP ports share one fate",
        "Each port has a target group, and the load balancer takes a zone out of DNS when any one group has no "
        "healthy target there. A port that is open only now and then takes the others with it.",
        "NLB user guide, target group health",
        many,
    ),
)
