"""Which TCP ports a pod's targets are probed on, whom each comes from, and which are left alone and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webhook.policy.cluster import Trigger
from webhook.policy.pod.annotations import MAX_PORTS, Wishes
from webhook.policy.pod.objects import Pod
from webhook.policy.pod.rules import SkipReason
from webhook.policy.service.demand import Demand

DECLARED = "declared"
ANNOTATION = "annotation"


@dataclass(frozen=True, slots=True)
class Plan:
    """The ports that the sidecar listens on, each with its source (`service/NAME`, declared, annotation).

    `reason` says why there is none. `unresolved` are target port names that the pod does not declare, each
    with the Service that uses it.
    """

    ports: Mapping[int, str] = field(default_factory=dict)
    skipped: Mapping[int, SkipReason] = field(default_factory=dict)
    unresolved: tuple[tuple[str, str], ...] = ()
    reason: SkipReason | None = None


NOTHING = Plan()
_NO_SERVICE = Plan(reason=SkipReason.NO_MATCHING_SERVICE)


@dataclass(slots=True)
class _Asked:
    """What the load balancers ask of one pod, gathered."""

    ports: dict[int, str] = field(default_factory=dict)
    elsewhere: set[int] = field(default_factory=set)
    unresolved: list[tuple[str, str]] = field(default_factory=list)

    def numbers(self, pod: Pod, demand: Demand, targets: Iterable[int | str]) -> set[int]:
        numbers = set()
        for target in targets:
            if (number := pod.resolve(target, "UDP")) is not None:
                numbers.add(number)
            else:
                self.unresolved.append((demand.service, str(target)))
        return numbers


def plan(pod: Pod, wishes: Wishes, demands: Sequence[Demand], trigger: Trigger) -> Plan:
    """The ports for one pod; `demands` are those that select it.

    `udplb/ports` is final. Where a UDP load balancer selects the pod, the Services decide alone; where
    none does, the UDP ports that the pod declares count, if the trigger lets them.
    """
    if wishes.ports is not None:
        return Plan(dict.fromkeys(wishes.ports, ANNOTATION))
    balancers = sorted((demand for demand in demands if demand.udp), key=lambda demand: demand.service)
    if balancers:
        asked = _asked_by(pod, balancers)
    elif trigger is Trigger.DECLARED_OR_SERVICE and (declared := pod.declared("UDP")):
        asked = _Asked(dict.fromkeys(declared, DECLARED))
    else:
        return _NO_SERVICE
    answered = pod.declared("TCP") | _tcp_targets(pod, demands) | wishes.gates
    served = sorted(asked.ports.keys() - answered)
    ports = {number: asked.ports[number] for number in served[:MAX_PORTS]}
    skipped = dict.fromkeys(sorted(asked.elsewhere - ports.keys()), SkipReason.CHECK_PORT_ELSEWHERE)
    skipped |= dict.fromkeys(sorted(asked.ports.keys() & answered), SkipReason.TCP_PORT_IN_USE)
    skipped |= dict.fromkeys(served[MAX_PORTS:], SkipReason.NO_ROOM)
    reason = None if ports else _why_none(balancers, skipped)
    return Plan(ports, skipped, tuple(asked.unresolved), reason)


def _asked_by(pod: Pod, balancers: Iterable[Demand]) -> _Asked:
    asked = _Asked()
    for demand in balancers:
        source = f"service/{demand.service}"
        probed = asked.numbers(pod, demand, demand.probed)
        elsewhere = asked.numbers(pod, demand, demand.elsewhere)
        if demand.check_port in probed | elsewhere | pod.declared("UDP"):
            probed.add(demand.check_port)
        asked.elsewhere |= elsewhere
        for number in probed:
            asked.ports.setdefault(number, source)
    return asked


def _tcp_targets(pod: Pod, demands: Iterable[Demand]) -> set[int]:
    targets = {pod.resolve(target, "TCP") for demand in demands for target in demand.tcp}
    return {number for number in targets if number is not None}


def _why_none(balancers: Sequence[Demand], skipped: Mapping[int, SkipReason]) -> SkipReason:
    for reason in (SkipReason.TCP_PORT_IN_USE, SkipReason.CHECK_PORT_ELSEWHERE):
        if reason in skipped.values():
            return reason
    if any(demand.instance for demand in balancers):
        return SkipReason.TARGET_TYPE_INSTANCE
    return SkipReason.NO_UDP_PORT
