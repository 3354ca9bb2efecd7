"""P: target ports that have a name, which every pod resolves for itself."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import ServicePort
from webhook.policy.service.rules.refused import at_port
from webhook.policy.service.sight import NOTHING, listed_owners


def named_twins(facts: Facts) -> Iterator[tuple[ServicePort, ServicePort]]:
    """TCP and UDP of one listener that go to different target ports, of which one is a name."""
    if not facts.merges:
        return
    for tcp, udp in facts.twins:
        named = isinstance(tcp.target_port, str) or isinstance(udp.target_port, str)
        if named and tcp.target_port != udp.target_port:
            yield tcp, udp


def resolutions(facts: Facts, tcp: ServicePort, udp: ServicePort) -> set[tuple[int, int]]:
    """What the pods in sight make of the two, where a pod knows both."""
    found = set()
    for pod in facts.pods or NOTHING:
        pair = pod.resolve(tcp.target_port, "TCP"), pod.resolve(udp.target_port, "UDP")
        if pair[0] is not None and pair[1] is not None:
            found.add((pair[0], pair[1]))
    return found


def perhaps_one(facts: Facts) -> Iterator[Fault]:
    """Where no pod in sight can tell."""
    for tcp, udp in named_twins(facts):
        if not facts.early and not resolutions(facts, tcp, udp):
            reason = (
                f"TCP {tcp.port} goes to {tcp.target_port!r} and UDP {udp.port} to {udp.target_port!r}; "
                "one target group serves both, which works only where both are the same number in every pod"
            )
            yield at_port(facts, udp, reason, "write the number as targetPort of both")


def certainly_two(facts: Facts) -> Iterator[Fault]:
    """Where pods in sight resolve them to two numbers."""
    for tcp, udp in named_twins(facts):
        for in_tcp, in_udp in sorted(resolutions(facts, tcp, udp)):
            if in_tcp != in_udp:
                reason = (
                    f"one listener has one target group, but in pods in sight {tcp.target_port!r} is TCP {in_tcp} "
                    f"and {udp.target_port!r} is UDP {in_udp}"
                )
                yield at_port(facts, udp, reason, "give both one number in the pods, or use two port numbers")
                break


def not_in_every_pod(facts: Facts) -> Iterator[Fault]:
    """Such a pod is no endpoint of the port, and no controller says so."""
    sight = facts.pods or NOTHING
    for port in facts.service.udp_ports:
        if isinstance(port.target_port, int):
            continue
        lacking = {pod: count for pod, count in sight.items() if pod.resolve(port.target_port, "UDP") is None}
        if lacking:
            reason = (
                f"{sum(lacking.values())} of {sum(sight.values())} pods in sight ({listed_owners(lacking)}) declare "
                f"no UDP port {port.target_port!r}, so they get no traffic of UDP {port.port}"
            )
            fix = "declare it with protocol UDP, or write the number"
            yield at_port(facts, port, reason, fix)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB303",
        Severity.WARN,
        "Two names for one target",
        "The controller takes the endpoints of the first entry only. That works where both names are one number in "
        "every pod, and loses half of the traffic where they are not.",
        "LBC pkg/backend/endpoint_resolver.go",
        perhaps_one,
    ),
    Rule(
        "UDPLB325",
        Severity.WARN,
        "A target port's name that pods lack",
        "A pod that does not declare the name, with this protocol, is no endpoint of the port. The controller sees "
        "endpoints only and reports success.",
        "Kubernetes pkg/api/v1/pod/util.go, FindPort; LBC pkg/backend/endpoint_resolver.go",
        not_in_every_pod,
    ),
)
