"""A request to facts, the facts to a decision, the decision to an answer: one handler a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from webhook.admission import AdmissionRequest, Answer, MalformedReview, Response, allowed, denied, patched
from webhook.patch import operations
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.finding import Decision, Severity, shortened
from webhook.policy.pod import decision as pods
from webhook.policy.pod.rules import SkipReason
from webhook.policy.raw import MalformedObject, Raw
from webhook.policy.service import decision as services
from webhook.policy.service.demand import Demand, LookupFailed
from webhook.policy.service.objects import Service
from webhook.policy.service.sight import NOTHING, Sight

AUDIT = "audit"

POD = frozenset({("", "Pod")})
SERVICE = frozenset({("", "Service")})
WORKLOADS = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    }
)
CREATE = frozenset({"CREATE"})
CREATE_UPDATE = frozenset({"CREATE", "UPDATE"})


class NamespaceGetter(Protocol):
    def namespace(self, name: str) -> Namespace:
        """The namespace as cached; its labels are None where the cache does not hold it."""


class ServiceLister(Protocol):
    def services(self, namespace: str) -> Sequence[Service]:
        """The load balancers of a namespace, as cached."""


class DemandLister(Protocol):
    def demands(self, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Demand]:
        """What the cached load balancers ask of pods with these labels; of any pod without labels."""


class LiveDemandLister(Protocol):
    async def live_demands(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Demand]:
        """The same, asked of the API server now. Raises LookupFailed."""


class PodLister(Protocol):
    async def pods(self, namespace: str, selector: Mapping[str, str]) -> Sight:
        """The pods that run behind a selector, as far as they can be seen now."""


class Decide(Protocol):
    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        """The policy's answer. Raises MalformedObject."""


class ClusterGetter(Protocol):
    def __call__(self) -> Cluster:
        """The cluster as it is configured, and as its API server describes itself by now."""


@dataclass(frozen=True, slots=True)
class Handler:
    """One review path: what it is asked about, and who decides."""

    objects: frozenset[tuple[str, str]]
    changes: frozenset[str]
    decide: Decide
    namespaces: NamespaceGetter
    cluster: ClusterGetter

    async def answer(self, request: AdmissionRequest) -> Answer:
        """The answer to one review.

        Raises:
            MalformedReview: what a review of this operation always holds is missing.
        """
        if not self._is_ours(request):
            return Answer(allowed(request), "allowed")
        if request.object is None:
            raise MalformedReview(f"request.object is missing, on {request.operation}")
        if request.operation == "UPDATE" and request.old_object is None:
            raise MalformedReview("request.oldObject is missing, on UPDATE")
        namespace = self.namespaces.namespace(request.namespace)
        mode = namespace.mode
        if mode is None:
            return Answer(allowed(request), "skipped", SkipReason.NAMESPACE_NOT_ENABLED)
        cluster = self.cluster()
        owner = (namespace.labels or {}).get(keys.OWNER) or cluster.owner or ""
        try:
            decision = await self.decide(request, namespace, cluster)
        except MalformedObject:
            return Answer(allowed(request), "skipped", SkipReason.MALFORMED_OBJECT, mode, owner)
        said = in_audit(request, decision) if mode == AUDIT else enforced(request, decision)
        return Answer(*said, decision.reason, mode, owner, decision.findings, decision.broken)

    def _is_ours(self, request: AdmissionRequest) -> bool:
        return (
            (request.group, request.kind) in self.objects
            and request.operation in self.changes
            and not request.subresource
        )


def enforced(request: AdmissionRequest, decision: Decision) -> tuple[Response, str]:
    """Response and outcome where the decision counts."""
    warnings = [str(finding) for finding in decision.findings if finding.severity is Severity.WARN]
    if decision.rejected:
        return denied(request, decision.findings, warnings), "denied"
    changes = operations(request.object, decision.edits) if decision.edits else []
    if changes:
        return patched(request, changes, warnings), "patched"
    return allowed(request, warnings), "skipped" if decision.reason else "allowed"


def in_audit(request: AdmissionRequest, decision: Decision) -> tuple[Response, str]:
    """Response and outcome where nothing is changed or refused, and all is said."""
    changes = [f"{edit.code} {shortened(edit.field)}: {edit.says}" for edit in decision.edits if edit.says]
    said = (*changes, *decision.findings)
    return allowed(request, [f"{AUDIT}: {one}" for one in said]), "skipped" if decision.reason else "allowed"


class PodMutator:
    """Gives a new pod its sidecar, after a live list where the cache alone would say no."""

    def __init__(self, demands: DemandLister, live: LiveDemandLister) -> None:
        self._demands = demands
        self._live = live

    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        raw = request.object
        labels = Raw(raw).map("metadata").strings("labels")
        demands = self._demands.demands(namespace.name, labels)
        decision = pods.mutate(raw, namespace, demands, cluster)
        if not pods.needs_lookup(decision, namespace):
            return decision
        failure = ""
        try:
            demands = await self._live.live_demands(namespace.name, labels)
        except LookupFailed as failed:
            failure = failed.reason
        return pods.mutate(raw, namespace, demands, cluster, failure)


class PodValidator:
    """Judges a new pod as all other webhooks left it."""

    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        return pods.validate(request.object, namespace, (), cluster)


class WorkloadPreviewer:
    """Tells at the workload what its pods will get."""

    def __init__(self, demands: DemandLister) -> None:
        self._demands = demands

    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        demands = self._demands.demands(namespace.name)
        raw, old = request.object, _old(request)
        return pods.preview(request.kind, raw, old, namespace, demands, cluster, request.dry_run)


class ServiceMutator:
    """Sets or puts back what a Service needs, among the namespace's others."""

    def __init__(self, services: ServiceLister) -> None:
        self._services = services

    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        siblings = self._services.services(namespace.name)
        return services.mutate(request.object, _old(request), namespace, siblings, cluster)


class ServiceValidator:
    """Judges a Service as all other webhooks left it, with the pods that run behind it in sight."""

    def __init__(self, services: ServiceLister, pods: PodLister) -> None:
        self._services = services
        self._pods = pods

    async def __call__(self, request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        siblings = self._services.services(namespace.name)
        final = services.final(request.object, _old(request), namespace, siblings, cluster)
        selector = final.selector
        return final.verdict(await self._pods.pods(namespace.name, selector) if selector else NOTHING)


def _old(request: AdmissionRequest) -> Any:
    return request.old_object if request.operation == "UPDATE" else None


class Lookups(ServiceLister, DemandLister, LiveDemandLister, PodLister, Protocol):
    """What the five handlers together ask of the cluster's objects."""


def handlers(cache: Lookups, namespaces: NamespaceGetter, cluster: ClusterGetter) -> Mapping[str, Handler]:
    """The handler of each path."""
    rows: dict[str, tuple[frozenset[tuple[str, str]], frozenset[str], Decide]] = {
        "/mutate/pods": (POD, CREATE, PodMutator(cache, cache)),
        "/mutate/services": (SERVICE, CREATE_UPDATE, ServiceMutator(cache)),
        "/validate/services": (SERVICE, CREATE_UPDATE, ServiceValidator(cache, cache)),
        "/validate/pods": (POD, CREATE, PodValidator()),
        "/validate/workloads": (WORKLOADS, CREATE_UPDATE, WorkloadPreviewer(cache)),
    }
    return {path: Handler(*row, namespaces, cluster) for path, row in rows.items()}
