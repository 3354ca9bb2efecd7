"""A: target group attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.annotations import Kind, row_of
from webhook.policy.service.build import CROSS_ZONE
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS, TargetGroup
from webhook.policy.service.rules.refused import at, refused
from webhook.policy.service.target_groups import PRESERVE_CLIENT_IP, PROXIED, PROXY_PROTOCOL

NAME = "target-group-attributes"
TERMINATION = "target_health_state.unhealthy.connection_termination.enabled"
DRAINING = "target_health_state.unhealthy.draining_interval_seconds"
ENDS_FLOWS = "deregistration_delay.connection_termination.enabled"
SOURCE = "ELBv2 API, TargetGroupAttribute"


def source_address_lost(facts: Facts) -> Iterator[Fault]:
    fix = f"remove it, or write it for a TCP port alone: {keys.aws(NAME)}.<port>"
    for port, group in udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(PRESERVE_CLIENT_IP, "true")) is False:
            reason = f"AWS always keeps client addresses for {group.protocol} {port} and refuses false"
            yield at_attribute(facts, port, reason, fix, PRESERVE_CLIENT_IP)


def broken_map(facts: Facts) -> Iterator[Fault]:
    """What the controller accepts and makes a value of: a comma at the end, a line break between pairs."""
    for name in facts.annotations:
        row = row_of(name)
        if row is None or row.kind is not Kind.MAP:
            continue
        for attribute, written in facts.pairs(name).items():
            if _spoilt(written):
                reason = f"{attribute} would be set to {written!r}, comma or line break included"
                yield at(facts, name, reason, "separate pairs by single commas")


def termination(facts: Facts) -> Iterator[Fault]:
    for port, group in udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(TERMINATION, "false")):
            reason = f"AWS refuses {TERMINATION}=true for {group.protocol} {port}"
            yield at_attribute(facts, port, reason, "remove it, or write false", TERMINATION)


def draining(facts: Facts) -> Iterator[Fault]:
    for port, group in udp_groups(facts):
        interval = group.attributes.get(DRAINING)
        stays_on = gosyntax.parse_bool(group.attributes.get(TERMINATION, "true")) is not False
        if interval not in (None, "0") and stays_on:
            reason = f"AWS refuses {DRAINING} without {TERMINATION}=false"
            yield at_attribute(facts, port, reason, f"add {TERMINATION}=false, or remove it", DRAINING)


def stickiness(facts: Facts) -> Iterator[Fault]:
    for port, group in udp_groups(facts):
        kind = group.attributes.get("stickiness.type")
        if kind not in (None, "source_ip"):
            reason = f"an NLB knows source_ip alone, not {kind!r}"
            yield at_attribute(facts, port, reason, "write stickiness.type=source_ip", "stickiness.type")


def flows_stay(facts: Facts) -> Iterator[Fault]:
    for port, group in udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(ENDS_FLOWS, "true")) is False:
            reason = f"datagrams of {group.protocol} {port} go on to a pod that is gone while a client keeps sending"
            yield at_attribute(facts, port, reason, "remove it, or write true", ENDS_FLOWS)


def unknown_attributes(facts: Facts) -> Iterator[Fault]:
    for name in facts.annotations:
        if name.partition(".")[0] != NAME or facts.read(name) is None:
            continue
        for attribute, written in facts.pairs(name).items():
            legal = ATTRIBUTES.get(attribute)
            if legal is None:
                reason = f"an NLB's target group has no attribute {attribute!r}, and AWS refuses it"
                yield at(facts, name, reason, "remove it")
            elif written and not _spoilt(written) and not legal[0](written):
                reason = f"AWS refuses {attribute}={written}"
                yield at(facts, name, reason, f"write {legal[1]}")


def _spoilt(written: str) -> bool:
    """Said of the map already: a comma or a line break became part of the value."""
    return written.endswith(",") or "\n" in written


def _one_of(*words: str) -> Legal:
    return words.__contains__, " or ".join(words)


def _bounded(least: int, most: int, unit: str, *words: str) -> Legal:
    def legal(text: str) -> bool:
        number = gosyntax.parse_int32(text)
        return text in words or (number is not None and least <= number <= most)

    return legal, " or ".join((*words, f"{least} to {most}{unit}"))


def _boolean(text: str) -> bool:
    return gosyntax.parse_bool(text) is not None


def _elsewhere(_text: str) -> bool:
    return True


Legal = tuple[Callable[[str], bool], str]
_HEALTHY = "minimum_healthy_targets"
_BOOL: Legal = (_boolean, "true or false")
_SAID: Legal = (_elsewhere, "")
"""Its value has a rule of its own."""
ATTRIBUTES: Mapping[str, Legal] = {
    PRESERVE_CLIENT_IP: _SAID,
    PROXY_PROTOCOL: _BOOL,
    "deregistration_delay.timeout_seconds": _bounded(0, 3600, " seconds"),
    ENDS_FLOWS: _BOOL,
    TERMINATION: _BOOL,
    DRAINING: _bounded(0, 360_000, " seconds"),
    "stickiness.enabled": _BOOL,
    "stickiness.type": _SAID,
    CROSS_ZONE: _one_of("true", "false", "use_load_balancer_configuration"),
    f"target_group_health.dns_failover.{_HEALTHY}.count": _bounded(1, 1000, "", "off"),
    f"target_group_health.dns_failover.{_HEALTHY}.percentage": _bounded(1, 100, "", "off"),
    f"target_group_health.unhealthy_state_routing.{_HEALTHY}.count": _bounded(1, 1000, ""),
    f"target_group_health.unhealthy_state_routing.{_HEALTHY}.percentage": _bounded(1, 100, "", "off"),
}
"""What a target group of an NLB knows. Source: ELBv2 API, TargetGroupAttribute."""


def cross_zone_off(facts: Facts) -> Iterator[Fault]:
    for port, group in udp_groups(facts):
        if group.attributes.get(CROSS_ZONE) == "false":
            reason = f"it switches cross-zone balancing off for {group.protocol} {port}, whatever the load balancer says"
            yield at_attribute(
                facts, port, reason, "remove it to have every zone reach every pod", CROSS_ZONE
            )


def udp_groups(facts: Facts) -> Iterator[tuple[int, TargetGroup]]:
    """One group for each UDP listener: a Service's attributes are the same for all behind it."""
    for listener in facts.model.listeners:
        if listener.protocol in UDP_PROTOCOLS:
            yield listener.port, listener.target_groups[0]


def at_attribute(facts: Facts, port: int, reason: str, fix: str, attribute: str) -> Fault:
    """At the annotation that gives this port its attribute."""
    own = f"{NAME}.{port}"
    if attribute == PROXY_PROTOCOL:
        candidates = ("proxy-protocol", PROXIED, NAME, own)
        written = [name for name in candidates if name in facts.annotations]
    else:
        written = [name for name in (own, NAME) if attribute in facts.pairs(name)]
    return at(facts, written[0] if written else NAME, reason, fix)


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
        "UDPLB509",
        Severity.WARN,
        "Flows outlive their target",
        "UDP target groups end the flows of a pod that was taken out. Switched off, a client that keeps sending from "
        "one port stays with the address of the pod that is gone.",
        "ELBv2 API, TargetGroupAttribute; LBC issues 2366, 3270",
        flows_stay,
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
        "UDPLB513",
        Severity.REJECT,
        "An attribute that AWS refuses",
        "The controller passes every attribute on. One that a network load balancer does not have, or a value "
        "outside its range, fails at deploy and stops every other change of the Service.",
        SOURCE,
        unknown_attributes,
    ),
)
