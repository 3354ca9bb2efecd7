"""The rules about Services, one module a code family, in the order of their codes."""

from __future__ import annotations

from webhook.policy.cluster import Cluster
from webhook.policy.finding import Finding, Rule
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.rules import (
    attributes,
    health_check,
    ip_families,
    load_balancer,
    own_keys,
    ownership,
    ports,
    target_type,
    traffic_policy,
    transitions,
    weighted,
)

ADVICE: tuple[Rule[Facts], ...] = (*ownership.RULES, *transitions.RULES)
"""What is said of a Service that neither LBC nor Auto Mode serves; it is never changed."""

_FAMILIES: tuple[Rule[Facts], ...] = (
    *ownership.RULES,
    own_keys.KEEP,
    *target_type.RULES,
    *ports.RULES,
    *weighted.RULES,
    *health_check.RULES,
    *attributes.RULES,
    *load_balancer.RULES,
    *ip_families.RULES,
    *traffic_policy.RULES,
    *transitions.RULES,
)

RULES: tuple[Rule[Facts], ...] = (*_FAMILIES, own_keys.allow(frozenset(rule.code for rule in _FAMILIES)))


def leaving_alone(service: Service, cluster: Cluster) -> tuple[Finding, ...]:
    """Why a Service of another vendor's class is left alone."""
    return (ownership.foreign_class(service, cluster),)
