"""A: target group attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.annotations import ANNOTATIONS, Kind
from webhook.policy.service.build import CROSS_ZONE
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS, TargetGroup
from webhook.policy.service.rules.refused import refused
from webhook.policy.service.target_groups import PRESERVE_CLIENT_IP, PROXY_PROTOCOL

NAME = "target-group-attributes"
TERMINATION = "target_health_state.unhealthy.connection_termination.enabled"
DRAINING = "target_health_state.unhealthy.draining_interval_seconds"
SOURCE = "ELBv2 API, TargetGroupAttribute"


def source_address_lost(facts: Facts) -> Iterator[Fault]:
    fix = f"remove it, or write it for a TCP port alone: {keys.aws(NAME)}.<port>"
    for port, group in _udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(PRESERVE_CLIENT_IP, "true")) is False:
            reason = f"AWS always keeps client addresses for {group.protocol} {port} and refuses false"
            yield _at(facts, port, reason, fix, PRESERVE_CLIENT_IP)


def broken_map(facts: Facts) -> Iterator[Fault]:
    """What the controller accepts and makes a value of: a comma at the end, a line break between pairs."""
    for key, value in facts.service.annotations.items():
        pairs = gosyntax.parse_map(value) if _is_map(key) else None
        for attribute, written in (pairs or {}).items():
            if written.endswith(",") or "\n" in written:
                reason = f"{attribute} would be set to {written!r}, comma or line break included"
                yield Fault(annotation_field(key), reason, "separate pairs by single commas", value)


def _is_map(key: str) -> bool:
    name = key.removeprefix(keys.aws(""))
    family = name.partition(".")[0]
    row = ANNOTATIONS.get(name) or ANNOTATIONS.get(f"{family}.")
    return key.startswith(keys.aws("")) and row is not None and row.kind is Kind.MAP


def proxy_protocol(facts: Facts, *, mixed: bool) -> Iterator[Fault]:
    if mixed != any(port.protocol != "UDP" for port in facts.service.ports):
        return
    for port, group in _udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(PROXY_PROTOCOL, "false")):
            reason = (
                f"datagrams of {group.protocol} {port} would carry a header that UDP servers do not expect"
            )
            fix = "remove it: client addresses are kept for UDP anyway"
            if mixed:
                fix = f"list the TCP ports in {keys.aws('proxy-protocol-per-target-group')}"
            yield _at(facts, port, reason, fix, PROXY_PROTOCOL)


def termination(facts: Facts) -> Iterator[Fault]:
    for port, group in _udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(TERMINATION, "false")):
            reason = f"AWS refuses {TERMINATION}=true for {group.protocol} {port}"
            yield _at(facts, port, reason, "remove it, or write false", TERMINATION)


def draining(facts: Facts) -> Iterator[Fault]:
    for port, group in _udp_groups(facts):
        interval = group.attributes.get(DRAINING)
        stays_on = gosyntax.parse_bool(group.attributes.get(TERMINATION, "true")) is not False
        if interval not in (None, "0") and stays_on:
            reason = f"AWS refuses {DRAINING} without {TERMINATION}=false"
            yield _at(facts, port, reason, f"add {TERMINATION}=false, or remove it", DRAINING)


def stickiness(facts: Facts) -> Iterator[Fault]:
    for port, group in _udp_groups(facts):
        kind = group.attributes.get("stickiness.type")
        if kind not in (None, "source_ip"):
            reason = f"an NLB knows source_ip alone, not {kind!r}"
            yield _at(facts, port, reason, "write stickiness.type=source_ip", "stickiness.type")


def cross_zone_off(facts: Facts) -> Iterator[Fault]:
    for port, group in _udp_groups(facts):
        if group.attributes.get(CROSS_ZONE) == "false":
            reason = f"it switches cross-zone balancing off for {group.protocol} {port}, whatever the load balancer says"
            yield _at(facts, port, reason, "remove it to have every zone reach every pod", CROSS_ZONE)


def _udp_groups(facts: Facts) -> Iterator[tuple[int, TargetGroup]]:
    """One group for each UDP listener: a Service's attributes are the same for all behind it."""
    for listener in facts.model.listeners:
        if listener.protocol in UDP_PROTOCOLS:
            yield listener.port, listener.target_groups[0]


def _at(facts: Facts, port: int, reason: str, fix: str, attribute: str) -> Fault:
    """At the annotation that gives this port its attribute."""
    annotations: Mapping[str, str] = facts.service.annotations
    own = keys.aws(f"{NAME}.{port}")
    candidates = [
        own,
        keys.aws(NAME),
        keys.aws("proxy-protocol-per-target-group"),
        keys.aws("proxy-protocol"),
    ]
    if attribute == PROXY_PROTOCOL:
        candidates.reverse()
        written = [key for key in candidates if key in annotations]
    else:
        written = [
            key for key in candidates if attribute in (gosyntax.parse_map(annotations.get(key, "")) or {})
        ]
    key = written[0] if written else keys.aws(NAME)
    return Fault(annotation_field(key), reason, fix, annotations.get(key, ""))


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB501",
        Severity.REJECT,
        "UDP keeps its client addresses",
        "preserve_client_ip.enabled is always on for UDP, TCP_UDP and QUIC groups. AWS refuses false at deploy, "
        "and nothing of the Service is updated any more.",
        "ELBv2 API; NLB user guide, edit-target-group-attributes",
        source_address_lost,
    ),
    Rule(
        "UDPLB502",
        Severity.REJECT,
        "preserve_client_ip.enabled is no boolean",
        "The controller parses it and stops.",
        "LBC model_build_target_group.go",
        refused("UDPLB502", "write true or false"),
        waivable=False,
    ),
    Rule(
        "UDPLB503",
        Severity.REJECT,
        "Not a list of key=value",
        "Pairs are separated by single commas, on one line. A comma at the end or a line break becomes part of a "
        "value, which AWS refuses; in the load balancer's attributes it can also block the Service's deletion.",
        "LBC pkg/annotations/parser.go",
        lambda facts: (*refused("UDPLB503", "write key=value,key=value")(facts), *broken_map(facts)),
        waivable=False,
    ),
    Rule(
        "UDPLB504",
        Severity.REJECT,
        "proxy-protocol knows one value",
        "The annotation is * or absent.",
        "LBC model_build_target_group.go",
        refused("UDPLB504", 'write "*", or remove it'),
        waivable=False,
    ),
    Rule(
        "UDPLB505",
        Severity.REJECT,
        "Proxy protocol on UDP",
        "Proxy protocol v2 is described for TCP streams. At best a binary header stands before the payload; and "
        "the client's address is kept for UDP without it.",
        "NLB user guide, load-balancer-target-groups",
        lambda facts: proxy_protocol(facts, mixed=False),
    ),
    Rule(
        "UDPLB506",
        Severity.REJECT,
        "proxy-protocol-per-target-group lists numbers",
        "The controller stops at a port's name.",
        "LBC model_build_target_group.go",
        refused("UDPLB506", "write port numbers"),
        waivable=False,
    ),
    Rule(
        "UDPLB507",
        Severity.REJECT,
        "Connections of an unhealthy UDP target are not ended",
        "AWS refuses this attribute for UDP and TCP_UDP groups.",
        SOURCE,
        termination,
    ),
    Rule(
        "UDPLB508",
        Severity.REJECT,
        "A draining interval needs termination switched off",
        "AWS refuses the interval while connection termination of unhealthy targets is on, which is its default.",
        SOURCE,
        draining,
    ),
    Rule(
        "UDPLB510",
        Severity.REJECT,
        "A stickiness that no NLB has",
        "An NLB sticks by source address.",
        SOURCE,
        stickiness,
    ),
    Rule(
        "UDPLB511",
        Severity.WARN,
        "A target group switches cross-zone off",
        "The target group's word wins over the load balancer's.",
        SOURCE,
        cross_zone_off,
    ),
    Rule(
        "UDPLB540",
        Severity.WARN,
        "Proxy protocol reaches UDP as well",
        "On a Service with TCP and UDP ports the setting counts for both, unless it is given by port.",
        "NLB user guide, load-balancer-target-groups",
        lambda facts: proxy_protocol(facts, mixed=True),
    ),
)
