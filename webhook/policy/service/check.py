"""What is said of a Service: `check` runs every rule over the facts of one request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from webhook.policy.finding import Finding, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import Ownership
from webhook.policy.service.rules import ADVICE, RULES


def check(facts: Facts) -> tuple[Finding, ...]:
    """Every finding of the new object, rejections first.

    On an update, a rejection that the old object earns as well is a warning: a Service that was bad
    before the namespace opted in must not be bricked.
    """
    found = list(_found(facts))
    if facts.before is not None and facts.before.service.is_udp_load_balancer:
        earned = {finding.identity for finding in _found(facts.before)}
        found = [_softened(finding) if finding.identity in earned else finding for finding in found]
    return tuple(sorted(found, key=lambda finding: (finding.severity is not Severity.REJECT, finding.code)))


def _found(facts: Facts) -> Iterable[Finding]:
    unserved = facts.ownership in (Ownership.LEGACY, Ownership.NOBODY) and not facts.new
    return (finding for rule in (ADVICE if unserved else RULES) for finding in rule.findings(facts))


def _softened(finding: Finding) -> Finding:
    if finding.severity is not Severity.REJECT:
        return finding
    return replace(finding, severity=Severity.WARN)
