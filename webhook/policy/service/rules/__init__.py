"""The rules about Services, one module a code family, in the order of their codes."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.policy.cluster import Cluster
from webhook.policy.finding import Finding, Rule
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.rules import (
    adoption,
    attributes,
    fields,
    health_check,
    immutable,
    ip_families,
    legacy,
    live_changes,
    load_balancer,
    named_targets,
    own_keys,
    ownership,
    ports,
    proxy_protocol,
    quic,
    rollout,
    security_groups,
    siblings,
    target_type,
    tls,
    transitions,
    unread_keys,
    weighted,
)

ADVICE: tuple[Rule[Facts], ...] = (*ownership.RULES, *legacy.RULES, *transitions.RULES)
"""What is said of a Service that neither LBC nor Auto Mode serves; it is never changed."""

_FAMILIES: tuple[Rule[Facts], ...] = (
    *ownership.RULES,
    *legacy.RULES,
    own_keys.KEEP,
    own_keys.LABEL,
    *target_type.RULES,
    *ports.RULES,
    *named_targets.RULES,
    *tls.RULES,
    *quic.RULES,
    *weighted.RULES,
    *adoption.RULES,
    *health_check.RULES,
    *unread_keys.RULES,
    *attributes.RULES,
    *proxy_protocol.RULES,
    *load_balancer.RULES,
    *siblings.RULES,
    *security_groups.RULES,
    *ip_families.RULES,
    *fields.RULES,
    *rollout.RULES,
    *transitions.RULES,
    *immutable.RULES,
    *live_changes.RULES,
)

RULES: tuple[Rule[Facts], ...] = (*_FAMILIES, own_keys.allow(frozenset(rule.code for rule in _FAMILIES)))


LEAVING: Mapping[str, tuple[Rule[Facts], ...]] = {
    "no_udp_port": (live_changes.REPLACED, live_changes.LISTENER_GONE, live_changes.NO_LOAD_BALANCER),
    "opted_out": (live_changes.OPTS_OUT,),
}
"""What is said of a live UDP load balancer that is left alone from now on, by the reason."""


def leaving_alone(service: Service, before: Service | None, cluster: Cluster) -> tuple[Finding, ...]:
    """Why a Service of another vendor's class is left alone; its class cannot change either."""
    return (*transitions.class_changed(service, before), ownership.foreign_class(service, cluster))


def no_load_balancer(service: Service, cluster: Cluster) -> tuple[Finding, ...]:
    """What is said of a new Service that is no load balancer, and is taken for one."""
    return ownership.no_load_balancer(service, cluster)
