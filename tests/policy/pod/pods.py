"""Pods, demands and what a decision makes of a pod, short enough to be read in a table."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webhook.policy.cluster import Cluster, Namespace, Sidecar
from webhook.policy.finding import Action, Decision, Edit
from webhook.policy.pod.decision import mutate
from webhook.policy.service.demand import Demand

IMAGE = "registry.example/udp-healthcheck@sha256:0123"
CLUSTER = Cluster(sidecar=Sidecar(IMAGE), version="0.1.0")
GAMES = Namespace("games", {"udplb/inject": "enabled"})
LABELS = {"app": "echo"}
CONTROLLED = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "echo-5d", "controller": True}]
STATUS = "udplb/status"


def port(text: str) -> dict[str, Any]:
    """`game:5555/UDP`, `5555/UDP` or `80` as an entry of a container's `ports`."""
    name, _, rest = text.rpartition(":")
    number, _, protocol = rest.partition("/")
    entry: dict[str, Any] = {"containerPort": int(number)}
    return entry | ({"protocol": protocol} if protocol else {}) | ({"name": name} if name else {})


def container(*ports: str, name: str = "app", **fields: Any) -> dict[str, Any]:
    entry = {"name": name, "image": f"{name}:1", "ports": [port(text) for text in ports]}
    return entry | fields


def pod(
    *ports: str,
    labels: Mapping[str, str] = LABELS,
    annotations: Mapping[str, str] | None = None,
    owned: bool = True,
    containers: Sequence[dict[str, Any]] = (),
    **spec: Any,
) -> dict[str, Any]:
    """A pod as a Deployment makes it, with one container that declares these ports."""
    metadata: dict[str, Any] = {"generateName": "echo-5d-", "labels": dict(labels)}
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    if owned:
        metadata["ownerReferences"] = CONTROLLED
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": list(containers) or [container(*ports)], **spec},
    }


def balancer(name: str, *probed: int | str, selector: Mapping[str, str] = LABELS, **fields: Any) -> Demand:
    """A UDP load balancer that selects the pod and probes these UDP targets on their own number."""
    return Demand(name, selector, probed=probed, udp=True, **fields)


def apply(raw: Mapping[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    """The object after the edits, one after the other."""
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    for edit in edits:
        target: Any = changed
        for step, following in zip(edit.path, edit.path[1:], strict=False):
            if isinstance(step, str) and target.get(step) is None:
                target[step] = [] if isinstance(following, int) else {}
            target = target[step]
        last = edit.path[-1]
        if edit.action is Action.SET:
            target[last] = copy.deepcopy(edit.value)
        elif edit.action is Action.REMOVE:
            del target[last]
        else:
            target.insert(len(target) if last == -1 else last, copy.deepcopy(edit.value))
    return changed


def admitted(
    raw: Mapping[str, Any],
    demands: Sequence[Demand] = (),
    namespace: Namespace = GAMES,
    cluster: Cluster = CLUSTER,
) -> dict[str, Any]:
    """The pod as the first call leaves it."""
    return apply(raw, mutate(raw, namespace, demands, cluster).edits)


def status(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What our annotation says, empty without it."""
    text = (raw["metadata"].get("annotations") or {}).get(STATUS)
    read: dict[str, Any] = json.loads(text) if text else {}
    return read


def sidecars(raw: Mapping[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """The containers of our name: list, index, container."""
    return [
        (place, index, entry)
        for place in ("containers", "initContainers")
        for index, entry in enumerate(raw["spec"].get(place) or [])
        if entry["name"] == "udp-healthcheck"
    ]


def codes(decision: Decision) -> list[str]:
    return sorted(finding.code for finding in decision.findings)
