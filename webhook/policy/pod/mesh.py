"""Service meshes: their proxies answer TCP for every port of the pod unless told to leave ours alone.

A mesh renders the exclusions when it injects, which is after our first pass (our configuration's name sorts
first); what it rendered is looked at in the second.

Sources: Istio `tools/istio-iptables` and `pkg/kube/inject`; Linkerd `charts/partials/templates/_proxy-init.tpl`,
`pkg/inject`; Istio ambient `architecture/ambient`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from webhook.policy import keys
from webhook.policy.finding import Edit
from webhook.policy.pod.change import CODE, ISTIO_EXCLUSIONS, LINKERD_EXCLUSIONS, Change, annotation
from webhook.policy.pod.injection import Facts
from webhook.policy.pod.objects import INIT_CONTAINERS

INTERCEPTED, AMBIENT = "intercepted", "ambient"

_DATAPLANE_MODE = "istio.io/dataplane-mode"
_ITEMS = re.compile(r"(?<![^,])\s*+([0-9]{1,5})(?:-([0-9]{1,5}))?\s*+(?![^,])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mesh:
    """One mesh with a proxy in the pod: how it is recognised and how it is told to leave ports alone.

    `switches` are its keys on a namespace or a pod; `init` is the container that redirects, `excluded` and `included` its options.
    """

    proxy: str
    switches: tuple[str, ...]
    exclusions: str
    init: str
    excluded: str
    included: str = ""


_OFF = frozenset({"false", "disabled"})
"""Words that keep the proxy out; any other asks for it (a revision's name, too)."""
MESHES = (
    Mesh("istio-proxy", keys.ISTIO_SWITCHES, ISTIO_EXCLUSIONS, "istio-init", "-d", "-b"),
    Mesh(
        "linkerd-proxy",
        keys.LINKERD_SWITCHES,
        LINKERD_EXCLUSIONS,
        "linkerd-init",
        "--inbound-ports-to-ignore",
    ),
)


_INITS = frozenset(mesh.init for mesh in MESHES)


def changes(facts: Facts, ports: Collection[int]) -> Iterator[Change]:
    """The sidecar's ports among those that a mesh leaves alone, behind what the user wrote there."""
    annotations = facts.pod.annotations
    for mesh in MESHES:
        if not _joins(facts, mesh):
            continue
        name, key = annotation(mesh.exclusions), mesh.exclusions
        written = annotations.get(key, "")
        missing = [str(port) for port in sorted(set(ports) - _covered(written, ports))]
        before = facts.changed.get(name, annotations.get(key))
        if missing:
            merged = ",".join([*([written.rstrip(", ")] if written.strip(", ") else []), *missing])
            edit = Edit(CODE, ("metadata", "annotations", key), merged, says=f"would be set to {merged}")
            yield Change(name, before, edit)
        elif name in facts.changed:
            yield Change(name, before)


def seen(facts: Facts, ports: Collection[int]) -> str:
    """What the status says of a mesh that answers in our place; empty where none does."""
    if intercepted(facts, ports):
        return INTERCEPTED
    return AMBIENT if in_ambient(facts) else ""


def intercepted(facts: Facts, ports: Collection[int]) -> list[int]:
    """Those ports that the arguments which a mesh has rendered by now redirect to its proxy."""
    if not any(starter.name in _INITS for starter in facts.pod.starters):
        return []
    caught = set()
    for container in facts.spec.maps(INIT_CONTAINERS):
        for mesh in MESHES:
            if container.get("name") == mesh.init:
                options = dict(pairwise(container.texts("args")))
                included = options.get(mesh.included, "*")
                redirected = set(ports) if included == "*" else _covered(included, ports)
                caught |= redirected - _covered(options.get(mesh.excluded, ""), ports)
    return sorted(caught)


def in_ambient(facts: Facts) -> bool:
    """Whether ztunnel answers for the pod; its only switch would take mTLS from the pod, so it is left alone."""
    mode = facts.pod.labels.get(_DATAPLANE_MODE) or (facts.namespace.labels or {}).get(_DATAPLANE_MODE)
    return mode == AMBIENT and not any(_joins(facts, mesh) for mesh in MESHES)


def _joins(facts: Facts, mesh: Mesh) -> bool:
    """The proxy is there, or the pod's own switch says so, or else the namespace's."""
    if any(container.name == mesh.proxy for container in facts.pod.applications):
        return True
    pod, namespace = facts.pod, facts.namespace
    for holder in (pod.labels, pod.annotations, namespace.labels or {}, namespace.annotations):
        for key in mesh.switches:
            if key in holder:
                return holder[key] not in _OFF
    return False


def _covered(written: str, ports: Collection[int]) -> set[int]:
    """Those ports that a list of numbers and ranges names: read once, for it may be a quarter of a megabyte."""
    ordered = sorted(ports)
    covered: set[int] = set()
    for first, last in set(_ITEMS.findall(written)):
        covered.update(ordered[bisect_left(ordered, int(first)) : bisect_right(ordered, int(last or first))])
    return covered
