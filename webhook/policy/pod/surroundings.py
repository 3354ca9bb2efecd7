"""What the pod itself needs for the sidecar: a sysctl, pull secrets, a share at the pod level, kubectl's default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.policy.finding import Action, Edit
from webhook.policy.pod.change import CODE, DEFAULT_CONTAINER, SYSCTL, Change, annotation, pull_secret, share
from webhook.policy.pod.injection import Facts, Inject
from webhook.policy.pod.objects import PORT_START
from webhook.policy.pod.resources import Resources, parse_quantity, raised
from webhook.policy.pod.status import Before

FIRST_OPEN_PORT = 1024
"""Below it a process without root binds only where the pod's sysctl, or the runtime, lets it."""


def changes(facts: Facts, inject: Inject) -> Iterator[Change]:
    """All of them."""
    yield from _sysctl(facts, inject)
    yield from _pull_secrets(facts)
    yield from _shares(facts, inject.resources)
    yield from _default_container(facts)


def lowest_port(inject: Inject) -> int:
    """The lowest number that the sidecar listens on."""
    return min(inject.plan.ports)


def opened_port(facts: Facts, inject: Inject) -> str:
    """The lowest port to be opened by a sysctl of ours; empty where none is needed, or not ours to set."""
    lowest = lowest_port(inject)
    if lowest >= FIRST_OPEN_PORT or facts.pod.fargate:
        return ""
    return str(lowest) if facts.pod.port_start is None or SYSCTL in facts.changed else ""


def _sysctl(facts: Facts, inject: Inject) -> Iterator[Change]:
    lowest, start = opened_port(facts, inject), facts.pod.port_start
    if not lowest:
        return
    path = ("spec", "securityContext", "sysctls")
    says = f"{PORT_START} would be set to {lowest}"
    if start is None:
        entry = {"name": PORT_START, "value": lowest}
        yield Change(SYSCTL, None, Edit(CODE, (*path, -1), entry, Action.INSERT, says))
    elif start == lowest:
        yield Change(SYSCTL)
    else:
        names = [entry.text("name") for entry in facts.spec.map("securityContext").maps("sysctls")]
        edit = Edit(CODE, (*path, names.index(PORT_START), "value"), lowest, says=says)
        yield Change(SYSCTL, None, edit)


def _pull_secrets(facts: Facts) -> Iterator[Change]:
    wanted = facts.cluster.sidecar.pull_secrets
    present = {secret.text("name") for secret in facts.spec.maps("imagePullSecrets")} if wanted else ()
    for secret in wanted:
        name = pull_secret(secret)
        if secret not in present:
            path = ("spec", "imagePullSecrets", -1)
            says = f"the pull secret {secret} would be added"
            yield Change(name, None, Edit(CODE, path, {"name": secret}, Action.INSERT, says))
        elif name in facts.changed:
            yield Change(name)


def _shares(facts: Facts, resources: Resources | None) -> Iterator[Change]:
    """Pod-level requests below the containers' sum are refused by the API server, whatever failurePolicy.

    `resources` are those of a container to be put in; what stood beside an earlier one is not raised again.
    """
    pod = facts.spec.map("resources")
    if not pod.fields:
        return
    for kind in ("requests", "limits"):
        ours = getattr(resources, kind) if resources and not facts.pod.sidecars else {}
        more = raised(pod, kind, ours)
        for key, present in pod.map(kind).fields.items():
            name = share(kind, key)
            if name in facts.changed and (
                key not in ours or _is_sum(facts.changed[name], ours[key], present)
            ):
                yield Change(name, facts.changed[name])
            elif key in more:
                says = f"the sidecar's share would be added: {more[key]}"
                yield Change(
                    name, present, Edit(CODE, ("spec", "resources", kind, key), more[key], says=says)
                )


def _is_sum(before: Before, ours: str, present: Any) -> bool:
    """Whether the share is in it by now: the status alone proves nothing, it may be a copy."""
    one, other, both = (parse_quantity(str(text)) for text in (before, ours, present))
    return one is not None and other is not None and one + other == both


def _default_container(facts: Facts) -> Iterator[Change]:
    """kubectl takes the first container, which another webhook may push aside; never a native sidecar."""
    if facts.wishes.native or not facts.pod.applications:
        return
    name = annotation(DEFAULT_CONTAINER)
    if DEFAULT_CONTAINER not in facts.pod.annotations:
        first = facts.pod.applications[0].name
        path = ("metadata", "annotations", DEFAULT_CONTAINER)
        yield Change(name, None, Edit(CODE, path, first, says=f"would be set to {first}"))
    elif name in facts.changed:
        yield Change(name)
