"""What `udplb explain` tells of a pod, or of the pods that a workload makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.cli.objects import KubernetesObject
from webhook.cli.output import Tree
from webhook.cli.release import finding_to_json
from webhook.cli.surroundings import Surroundings
from webhook.policy.finding import Finding
from webhook.policy.pod import decision as pods
from webhook.policy.pod import templates
from webhook.policy.pod.injection import Facts, Inject, Skip, decide, gather
from webhook.policy.pod.network_policies import shut_out
from webhook.policy.pod.objects import parse_pod
from webhook.policy.pod.rules import SKIPS, SkipReason
from webhook.policy.pod.standing import condition, is_missing, is_stale
from webhook.policy.raw import Raw

STALE = "roll the workload, so that its pods are made anew"


@dataclass(frozen=True, slots=True)
class Judged:
    """A pod, or a workload's template, and what is decided about it today."""

    one: KubernetesObject
    facts: Facts
    verdict: Inject | Skip

    @property
    def ports(self) -> Mapping[int, str]:
        """The TCP ports that a sidecar answers on, each with whom it is for."""
        return self.verdict.plan.ports if isinstance(self.verdict, Inject) else {}

    @property
    def missing(self) -> bool:
        """A pod that should have a sidecar and has none that works."""
        return is_missing(self.facts, self.verdict)

    @property
    def condition(self) -> str:
        """What stands in the pod: `intact`, `absent`, or what is damaged."""
        return condition(self.facts)

    @property
    def stale(self) -> bool:
        """Whether the status names other ports than today's Services ask for."""
        return is_stale(self.facts, self.verdict)


def judged(one: KubernetesObject, around: Surroundings) -> Judged:
    """The decision about this pod, or about the pods of this workload.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    template = templates.template_of(one.kind, one.raw) if templates.path_of(one.kind) else Raw(one.raw)
    pod = parse_pod(template.fields)
    matching = templates.selecting(one.kind, one.name, pod.labels, around.demands())
    facts = gather(template, pod, matching, around.namespace, around.cluster)
    return Judged(one, facts, decide(facts))


def story(one: KubernetesObject, around: Surroundings) -> dict[str, Any]:
    """Everything about the pod as JSON. Raises MalformedObject."""
    written = around.written.get((one.kind, one.name), one)
    about = judged(written, around)
    verdict, status = about.verdict, about.facts.status
    numbers = sorted({*about.facts.pod.declared("UDP"), *about.ports})
    policies = [policy.raw for policy in around.of("NetworkPolicy")]
    told: dict[str, Any] = {
        "kind": one.kind,
        "namespace": around.namespace.name,
        "name": one.name,
        "injected": isinstance(verdict, Inject),
        "ports": {str(number): source for number, source in about.ports.items()},
        "skipped": {str(number): str(reason) for number, reason in verdict.plan.skipped.items()},
        "services": sorted(demand.service for demand in about.facts.demands),
        "status": None if status is None else str(status),
        "stale": about.stale,
        "pods": [_pod(pod) for pod in _pods_of(one, around)],
        "networkPolicies": {
            str(number): list(names) for number, names in shut_out(about.facts.pod, numbers, policies).items()
        },
        "findings": [finding_to_json(finding) for finding in _findings(written, around)],
    }
    if isinstance(verdict, Skip):
        told |= {"reason": str(verdict.reason), "code": SKIPS[verdict.reason].code}
    elif verdict.resources:
        told["adds"] = verdict.resources.to_json()
    if around.live and one.kind == "Pod":
        told["sidecar"] = about.condition
    return told


def _pod(about: Judged) -> dict[str, Any]:
    return {
        "name": about.one.name,
        "sidecar": about.condition,
        "stale": about.stale,
        "missing": about.missing,
    }


def _pods_of(one: KubernetesObject, around: Surroundings) -> list[Judged]:
    """The running pods of a workload, by its selector."""
    selector = Raw(one.raw).map("spec").map("selector")
    if not around.live or one.kind == "Pod" or not selector.fields:
        return []
    wanted = selector.strings("matchLabels").items()
    return [judged(pod, around) for pod in around.of("Pod") if wanted <= pod.labels.items()]


def _findings(one: KubernetesObject, around: Surroundings) -> Sequence[Finding]:
    namespace, demands, cluster = around.namespace, around.demands(), around.cluster
    if templates.path_of(one.kind):
        found = pods.preview(one.kind, one.raw, None, namespace, demands, cluster, dry_run=False).findings
    else:
        found = (
            *pods.mutate(one.raw, namespace, demands, cluster).findings,
            *pods.validate(one.raw, namespace, demands, cluster).findings,
        )
    return list(dict.fromkeys(found))


def tree(told: Mapping[str, Any]) -> Tree:
    """The same for people."""
    return Tree(f"{told['kind']} {told['namespace']}/{told['name']}", list(_branches(told)))


def _branches(told: Mapping[str, Any]) -> Iterator[Tree]:
    yield Tree(_verdict(told), [Tree(line) for line in _ports(told)])
    services = ", ".join(told["services"]) or "none with a load balancer"
    yield Tree(f"selected by Services: {services}")
    if "sidecar" in told:
        yield Tree(f"the sidecar in this pod: {told['sidecar']}")
    if told["stale"]:
        yield Tree(f"stale: its status names other ports than its Services now ask for; {STALE}")
    elif told["status"] and told["injected"]:
        yield Tree("not stale: its status names the ports that its Services ask for")
    if told["pods"]:
        lines = (
            f"{pod['name']}: sidecar {pod['sidecar']}{', stale' if pod['stale'] else ''}"
            for pod in told["pods"]
        )
        yield Tree("running pods", list(map(Tree, lines)))
    yield from policy_lines(told["networkPolicies"])


def _verdict(told: Mapping[str, Any]) -> str:
    if not told["injected"]:
        reason = SkipReason(told["reason"])
        return f"no sidecar: {SKIPS[reason].title} ({reason}, {told['code']})"
    cost = told.get("adds")
    if not cost:
        return "a sidecar"
    shares = (
        f"{name} {' and '.join(f'{key} {value}' for key, value in cost[name].items())}" for name in cost
    )
    return f"a sidecar; it adds {', '.join(shares)}"


def _ports(told: Mapping[str, Any]) -> Iterator[str]:
    for number, source in told["ports"].items():
        yield f"answers on TCP {number} for {source}"
    for number, reason in told["skipped"].items():
        yield f"not on TCP {number}: {SKIPS[SkipReason(reason)].title} ({reason})"


def policy_lines(shut: Mapping[str, Sequence[str]]) -> Iterator[Tree]:
    """NetworkPolicies that shut the check out."""
    for number, names in shut.items():
        yield Tree(
            f"NetworkPolicy {', '.join(names)} lets UDP {number} in, and none lets TCP {number} in:"
            f" the check never arrives; add {{protocol: TCP, port: {number}}} to the same rule"
        )
