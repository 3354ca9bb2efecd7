"""K: the other fields of a Service."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.defaults import TRAFFIC_POLICY
from webhook.policy.service.facts import Facts


def not_local(facts: Facts) -> Iterator[Fault]:
    if any(edit.code == TRAFFIC_POLICY for edit in facts.missing):
        reason = "it is not Local, so node ports and external addresses lose the client's address"
        fix = "apply again; if it stays, another webhook changes it, or list it in udplb/keep"
        yield Fault("spec.externalTrafficPolicy", reason, fix, facts.service.external_traffic_policy)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB763",
        Severity.WARN,
        "externalTrafficPolicy is not Local",
        "ip targets work with both. Local keeps client addresses on the other ways in, and keeps a later change to "
        "instance targets possible.",
        "LBC issue 1813",
        not_local,
    ),
)
