"""W: weighted forwarding to other Services."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.actions import other_services
from webhook.policy.service.annotations import ACTIONS
from webhook.policy.service.demand import demand
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS
from webhook.policy.service.rules.refused import refused

SOURCE = "LBC pkg/service/config_types.go"


def backends_without_sidecars(facts: Facts) -> Iterator[Fault]:
    """A backend's pods are probed like our own, but get a sidecar by their own load balancer only."""
    known = {other.name: other for other in facts.siblings}
    for listener in facts.model.listeners:
        if listener.protocol not in UDP_PROTOCOLS:
            continue
        for name in other_services(facts.service, listener.protocol, listener.port):
            asked = demand(known[name], facts.cluster) if name in known else None
            if asked is None or not asked.udp or asked.instance:
                field = annotation_field(f"{ACTIONS}{listener.protocol}-{listener.port}")
                reason = f"{name} is no UDP load balancer that udplb cares for, so its pods get no sidecar and stay red"
                fix = f"annotate them {keys.PORTS} with the numbers they listen on"
                yield Fault(field, reason, fix, name)


def gate_off(facts: Facts) -> Iterator[Fault]:
    if facts.cluster.gate("WeightedTargetGroups", default=True):
        return
    for listener in facts.model.listeners:
        key = f"{ACTIONS}{listener.protocol}-{listener.port}"
        if tuple(other_services(facts.service, listener.protocol, listener.port)):
            reason = "the controller was started without weighted target groups and fails at several"
            fix = "start it with WeightedTargetGroups=true, or remove the annotation"
            yield Fault(annotation_field(key), reason, fix, facts.service.annotations[key])


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB352",
        Severity.REJECT,
        "The action is no forward action",
        "An actions annotation holds a JSON object of type forward.",
        SOURCE,
        refused("UDPLB352", 'write {"type":"forward","forwardConfig":{…}}'),
        waivable=False,
    ),
    Rule(
        "UDPLB353",
        Severity.REJECT,
        "The forward action has no forwardConfig",
        "The controller crashes on it and recovers: there is no event, and it tries for ever.",
        "LBC pkg/service/enhanced_backend_builder.go",
        refused("UDPLB353", "add forwardConfig with its targetGroups, or remove the annotation"),
        waivable=False,
    ),
    Rule(
        "UDPLB354",
        Severity.REJECT,
        "A weighted target group is incomplete",
        "Each names either a target group's ARN or a Service with a port, and where there are several each has a "
        "weight from 0 to 999.",
        SOURCE,
        refused("UDPLB354", "complete the target group"),
        waivable=False,
    ),
    Rule(
        "UDPLB355",
        Severity.WARN,
        "Pods of a weighted backend get no sidecar",
        "The annotations of this Service, its health check included, hold for the backend's target group as well. "
        "udplb knows load balancers; pods behind any other Service must name their ports themselves.",
        "LBC model_build_target_group.go",
        backends_without_sidecars,
    ),
    Rule(
        "UDPLB358",
        Severity.REJECT,
        "Weighted target groups are switched off",
        "With the gate WeightedTargetGroups off (lbc.featureGates) the controller refuses a listener of several target "
        "groups when it deploys it.",
        "LBC pkg/deploy/elbv2/listener_utils.go",
        gate_off,
    ),
)
