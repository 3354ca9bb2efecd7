"""Manifests that are applied together, decided as the webhook would decide them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from webhook import patch
from webhook.cli.objects import load_balancers
from webhook.cli.sources import Item
from webhook.handlers import AUDIT, POD, SERVICE, WORKLOADS
from webhook.policy import keys
from webhook.policy.cluster import Cluster, LimitRange, Namespace, parse_limit_range
from webhook.policy.finding import Decision, Edit, Finding, Severity, shortened
from webhook.policy.pod import decision as pods
from webhook.policy.pod import templates
from webhook.policy.pod.sight import of_template
from webhook.policy.raw import MalformedObject
from webhook.policy.service import decision as services
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import parse_service
from webhook.policy.service.sight import PodInSight, Sight

SYSTEM = "kube-system"


@dataclass(frozen=True, slots=True)
class Said:
    """One line about an object or, where `item` is None, about a namespace."""

    sentence: str
    item: Item | None = None
    finding: Finding | None = None

    def __str__(self) -> str:
        return f"{self.item}: {self.sentence}" if self.item else self.sentence

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"message": self.sentence}
        if self.item:
            told |= {"kind": self.item.kind, "namespace": self.item.namespace, "name": self.item.name}
        if self.finding:
            told |= finding_to_json(self.finding)
        return told


def finding_to_json(finding: Finding) -> dict[str, str]:
    """A finding for machines; `field` is the whole path."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "field": finding.field,
        "reason": finding.reason,
        "fix": finding.fix,
    }


@dataclass(slots=True)
class Release:
    """Manifests that are applied together: Services first, since they say what their pods need."""

    items: Sequence[Item]
    old_items: Sequence[Item]
    cluster: Cluster
    said: list[Said] = field(default_factory=list)
    rejected: bool = False
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    """Those that opted in."""
    decisions: dict[tuple[str, str, str], Decision] = field(default_factory=dict)
    """By the identity of the object."""
    _demands: dict[str, list[Demand]] = field(default_factory=dict)

    def decide(self) -> None:
        """Put the edits into the documents, and what is to be said into `said`."""
        before = {item.identity: item.raw for item in self.old_items}
        self.namespaces = self._namespaces()
        known = [item for item in self.items if item.type in _DECIDE]
        for name in dict.fromkeys(item.namespace for item in known):
            if name not in self.namespaces:
                self.said.append(Said(_left_alone(name)))
        for item in sorted(known, key=lambda item: item.type not in SERVICE):
            namespace = self.namespaces.get(item.namespace)
            if namespace is not None:
                self._decide(item, before.get(item.identity), namespace)

    def _decide(self, item: Item, old: Mapping[str, Any] | None, namespace: Namespace) -> None:
        try:
            self._take(item, _DECIDE[item.type](self, item, old, namespace), namespace)
        except MalformedObject as malformed:
            sentence = f"{malformed}: the API server refuses a value of this type; give it the right one"
            self.said.append(Said(sentence, item))
            self.rejected = True

    def _namespaces(self) -> dict[str, Namespace]:
        """The namespaces that opted in, by the documents that describe them, if there are any."""
        described: dict[str, Mapping[str, str] | None]
        described = {item.name: item.labels for item in self.items if item.type == ("", "Namespace")}
        if not described:  # whatever their labels are, unknown as they are
            described = dict.fromkeys(item.namespace for item in self.items)
        found = (Namespace(name, labels, self._limits(name)) for name, labels in described.items())
        return {one.name: one for one in found if one.mode and one.name != SYSTEM}

    def _limits(self, namespace: str) -> tuple[LimitRange, ...]:
        ranges: tuple[LimitRange, ...] = ()
        for item in self.items:
            if item.type == ("", "LimitRange") and item.namespace == namespace:
                with suppress(MalformedObject):  # the API server's business
                    ranges += parse_limit_range(item.raw)
        return ranges

    def _take(self, item: Item, decision: Decision, namespace: Namespace) -> None:
        audited = namespace.mode == AUDIT
        if audited:
            changes = (edit for edit in decision.edits if edit.says)
            self.said += (
                Said(f"{AUDIT}: {edit.code} {shortened(edit.field)}: {edit.says}", item) for edit in changes
            )
        for finding in decision.findings:
            rejects = "rejected: " if finding.severity is Severity.REJECT else ""
            self.said.append(Said(f"{f'{AUDIT}: ' if audited else rejects}{finding}", item, finding))
        self.decisions[item.identity] = decision
        self.rejected |= decision.rejected and not audited
        item.edit(_counting(decision, namespace))

    def service(self, item: Item, old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        others = (other for other in self.items if other.namespace == item.namespace)
        siblings = [other for other in load_balancers(others) if other.name != item.name]
        sight = self._sight(item)
        decision = services.mutate(item.raw, old, namespace, siblings, self.cluster, sight)
        admitted = _edited(item.raw, _counting(decision, namespace))
        asked = demand(parse_service(admitted, item.namespace), self.cluster)
        if asked:
            self._demands.setdefault(item.namespace, []).append(asked)
        return decision

    def admitted(self, item: Item) -> Mapping[str, Any]:
        """The object as it is once the release is applied."""
        decision, namespace = self.decisions.get(item.identity), self.namespaces.get(item.namespace)
        return _edited(item.raw, _counting(decision, namespace)) if decision and namespace else item.raw

    def _sight(self, service: Item) -> Sight:
        """The pods and templates of the release that the Service selects."""
        asked = demand(parse_service(service.raw, service.namespace), self.cluster)
        sight: Counter[PodInSight] = Counter()
        for item in self.items:
            if asked and item.type in POD | WORKLOADS and item.namespace == service.namespace:
                with suppress(MalformedObject):  # said where it is decided about itself
                    template = templates.template_of(item.kind, item.raw)
                    labels = template.map("metadata").strings("labels")
                    if templates.selecting(item.kind, item.name, labels, [asked]):
                        sight[of_template(item.kind, item.raw)] += 1
        return sight

    def pod(self, item: Item, _old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        return pods.mutate(item.raw, namespace, self._demands.get(item.namespace, ()), self.cluster)

    def workload(self, item: Item, old: Mapping[str, Any] | None, namespace: Namespace) -> Decision:
        demands = self._demands.get(item.namespace, ())
        said = pods.preview(item.kind, item.raw, old, namespace, demands, self.cluster, dry_run=True)
        template = templates.template_of(item.kind, item.raw)
        labels = template.map("metadata").strings("labels")
        # The labels that a controller adds are not in the template yet: each pod of it is selected all the same.
        selecting = [
            replace(one, selector=labels)
            for one in templates.selecting(item.kind, item.name, labels, demands)
        ]
        edits = pods.mutate(template.fields, namespace, selecting, self.cluster).edits
        place = templates.path_of(item.kind)
        return Decision(tuple(edit.below(place) for edit in edits), said.findings, said.reason)


Decide = Callable[[Release, Item, Mapping[str, Any] | None, Namespace], Decision]

_DECIDE: dict[tuple[str, str], Decide] = {
    **dict.fromkeys(SERVICE, Release.service),
    **dict.fromkeys(POD, Release.pod),
    **dict.fromkeys(WORKLOADS, Release.workload),
}


def _counting(decision: Decision, namespace: Namespace) -> tuple[Edit, ...]:
    """The edits that are made: none where the object is refused or the namespace only audited."""
    return () if decision.rejected or namespace.mode == AUDIT else decision.edits


def _edited(raw: Mapping[str, Any], edits: Sequence[Edit]) -> Mapping[str, Any]:
    return patch.apply(raw, patch.operations(raw, edits)) if edits else raw


def _left_alone(namespace: str) -> str:
    if namespace == SYSTEM:
        return f"{SYSTEM} is left alone, as by the webhook"
    return (
        f"namespace {namespace} is left alone: no Namespace among these manifests opts it in;"
        f" label it {keys.INJECT}: enabled, or leave every Namespace out"
    )
