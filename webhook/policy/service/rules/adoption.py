"""H: the moment in which the first green target takes all the traffic, and the safe way through it."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS
from webhook.policy.service.sight import NOTHING, PodInSight, Sight, listed_owners

ATTRIBUTES = "target-group-attributes"
THRESHOLDS = (
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
)
"""With 100 in both, traffic goes to all targets while any is red; AWS wants the first not below the second."""
ALL = "100"
MOST_OF_A_COMMAND = 130
"""Characters; half a command must not be shown."""
RESTARTABLE = ("deployment", "statefulset", "daemonset")


def unanswered_pods(facts: Facts) -> Iterator[Fault]:
    """How many running pods do not answer, and the steps, of which a bare restart is never one."""
    sight = {pod: count for pod, count in (facts.pods or NOTHING).items() if pod.running}
    asked = demand(facts.service, facts.cluster, facts.model) if sight else None
    if asked is None or not asked.udp:
        return
    silent = {pod: count for pod, count in sight.items() if _unanswered(facts, asked, pod)}
    field = annotation_field(keys.aws(ATTRIBUTES))
    widened = _sends_to_all(facts)
    if silent:
        yield Fault("spec.selector", _count(sight, silent), "go step by step")
        if not widened:
            yield Fault(field, f"step 1: {','.join(f'{name}={ALL}' for name in THRESHOLDS)}")
        yield Fault("spec.selector", f"step 2: with both at {ALL} on AWS, {_roll(facts, silent)}")
    if silent or widened:
        told = (
            "step 3: when all targets are green"
            if silent
            else "all pods in sight answer; if all targets are green"
        )
        yield Fault(
            field, f"{told}, set both target_group_health percentages to off", "removing them resets nothing"
        )


def _unanswered(facts: Facts, asked: Demand, pod: PodInSight) -> bool:
    """Whether the load balancer probes a port of the pod on which neither application nor sidecar answers."""
    probed = {pod.resolve(target, "UDP") for target in asked.probed}
    in_use = {pod.resolve(target, "TCP") for target in _tcp_targets(facts, pod)}
    wanted = probed - {None} - in_use - pod.declared("TCP") - (pod.sidecar or frozenset())
    return bool(wanted) and not pod.unchanging


def _tcp_targets(facts: Facts, pod: PodInSight) -> Iterator[int | str]:
    """TCP target ports of this and the other load balancers in front of the pod: the application listens there."""
    for service in (facts.service, *facts.siblings):
        if service.selector and frozenset(service.selector.items()) <= pod.labels:
            yield from (port.target_port for port in service.ports if port.protocol == "TCP")


def _sends_to_all(facts: Facts) -> bool:
    groups = [group for group in facts.model.target_groups if group.protocol in UDP_PROTOCOLS]
    return all(group.attributes.get(name) == ALL for group in groups for name in THRESHOLDS)


def _count(sight: Sight, silent: Sight) -> str:
    without = sum(count for pod, count in silent.items() if pod.sidecar is None)
    stale = sum(silent.values()) - without
    words = [f"{without} have no sidecar"] if without else []
    words += [f"{stale} have a stale one"] if stale else []
    return (
        f"of {sum(sight.values())} pods in sight {' and '.join(words)} ({listed_owners(silent)}): "
        "the first green target takes all traffic"
    )


def _roll(facts: Facts, silent: Sight) -> str:
    owners = sorted({pod.owner for pod in silent})
    first = owners[0]
    if first.partition("/")[0] not in RESTARTABLE:
        return f"make the pods of {listed_owners(silent)} anew"
    others = f", then {len(owners) - 1} more" if len(owners) > 1 else ""
    command = f"kubectl -n {facts.service.namespace} rollout restart {first}"
    return f"{command if len(command) <= MOST_OF_A_COMMAND else f'roll {listed_owners(silent)}'}{others}"


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB402",
        Severity.WARN,
        "Pods behind the Service do not answer its check",
        "While all targets are red the load balancer sends to all of them. The first one that turns green, by a "
        "rollout, an eviction or a new replica, ends that and takes all the traffic. Two attributes of the target "
        "group let it go to all targets while any is red, until every pod has its sidecar. docs/adopting.md tells it "
        "whole.",
        "NLB user guide, target group health; ELBv2 API, TargetGroupAttribute",
        unanswered_pods,
    ),
)
