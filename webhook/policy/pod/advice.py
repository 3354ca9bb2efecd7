"""What people are told about a pod, each with its code: faults, skips that surprise, what will not work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Finding, Severity, annotation_field
from webhook.policy.pod import mesh, rules
from webhook.policy.pod.annotations import MAX_PORTS
from webhook.policy.pod.drain import AWS_ACTS_WITHIN, sleeps
from webhook.policy.pod.injection import Facts, Inject, Skip
from webhook.policy.pod.objects import PORT_START
from webhook.policy.pod.ports import Plan
from webhook.policy.pod.rules import EXPECTED, SKIPS, SkipReason
from webhook.policy.pod.surroundings import FIRST_OPEN_PORT, lowest_port
from webhook.policy.pod.verify import damage, served_ports

_SAID_ELSEWHERE = frozenset({SkipReason.ALREADY_INJECTED, SkipReason.MALFORMED_ANNOTATION})
"""The first is no fault; the second has a finding for each key."""
_NOT_OURS = frozenset({SkipReason.NAMESPACE_NOT_ENABLED, SkipReason.MIRROR_POD, SkipReason.DISABLED_BY_POD})
"""Pods of which nothing else is said, whatever their keys."""


def advise(facts: Facts, verdict: Inject | Skip) -> Iterator[Finding]:
    """All findings about a pod with this verdict, before anybody's word on severities."""
    if isinstance(verdict, Skip) and verdict.reason in _NOT_OURS:
        yield from _skip(facts, verdict)
        return
    yield from unreadable(facts)
    yield from facts.wishes.notes
    yield from _plan(verdict.plan)
    yield from _split_targets(facts)
    if isinstance(verdict, Skip):
        yield from _skip(facts, verdict)
    else:
        yield from _idle_probes(facts, verdict)
        yield from _low_port(facts, verdict)
        yield from _idle_drain(facts)
        yield from _short_drain(facts)
        yield from _mesh(facts, verdict)


def is_expected(facts: Facts, skip: Skip) -> bool:
    """Whether somebody counts on a sidecar here, so that the skip must be said."""
    return skip.reason in EXPECTED or facts.wishes.inject is True


def unreadable(facts: Facts) -> Iterator[Finding]:
    """The malformed keys: refused where a person writes them, told where a controller owns the pod."""
    for fault in facts.wishes.faults:
        if facts.pod.owned:
            code = SKIPS[SkipReason.MALFORMED_ANNOTATION].code
            reason = f"no sidecar: {fault.reason}"
            yield replace(fault, code=code, severity=Severity.WARN, reason=reason)
        else:
            yield fault


def verify(facts: Facts) -> Iterator[Finding]:
    """What became of the sidecar that the status speaks of."""
    status, sidecars = facts.status, facts.pod.sidecars
    if status is None or not status.injected or status.newer_than(facts.cluster.version):
        return
    if not sidecars:
        yield rules.ABSENT_SIDECAR.finding(
            annotation_field(keys.STATUS),
            "the status says that the sidecar was added, but it is not there",
            "find the webhook that removed it, or delete the annotation from the manifest",
        )
    elif cause := damage(sidecars, facts.wishes.native, status.ports):
        yield rules.BROKEN_SIDECAR.finding(
            f"spec.{sidecars[0].place}[{sidecars[0].index}]",
            f"another webhook damaged the sidecar: {cause}",
            'update that webhook; where it drops restartPolicy, annotate udplb/native-sidecar: "false"',
            cause,
        )


def _skip(facts: Facts, skip: Skip) -> Iterator[Finding]:
    if skip.reason in _SAID_ELSEWHERE:
        return
    if is_expected(facts, skip) or (skip.reason is SkipReason.FOREIGN_CONTAINER and _mismatch(facts, skip)):
        yield SKIPS[skip.reason].skipped()


def _mismatch(facts: Facts, skip: Skip) -> bool:
    """Whether the user's own container of our name leaves a probed port unanswered, as far as it tells."""
    answered = {port.number for own in facts.pod.sidecars for port in own.container.ports}
    for own in facts.pod.sidecars:
        answered |= served_ports(own.container.args)
    return not skip.plan.ports.keys() <= answered


def _plan(plan: Plan) -> Iterator[Finding]:
    for service, name in plan.unresolved:
        yield rules.UNRESOLVED_TARGET.finding(
            "spec.containers",
            f"Service {service} sends UDP to port {name}, which no container declares on UDP",
            f"name a containerPort {name} with protocol: UDP",
            name,
        )
    if SkipReason.NO_ROOM in plan.skipped.values():
        yield rules.TOO_MANY_PORTS.finding(
            "spec.containers",
            f"one sidecar listens on {MAX_PORTS} ports, the pod has more on UDP",
            "name the ports that are probed in udplb/ports",
        )


def _split_targets(facts: Facts) -> Iterator[Finding]:
    """Two target ports of one target group that are two numbers here."""
    for demand in facts.demands:
        for tcp, udp in demand.twins:
            numbers = facts.pod.resolve(tcp, "TCP"), facts.pod.resolve(udp, "UDP")
            if None not in numbers and numbers[0] != numbers[1]:
                yield rules.SPLIT_TARGET.finding(
                    "spec.containers",
                    f"Service {demand.service} sends TCP to {tcp!r}, here {numbers[0]}, and UDP to {udp!r}, here "
                    f"{numbers[1]}, but has one target group for both",
                    "give both container ports one number, or the Service two ports",
                )


def _idle_probes(facts: Facts, inject: Inject) -> Iterator[Finding]:
    """Probes of ports that the sidecar does not listen on."""
    for port in sorted(facts.wishes.probes.keys() - inject.plan.ports.keys()):
        yield rules.IDLE_KEY.finding(
            annotation_field(f"{keys.PROBE_OF_PORT}{port}"),
            f"the sidecar does not listen on TCP {port}",
            f"name another port in the key ({', '.join(map(str, inject.plan.ports))}), or remove it",
        )


def _idle_drain(facts: Facts) -> Iterator[Finding]:
    """A drain that makes no container sleep."""
    if facts.wishes.drain and not any(sleeps(facts)):
        yield rules.IDLE_KEY.finding(
            annotation_field(keys.DRAIN),
            "every container keeps the preStop hook of its own, so that only the grace period grows",
            f"let the hook wait for {facts.wishes.drain} s, or remove the hook",
        )


def _low_port(facts: Facts, inject: Inject) -> Iterator[Finding]:
    start, lowest = facts.pod.port_start, lowest_port(inject)
    if lowest >= FIRST_OPEN_PORT or (_opens(start, lowest) and not facts.pod.fargate):
        return
    move = "let the server listen on a port above 1023"
    if facts.pod.fargate:
        holder, fix = "udplb sets no sysctl on Fargate", move
    else:
        holder, fix = f"{PORT_START} is {start}", f"set it to {lowest} or lower, or {move}"
    yield rules.LOW_PORT.finding(
        "spec.securityContext.sysctls",
        f"the sidecar may not be allowed to listen on {lowest}: {holder}",
        fix,
        start or "",
    )


def _short_drain(facts: Facts) -> Iterator[Finding]:
    """A drain that ends before the load balancer has acted, or while flows stay by its deregistration delay."""
    drain = facts.wishes.drain
    delays = {demand.drain_delay: demand.service for demand in facts.demands if demand.udp}
    longest = max(delays, default=0)
    if not drain or drain >= max(AWS_ACTS_WITHIN, longest):
        return
    if longest > AWS_ACTS_WITHIN:
        why = f"flows stay on a draining target for the {longest} s of Service {delays[longest]}'s deregistration delay"
    else:
        why = f"AWS takes {AWS_ACTS_WITHIN} s and more to move flows away from a target that is deregistered"
    least = max(AWS_ACTS_WITHIN, longest)
    yield rules.SHORT_DRAIN.finding(
        annotation_field(keys.DRAIN),
        f"the application stops after {drain} s and loses what comes later: {why}",
        f'write "{least}s" or more',
        facts.pod.annotations[keys.DRAIN],
    )


def _mesh(facts: Facts, inject: Inject) -> Iterator[Finding]:
    """A proxy that answers the check in the sidecar's place, so that the target is green whatever happens."""
    if caught := mesh.intercepted(facts, inject.plan.ports):
        numbers = ", ".join(map(str, caught))
        yield rules.MESH_INTERCEPTS.finding(
            "spec.initContainers",
            f"the mesh's proxy answers on TCP {numbers}, whatever the sidecar says",
            "let the mesh's webhook run after udplb's (by the name of its configuration), and create the pod again",
        )
    elif mesh.in_ambient(facts):
        yield rules.AMBIENT.finding(
            "metadata.labels[istio.io/dataplane-mode]",
            "Istio's ztunnel accepts TCP on every port, so that the target is green whatever the sidecar says",
            'take the pod out of the mesh with the label istio.io/dataplane-mode: "none", if it may leave mTLS',
        )


def _opens(start: str | None, port: int) -> bool:
    """Whether the pod's sysctl, or ours where it has none, lets the sidecar listen there."""
    if start is None:
        return True
    opened = gosyntax.parse_int32(start)
    return opened is not None and opened <= port
