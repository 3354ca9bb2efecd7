"""One review of a Service: what is left alone, what is set or put back, and what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.finding import Action, Decision, Edit, Waivers
from webhook.policy.service.build import build
from webhook.policy.service.check import check, run
from webhook.policy.service.defaults import CLASS, defaults
from webhook.policy.service.demand import demand
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service, parse_service
from webhook.policy.service.owners import Ownership, owner
from webhook.policy.service.rules import LEAVING, leaving_alone, no_load_balancer
from webhook.policy.service.sight import NOTHING, Sight
from webhook.policy.service.update import restore

Object = Mapping[str, Any]


def mutate(
    raw: Object,
    old: Object | None,
    namespace: Namespace,
    siblings: Sequence[Service],
    cluster: Cluster,
    pods: Sight | None = None,
) -> Decision:
    """What to set on a Service at CREATE, what to put back at UPDATE, and every finding, early.

    `pods` are those behind it, None where nobody looks at them now.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    service, before = _parse(raw, old, namespace)
    left = _left_alone(raw, old, service, before, namespace, cluster)
    if left is not None:
        return left
    others = _others(service, siblings)
    was = None if before is None else _facts(before, namespace, cluster, others)
    edits = defaults(service, namespace, cluster) if was is None else restore(was, service)
    facts = _facts(with_edits(service, edits), namespace, cluster, others)
    return _verdict(replace(facts, written=service, edits=edits, before=was, new=was is None), pods)


def validate(
    raw: Object,
    old: Object | None,
    namespace: Namespace,
    siblings: Sequence[Service],
    cluster: Cluster,
    pods: Sight = NOTHING,
) -> Decision:
    """Every finding of the final object, whatever other webhooks made of it; `pods` are those behind it.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    return final(raw, old, namespace, siblings, cluster).verdict(pods)


@dataclass(frozen=True, slots=True)
class Final:
    """A final object, read once: first it tells whose pods it wants in sight, then what they show."""

    read: Facts | Decision
    """The facts, or why it is left alone."""

    @property
    def selector(self) -> Mapping[str, str]:
        """Of the pods behind it; empty where none matter."""
        if isinstance(self.read, Decision):
            return {}
        service = self.read.service
        asked = demand(service, self.read.cluster, self.read.model)
        return service.selector if asked is not None and asked.udp and not asked.instance else {}

    def verdict(self, pods: Sight = NOTHING) -> Decision:
        if isinstance(self.read, Decision):
            return self.read
        return _verdict(self.read, pods)


def final(
    raw: Object, old: Object | None, namespace: Namespace, siblings: Sequence[Service], cluster: Cluster
) -> Final:
    """What `validate` judges, where the pods are yet to be asked for.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    service, before = _parse(raw, old, namespace)
    left = _left_alone(raw, old, service, before, namespace, cluster)
    if left is not None:
        return Final(replace(left, edits=()))
    others = _others(service, siblings)
    was = None if before is None else _facts(before, namespace, cluster, others)
    missing = defaults(service, namespace, cluster) if was is None else ()
    facts = _facts(service, namespace, cluster, others)
    return Final(replace(facts, missing=missing, before=was, new=was is None))


def examine(
    raw: Object,
    namespace: Namespace,
    siblings: Sequence[Service],
    cluster: Cluster,
    pods: Sight = NOTHING,
) -> Decision:
    """Every finding of a Service that exists, where nobody changes it now; `pods` run behind it.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    service = parse_service(raw, namespace.name)
    left = _left_alone(raw, None, service, None, namespace, cluster)
    if left is not None:
        return left
    facts = _facts(service, namespace, cluster, _others(service, siblings))
    found, broken = check(replace(facts, pods=pods))
    return Decision(findings=_allowance(service).apply(found), broken=broken)


def _parse(raw: Object, old: Object | None, namespace: Namespace) -> tuple[Service, Service | None]:
    """The new object and the load balancer that it was before; None where none existed."""
    service = parse_service(raw, namespace.name)
    before = parse_service(old, namespace.name) if old is not None else None
    existed = before is not None and before.type == "LoadBalancer"
    return service, before if existed else None


def _left_alone(
    raw: Object,
    old: Object | None,
    service: Service,
    before: Service | None,
    namespace: Namespace,
    cluster: Cluster,
) -> Decision | None:
    """A request that is none of our business, with the reason."""
    was_deleting = old is not None and bool((old.get("metadata") or {}).get("deletionTimestamp"))
    if service.deleting or was_deleting:
        return Decision(reason="deleting")
    if old is not None and _unchanged(raw, old):
        return Decision(reason="unchanged")
    if not service.is_udp_load_balancer and old is None:
        said = _waivers(service, cluster).apply(no_load_balancer(service, cluster))
        return Decision(findings=said, reason="no_udp_port")
    if not service.is_udp_load_balancer:
        return _leaving("no_udp_port", service, before, namespace, cluster)
    if service.annotations.get(keys.INJECT) == "false":
        return _leaving("opted_out", service, before, namespace, cluster)
    kept = _with_its_class(service, before)
    if owner(kept, cluster) is Ownership.FOREIGN:
        said = leaving_alone(kept, before, cluster)
        return Decision(findings=_waivers(service, cluster).apply(said), reason="foreign_class")
    return None


def _with_its_class(service: Service, before: Service | None) -> Service:
    """A class that the update merely drops still says whose the Service is."""
    if before is None or service.load_balancer_class is not None:
        return service
    return replace(service, load_balancer_class=before.load_balancer_class)


def _leaving(
    reason: str, service: Service, before: Service | None, namespace: Namespace, cluster: Cluster
) -> Decision:
    """Left alone from now on. What we wrote on a load balancer that was in our care until now is not lost by
    that, and a live one is not let go silently. The class is never lost: the API server would refuse that.
    """
    if before is None:
        return Decision(reason=reason)
    leaves = before.is_udp_load_balancer and before.annotations.get(keys.INJECT) != "false"
    was = _facts(before, namespace, cluster)
    back = restore(was, service) if service.type == "LoadBalancer" else ()
    if reason == "opted_out" or not leaves:
        back = tuple(edit for edit in back if edit.code == CLASS)
    if not leaves or not before.live:
        return Decision(back, reason=reason)
    after = _facts(with_edits(service, back), namespace, cluster)
    said, broken = run(LEAVING[reason], replace(after, before=was))
    return Decision(back, _waivers(service, cluster).apply(said), reason, tuple(broken))


def _unchanged(raw: Object, old: Object) -> bool:
    try:
        return _concerns(raw) == _concerns(old)
    except RecursionError:  # nested deeper than any Service; parsing then decides
        return False


def _concerns(raw: Object) -> tuple[Any, Any, Any]:
    metadata = raw.get("metadata") or {}
    return raw.get("spec"), metadata.get("labels") or {}, metadata.get("annotations") or {}


def _others(service: Service, siblings: Sequence[Service]) -> tuple[Service, ...]:
    return tuple(other for other in siblings if other.name != service.name)


def _verdict(facts: Facts, pods: Sight | None) -> Decision:
    before = None if facts.before is None else replace(facts.before, pods=pods)
    found, broken = check(replace(facts, pods=pods, before=before))
    decided = Decision(facts.edits, _allowance(facts.written).apply(found), broken=broken)
    return replace(decided, edits=()) if decided.rejected else decided


def _facts(
    service: Service, namespace: Namespace, cluster: Cluster, siblings: tuple[Service, ...] = ()
) -> Facts:
    model = build(service, cluster, siblings)
    return Facts(service, service, namespace, cluster, model, owner(service, cluster), siblings)


def _allowance(written: Service) -> Waivers:
    """The Service's own word; `check` has heard the cluster's."""
    return Waivers(allowed=frozenset(gosyntax.parse_list(written.annotations.get(keys.ALLOW, ""))))


def _waivers(written: Service, cluster: Cluster) -> Waivers:
    return replace(_allowance(written), severities=cluster.severities)


def with_edits(service: Service, edits: Sequence[Edit]) -> Service:
    """The view of the Service after our edits."""
    annotations = dict(service.annotations)
    changed: dict[str, Any] = {}
    for edit in edits:
        match edit.path:
            case ("metadata", "annotations", str(key)) if edit.action is Action.REMOVE:
                annotations.pop(key, None)
            case ("metadata", "annotations", str(key)):
                annotations[key] = str(edit.value)
            case ("spec", "loadBalancerClass"):
                changed["load_balancer_class"] = edit.value
            case _:
                changed["external_traffic_policy"] = edit.value
    return replace(service, annotations=annotations, **changed)
