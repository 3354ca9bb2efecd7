"""The decision about one pod: a sidecar, or the reason for none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.pod.annotations import Wishes, read_wishes
from webhook.policy.pod.change import SYSCTL, is_believable
from webhook.policy.pod.objects import CONTAINERS, SIDECAR_NAME, Pod
from webhook.policy.pod.ports import NOTHING, Plan, plan
from webhook.policy.pod.resources import Resources, fit
from webhook.policy.pod.rules import SkipReason
from webhook.policy.pod.status import Before, Status, parse_status
from webhook.policy.pod.verify import PLACES, served_ports
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one pod under review; `demands` are those that select it.

    `ours` tells whether the containers of our name are ours, as far as the status tells; `changed` is what an
    earlier pass changed beside them.
    """

    spec: Raw
    pod: Pod
    wishes: Wishes
    status: Status | None
    ours: bool
    changed: Mapping[str, Before]
    demands: Sequence[Demand]
    namespace: Namespace
    cluster: Cluster
    lookup_failure: str = ""


@dataclass(frozen=True, slots=True)
class Inject:
    """The pod gets, or keeps, a sidecar on these ports.

    `resources` are those of a container that has to be put in, None where one stands in its place.
    """

    plan: Plan
    resources: Resources | None


@dataclass(frozen=True, slots=True)
class Skip:
    """The pod gets no sidecar; where it is `settled`, it is not even looked at for what we left in it."""

    reason: SkipReason
    plan: Plan = NOTHING
    settled: bool = False


def gather(
    raw: Raw,
    pod: Pod,
    demands: Sequence[Demand],
    namespace: Namespace,
    cluster: Cluster,
    lookup_failure: str = "",
) -> Facts:
    """The facts about a pod that these demands select."""
    spec, status = raw.map("spec"), parse_status(pod.annotations.get(keys.STATUS))
    ours = status is not None and _is_ours(status, spec)
    return Facts(
        spec=spec,
        pod=pod,
        wishes=read_wishes(pod),
        status=status,
        ours=ours,
        changed=_changed(status, pod) if status and ours else {},
        demands=demands,
        namespace=namespace,
        cluster=cluster,
        lookup_failure=lookup_failure,
    )


def _is_ours(status: Status, spec: Raw) -> bool:
    """Where no other container is there they are not: a pod that loses its last one is refused."""
    return status.injected and {one.text("name") for one in spec.maps(CONTAINERS)} != {SIDECAR_NAME}


def _changed(status: Status, pod: Pod) -> Mapping[str, Before]:
    """What the status says and may be believed.

    A sysctl of another value than ours is by now somebody else's: who opens more ports needs them.
    """
    changed = {name: before for name, before in status.changed.items() if is_believable(name, before)}
    if SYSCTL in changed and pod.port_start != str(min(status.ports)):
        del changed[SYSCTL]
    return changed


def decide(facts: Facts) -> Inject | Skip:
    """Whether the pod gets a sidecar, and on which ports."""
    for reason, applies in _SETTLED:
        if applies(facts):
            return Skip(reason, settled=True)
    if facts.wishes.faults:
        return Skip(SkipReason.MALFORMED_ANNOTATION)
    planned = plan(facts.pod, facts.wishes, facts.demands, facts.cluster.trigger)
    if planned.reason is SkipReason.NO_MATCHING_SERVICE and facts.lookup_failure:
        return Skip(SkipReason(facts.lookup_failure), settled=facts.ours)
    if planned.reason is not None:
        return Skip(planned.reason, planned)
    for reason, applies in _OBSTACLES:
        if applies(facts):
            return Skip(reason, planned)
    if stands(facts):
        return Inject(planned, None)
    resources = fit(facts.spec, facts.cluster.sidecar, facts.namespace.limit_ranges)
    return Inject(planned, resources) if resources else Skip(SkipReason.NO_ROOM, planned)


def stands(facts: Facts) -> bool:
    """Whether one container of ours, intact or not, stands in the list that it belongs to."""
    places = [sidecar.place for sidecar in facts.pod.sidecars]
    return places == [PLACES[facts.wishes.native]]


def _newer(facts: Facts) -> bool:
    status, sidecars = facts.status, facts.pod.sidecars
    if status is None or not status.newer_than(facts.cluster.version):
        return False
    return len(sidecars) == 1 and bool(served_ports(sidecars[0].container.args))


Applies = Callable[[Facts], bool]

_SETTLED: tuple[tuple[SkipReason, Applies], ...] = (
    (SkipReason.NAMESPACE_NOT_ENABLED, lambda facts: facts.namespace.mode is None),
    (SkipReason.MIRROR_POD, lambda facts: facts.pod.mirror),
    (SkipReason.DISABLED_BY_POD, lambda facts: facts.wishes.inject is False),
    (SkipReason.ALREADY_INJECTED, _newer),
)
_OBSTACLES: tuple[tuple[SkipReason, Applies], ...] = (
    (SkipReason.HOST_NETWORK, lambda facts: facts.pod.host_network),
    (SkipReason.WINDOWS, lambda facts: facts.pod.windows),
    (SkipReason.FOREIGN_CONTAINER, lambda facts: bool(facts.pod.sidecars) and not facts.ours),
    (
        SkipReason.WOULD_NEVER_COMPLETE,
        lambda facts: not facts.wishes.native and facts.pod.restart_policy != "Always",
    ),
)
