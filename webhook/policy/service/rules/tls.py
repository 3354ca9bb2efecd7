"""P: TLS on the TCP ports of a Service that has UDP ports too."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import ServicePort
from webhook.policy.service.rules.refused import at, refused

CERTIFICATE, TLS_PORTS = "ssl-cert", "ssl-ports"
MERGED = ("TCP_UDP", "TCP_QUIC")


def merged_port_without_tls(facts: Facts) -> Iterator[Fault]:
    listed = set(facts.items(TLS_PORTS))
    if not facts.items(CERTIFICATE):
        return
    for listener in facts.model.listeners:
        if listener.protocol in MERGED and (not listed or listed & _words(facts, listener.port)):
            reason = (
                f"TCP {listener.port} shares its listener with UDP, and a {listener.protocol} listener "
                "is never upgraded: its TCP side would be served without TLS"
            )
            fix = "list other TCP ports, and serve TLS in the application or on a port of its own"
            yield at(facts, TLS_PORTS if listed else CERTIFICATE, reason, fix)


def udp_port_listed(facts: Facts) -> Iterator[Fault]:
    protocols: dict[str, set[str]] = {}
    for port in facts.service.ports:
        for word in words_of(port):
            protocols.setdefault(word, set()).add(port.protocol)
    for word in dict.fromkeys(facts.items(TLS_PORTS)):
        if protocols.get(word) == {"UDP"}:
            reason = f"{word} is a UDP port, which has no TLS; the controller ignores it silently"
            yield at(facts, TLS_PORTS, reason, f"remove {word}")


def certificate_for_all(facts: Facts) -> Iterator[Fault]:
    if not facts.new or not facts.items(CERTIFICATE) or facts.items(TLS_PORTS):
        return
    protocols = {listener.protocol for listener in facts.model.listeners}
    if "TLS" in protocols:
        reason = "every TCP port becomes TLS, and UDP stays as it is"
        yield at(facts, CERTIFICATE, reason, "name the ports that are meant in ssl-ports")
    elif not protocols & set(MERGED):
        yield at(facts, CERTIFICATE, "no port of this Service can have TLS: all are UDP", "remove it")


def words_of(port: ServicePort) -> set[str]:
    """How a list of ports may name this one."""
    return {port.name, str(port.port)}


def _words(facts: Facts, number: int) -> set[str]:
    return {word for port in facts.service.ports if port.port == number for word in words_of(port)}


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB308",
        Severity.REJECT,
        "A merged port would lose its TLS",
        "TCP and UDP on one number share a listener, and only a plain TCP listener becomes TLS. The certificate is "
        "passed over without an event, and clients that expect TLS meet plain TCP.",
        "LBC model_build_listener.go",
        merged_port_without_tls,
    ),
    Rule(
        "UDPLB309",
        Severity.REJECT,
        "ssl-ports names a UDP port",
        "An NLB has no TLS (or DTLS) on UDP. The word has no effect, and the port is not encrypted.",
        "LBC model_build_listener.go",
        udp_port_listed,
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
        "UDPLB340",
        Severity.REJECT,
        "Unknown ALPN policy",
        "The controller compares the policy's name exactly.",
        "LBC model_build_listener.go",
        refused("UDPLB340", "write None, HTTP1Only, HTTP2Only, HTTP2Optional or HTTP2Preferred"),
    ),
    Rule(
        "UDPLB342",
        Severity.WARN,
        "A certificate without ssl-ports",
        "Without ssl-ports every TCP port gets TLS, and no UDP port does.",
        "LBC model_build_listener.go",
        certificate_for_all,
    ),
)
