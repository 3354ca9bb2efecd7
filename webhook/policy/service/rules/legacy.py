"""What the legacy controller of the cloud provider refuses, where it takes a new Service.

That is one of `type: nlb` without a class, where udplb gives none: the owner is not known, or
`udplb/keep` names the class. Nothing but a class is ever set there.
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import Ownership
from webhook.policy.service.rules.attributes import NAME as ATTRIBUTES
from webhook.policy.service.rules.refused import at

SOURCE = "legacy controller aws.go"
READ_ATTRIBUTES = ("preserve_client_ip.enabled", "proxy_protocol_v2.enabled")
LBC_INSTEAD = f"let the AWS Load Balancer Controller serve it (remove {keys.aws('type')}: nlb)"


def takes(facts: Facts) -> bool:
    return facts.new and facts.ownership is Ownership.LEGACY


def mixed_protocols(facts: Facts) -> Iterator[Fault]:
    protocols = {port.protocol for port in facts.service.ports}
    if takes(facts) and len(protocols) > 1:
        reason = f"the legacy controller takes one protocol, and these are {', '.join(sorted(protocols))}"
        yield Fault("spec.ports", reason, f"{LBC_INSTEAD}, or use two Services", ",".join(sorted(protocols)))


def affinity(facts: Facts) -> Iterator[Fault]:
    if takes(facts) and facts.service.session_affinity == "ClientIP":
        reason = "the legacy controller refuses a Service with session affinity"
        yield Fault("spec.sessionAffinity", reason, f"write None, or {LBC_INSTEAD}", "ClientIP")


def fixed_address(facts: Facts) -> Iterator[Fault]:
    written = facts.service.load_balancer_ip
    if facts.new and written:
        reason = "no controller on AWS obeys it, and the legacy one stops at it"
        fix = f"write {keys.aws('eip-allocations')} or {keys.aws('private-ipv4-addresses')}"
        yield Fault("spec.loadBalancerIP", reason, fix, written)


def no_node_port(facts: Facts) -> Iterator[Fault]:
    if takes(facts) and facts.service.allocate_node_ports is False:
        for index, port in enumerate(facts.service.ports):
            if not port.node_port:
                reason = "the legacy controller sends traffic to node ports, and skips a port that has none"
                field = f"spec.ports[{index}].nodePort"
                yield Fault(field, reason, "allow node ports", str(port.port))


def unread_attributes(facts: Facts) -> Iterator[Fault]:
    if not takes(facts):
        return
    foreign = [key for key in facts.pairs(ATTRIBUTES) if key not in READ_ATTRIBUTES]
    if foreign:
        reason = (
            f"the legacy controller stops at {foreign[0]}; it knows {' and '.join(READ_ATTRIBUTES)} alone"
        )
        yield at(facts, ATTRIBUTES, reason, f"remove it, or {LBC_INSTEAD}")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB108",
        Severity.REJECT,
        "The legacy controller takes one protocol",
        "It refuses a Service of TCP and UDP ports as a whole.",
        SOURCE,
        mixed_protocols,
    ),
    Rule(
        "UDPLB109",
        Severity.REJECT,
        "The legacy controller refuses session affinity",
        "sessionAffinity: ClientIP stops it; the other controllers do not read the field.",
        SOURCE,
        affinity,
    ),
    Rule(
        "UDPLB110",
        Severity.WARN,
        "loadBalancerIP means nothing on AWS",
        "The legacy controller refuses a Service that has it, the others pass it over. Addresses are given by "
        "annotations.",
        SOURCE,
        fixed_address,
    ),
    Rule(
        "UDPLB205",
        Severity.REJECT,
        "The legacy controller needs node ports",
        "A port without a node port gets no listener, and a log line of the controller is all that tells.",
        SOURCE,
        no_node_port,
    ),
    Rule(
        "UDPLB514",
        Severity.REJECT,
        "An attribute that the legacy controller does not know",
        "It reads two target group attributes and refuses every other.",
        "legacy controller aws_validations.go",
        unread_attributes,
    ),
)
