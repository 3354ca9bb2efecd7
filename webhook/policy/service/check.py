"""What is said of a Service: `check` runs every rule over the facts of one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from webhook.policy.finding import BrokenRule, Finding, Rule, Severity, Waivers
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import Ownership
from webhook.policy.service.rules import ADVICE, RULES

Checked = tuple[tuple[Finding, ...], tuple[BrokenRule, ...]]


def check(facts: Facts) -> Checked:
    """Every finding of the new object as the cluster weighs it, rejections first, and the rules that threw on it.

    On an update, a rejection that the old object earns as well is a warning: a Service that was bad
    before the namespace opted in must not be bricked.
    """
    said, broken = run(_rules_for(facts), facts)
    found = list(Waivers(facts.cluster.severities).apply(said))
    rejecting = {finding.code for finding in found if finding.severity is Severity.REJECT}
    if rejecting and facts.before is not None and facts.before.service.is_udp_load_balancer:
        asked = [rule for rule in _rules_for(facts.before) if rule.code in rejecting]
        earlier, broken_earlier = run(asked, facts.before)
        earned = {finding.identity for finding in earlier}
        found = [
            replace(finding, severity=Severity.WARN) if finding.identity in earned else finding
            for finding in found
        ]
        broken += broken_earlier
    found.sort(key=lambda finding: (finding.severity is not Severity.REJECT, finding.code))
    return tuple(found), tuple(broken)


def run(rules: Sequence[Rule[Facts]], facts: Facts) -> tuple[list[Finding], list[BrokenRule]]:
    """What these rules find. One that throws is a fault of ours, and nobody waits for us to mend it."""
    found: list[Finding] = []
    broken: list[BrokenRule] = []
    for rule in rules:
        try:
            found += rule.findings(facts)
        except Exception as error:
            broken.append(BrokenRule(rule.code, error))
    return found, broken


def _rules_for(facts: Facts) -> Sequence[Rule[Facts]]:
    """Advice alone where neither LBC nor Auto Mode serves the Service, or is about to."""
    unserved = facts.ownership is Ownership.LEGACY or (facts.ownership is Ownership.NOBODY and not facts.new)
    return ADVICE if unserved else RULES
