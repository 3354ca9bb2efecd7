"""A: proxy protocol v2, which is made for TCP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.attributes import at_attribute, udp_groups
from webhook.policy.service.rules.refused import refused
from webhook.policy.service.target_groups import PROXY_PROTOCOL


def proxy_protocol(facts: Facts, *, mixed: bool) -> Iterator[Fault]:
    if mixed != any(port.protocol != "UDP" for port in facts.service.ports):
        return
    for port, group in udp_groups(facts):
        if gosyntax.parse_bool(group.attributes.get(PROXY_PROTOCOL, "false")):
            reason = (
                f"datagrams of {group.protocol} {port} would carry a header that UDP servers do not expect"
            )
            fix = "remove it: client addresses are kept for UDP anyway"
            if mixed:
                fix = f"list the TCP ports in {keys.aws('proxy-protocol-per-target-group')}"
            yield at_attribute(facts, port, reason, fix, PROXY_PROTOCOL)


def http_behind_proxy_protocol(facts: Facts) -> Iterator[Fault]:
    http = any(group.health_check.protocol != "TCP" for group in facts.model.target_groups)
    for fault in proxy_protocol(facts, mixed=True) if http else ():
        reason = "its header stands before the HTTP check as well, and the sidecar answers 400: every target is red"
        yield replace(
            fault, reason=reason, fix=f"{fault.fix}, or write {keys.aws('healthcheck-protocol')}: tcp"
        )


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB419",
        Severity.REJECT,
        "Proxy protocol spoils the HTTP check",
        "With proxy protocol v2 on a target group its checks begin with the header as well. A TCP check still "
        "succeeds, an HTTP check gets 400.",
        "NLB user guide, load-balancer-target-groups",
        http_behind_proxy_protocol,
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
        "UDPLB540",
        Severity.WARN,
        "Proxy protocol reaches UDP as well",
        "On a Service with TCP and UDP ports the setting counts for both, unless it is given by port.",
        "NLB user guide, load-balancer-target-groups",
        lambda facts: proxy_protocol(facts, mixed=True),
    ),
)
