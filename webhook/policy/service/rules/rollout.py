"""R: what a rollout of the pods does to their targets."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import Ownership

REASON = "a rollout replaces pods faster than AWS registers new targets, which takes minutes"


def no_readiness_gate(facts: Facts) -> Iterator[Fault]:
    labels = facts.namespace.labels
    if not facts.new or facts.targets_nodes:
        return
    if facts.ownership is Ownership.AUTO_MODE:
        fix = "set minReadySeconds (300) on the workload; EKS Auto Mode has no readiness gates"
        yield Fault("spec.selector", REASON, fix)
    elif (
        facts.ownership is Ownership.LBC
        and labels is not None
        and labels.get(keys.READINESS_GATE) != "enabled"
    ):
        fix = f"label the namespace {keys.READINESS_GATE}=enabled before its pods are made"
        yield Fault("metadata.namespace", REASON, fix, facts.namespace.name)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB901",
        Severity.WARN,
        "A rollout does not wait for its targets",
        "Kubernetes goes on as soon as a pod is ready, and AWS needs minutes to register and to check a target. With "
        "the controller's readiness gate a pod is ready when its target is healthy.",
        "LBC docs/deploy/pod_readiness_gate.md, pkg/targetgroupbinding/resource_manager.go",
        no_readiness_gate,
    ),
)
