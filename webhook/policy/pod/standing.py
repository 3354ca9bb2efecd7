"""How a pod that runs stands beside what today's Services ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.pod.injection import Facts, Inject, Skip, decide, gather
from webhook.policy.pod.objects import parse_pod
from webhook.policy.pod.sight import is_running
from webhook.policy.pod.verify import damage
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand

INTACT = "intact"
ABSENT = "absent"


class Standing(StrEnum):
    """What an operator must know of a running pod."""

    FINE = "fine"
    MISSING = "missing"
    """It should have a sidecar and has none that works."""
    STALE = "stale"
    """Its sidecar answers on other ports than are asked for now."""


def standing(
    raw: Mapping[str, Any], namespace: Namespace, demands: Sequence[Demand], cluster: Cluster
) -> Standing:
    """Of a pod, with the demands of its namespace; one that has ended is fine.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    if not is_running(Raw(raw)):
        return Standing.FINE
    pod = parse_pod(raw)
    matching = [demand for demand in demands if demand.selects(pod.labels)]
    facts = gather(Raw(raw), pod, matching, namespace, cluster)
    verdict = decide(facts)
    if is_missing(facts, verdict):
        return Standing.MISSING
    return Standing.STALE if is_stale(facts, verdict) else Standing.FINE


def condition(facts: Facts) -> str:
    """What stands in the pod: `intact`, `absent`, or what is damaged."""
    status, sidecars = facts.status, facts.pod.sidecars
    if not sidecars:
        return ABSENT
    if status is None or not status.injected:
        return "the pod's own, not udplb's"
    return damage(sidecars, facts.wishes.native, status.ports) or INTACT


def is_missing(facts: Facts, verdict: Inject | Skip) -> bool:
    """Whether it should have a sidecar and has none that works."""
    return isinstance(verdict, Inject) and condition(facts) != INTACT


def is_stale(facts: Facts, verdict: Inject | Skip) -> bool:
    """Whether the status names other ports than today's Services ask for."""
    status = facts.status
    if status is None or not status.injected or not isinstance(verdict, Inject):
        return False
    return set(status.ports) != set(verdict.plan.ports)
