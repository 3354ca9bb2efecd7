"""The policy's answers about pods: what to change, what to say, and why a pod is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webhook.policy.cluster import Cluster, Namespace
from webhook.policy.finding import Decision, Edit, Finding, Waivers
from webhook.policy.pod import advice, rules, templates
from webhook.policy.pod.annotations import misplaced
from webhook.policy.pod.injection import Facts, Inject, Skip, decide, gather
from webhook.policy.pod.insertion import insertion, removal, uninjection
from webhook.policy.pod.objects import is_owned, parse_pod
from webhook.policy.pod.resources import Resources
from webhook.policy.pod.rules import SKIPS, SkipReason
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand

_TOLD_ON_DRY_RUN = frozenset(
    {SkipReason.TARGET_TYPE_INSTANCE, SkipReason.CHECK_PORT_ELSEWHERE, SkipReason.NO_UDP_PORT}
)
"""Skips that are right, but worth a word to somebody who asks what the pods will get."""


def needs_lookup(decision: Decision, namespace: Namespace) -> bool:
    """Whether one live list of the namespace's Services is worth its price: nothing else decides.

    Only a namespace that is known to have opted in is asked about.
    """
    return decision.reason == SkipReason.NO_MATCHING_SERVICE and namespace.labels is not None


def mutate(
    raw: Mapping[str, Any],
    namespace: Namespace,
    demands: Sequence[Demand],
    cluster: Cluster,
    lookup_failure: str = "",
) -> Decision:
    """What to change in a new pod; `lookup_failure` is why the live list gave nothing, if it was tried.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    pod = parse_pod(raw)
    matching = [demand for demand in demands if demand.selects(pod.labels)]
    facts = gather(Raw(raw), pod, matching, namespace, cluster, lookup_failure)
    verdict = decide(facts)
    findings = Waivers(cluster.severities).apply(advice.advise(facts, verdict))
    if isinstance(verdict, Inject):
        edits = insertion(facts, verdict)
        return Decision(edits, findings, "" if edits else SkipReason.ALREADY_INJECTED)
    edits = () if verdict.settled else removal(facts, verdict, advice.is_expected(facts, verdict))
    return Decision(edits, findings, verdict.reason)


def uninject(raw: Mapping[str, Any], cluster: Cluster) -> tuple[Edit, ...]:
    """What takes everything of ours out of a pod, or of a template that somebody copied from one.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    return uninjection(gather(Raw(raw), parse_pod(raw), (), Namespace(""), cluster))


def validate(
    raw: Mapping[str, Any],
    namespace: Namespace,
    demands: Sequence[Demand],  # noqa: ARG001 the signature that all answers about pods share
    cluster: Cluster,
) -> Decision:
    """Whether a new pod still holds what `mutate` gave it, after every other webhook.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    pod = parse_pod(raw)
    facts = gather(Raw(raw), pod, (), namespace, cluster)
    if namespace.mode is None or pod.mirror or facts.wishes.inject is False:
        return Decision()
    unreadable = () if pod.owned else advice.unreadable(facts)
    return Decision(findings=Waivers(cluster.severities).apply((*unreadable, *advice.verify(facts))))


def preview(
    kind: str,
    raw: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    namespace: Namespace,
    demands: Sequence[Demand],
    cluster: Cluster,
    dry_run: bool,
) -> Decision:
    """What the pods of a workload will get, said where a person listens: at the workload.

    Malformed keys are refused only where somebody writes them now: on CREATE (`old` is None), or where
    the update changes the template's keys, and never in what a controller owns.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    metadata = Raw(raw).map("metadata")
    owned = is_owned(metadata)
    if not templates.path_of(kind) or (kind == "Job" and owned):
        return Decision()
    template = templates.template_of(kind, raw)
    pod = parse_pod(template.fields)
    written = old is None or templates.keys_changed(kind, raw, old)
    pod = replace(pod, owned=owned or not written)
    matching = templates.selecting(kind, metadata.text("name"), pod.labels, demands)
    facts = gather(template, pod, matching, namespace, cluster)
    verdict = decide(facts)
    said = [*advice.advise(facts, verdict), *(_told(facts, verdict) if dry_run else ())]
    outside = misplaced(metadata, ".".join(templates.path_of(kind))) if namespace.mode else ()
    findings = Waivers(cluster.severities).apply((*outside, *_inside(kind, said)))
    return Decision((), findings, verdict.reason if isinstance(verdict, Skip) else "")


def _told(facts: Facts, verdict: Inject | Skip) -> Iterator[Finding]:
    """What a dry run adds: ports, sources and cost, or why there is none of it."""
    if isinstance(verdict, Skip):
        if verdict.reason in _TOLD_ON_DRY_RUN and not advice.is_expected(facts, verdict):
            yield SKIPS[verdict.reason].skipped()
        return
    ports = ", ".join(f"{number} ({source})" for number, source in verdict.plan.ports.items())
    yield rules.PREVIEW.finding(
        "spec",
        f"each pod gets a sidecar that listens on TCP {ports}{_cost(verdict.resources)}{_delay(facts)}",
    )


def _delay(facts: Facts) -> str:
    return f"; its end may take {facts.wishes.drain} s longer" if facts.wishes.drain else ""


def _cost(resources: Resources | None) -> str:
    if resources is None:
        return ""
    requests, limits = (
        " and ".join(f"{name} {quantity}" for name, quantity in sorted(asked.items()))
        for asked in (resources.requests, resources.limits)
    )
    return f"; it adds requests of {requests}, limits of {limits}"


def _inside(kind: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings with the fields of the workload, where the pod is its template."""
    prefix = ".".join(templates.path_of(kind))
    return (replace(finding, field=f"{prefix}.{finding.field}") for finding in findings)
