"""A pod as the rules about its Services see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from webhook.policy import keys
from webhook.policy.pod.objects import Pod, parse_pod
from webhook.policy.pod.templates import template_of
from webhook.policy.pod.verify import served_ports
from webhook.policy.raw import MalformedObject, Raw
from webhook.policy.service.sight import PodInSight

_ENDED = ("Succeeded", "Failed")


def views(pods: Iterable[Mapping[str, Any]]) -> Iterator[PodInSight]:
    """The views of those that run; one with a field of a wrong type cannot run."""
    for raw in pods:
        with suppress(MalformedObject):
            view = in_sight(raw)
            if view is not None:
                yield view


def of_template(kind: str, raw: Mapping[str, Any]) -> PodInSight:
    """The view of the pods that a workload will make, or of a pod that is not there yet.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    owner = f"{kind.lower()}/{Raw(raw).map('metadata').text('name')}"
    return replace(_view(template_of(kind, raw)), owner=owner, running=False)


def in_sight(raw: Mapping[str, Any]) -> PodInSight | None:
    """The view of a running pod; None for one that has ended or is about to.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    view = Raw(raw)
    return _view(view) if is_running(view) else None


def is_running(pod: Raw) -> bool:
    """Whether it has neither ended nor is about to. Raises MalformedObject."""
    ended = pod.map("status").text("phase") in _ENDED
    return not ended and pod.map("metadata").get("deletionTimestamp") is None


def _view(raw: Raw) -> PodInSight:
    pod = parse_pod(raw.fields)
    return PodInSight(
        owner=_owner(raw.map("metadata"), pod.labels),
        labels=frozenset(pod.labels.items()),
        ports=frozenset(
            (port.protocol, port.name, port.number)
            for container in pod.applications
            for port in container.ports
        ),
        sidecar=_sidecar(pod),
        unchanging=_is_unchanging(pod),
    )


def _owner(metadata: Raw, labels: Mapping[str, str]) -> str:
    """The controller; of a ReplicaSet that bears the pod's template hash the Deployment.

    Source: Kubernetes `pkg/controller/deployment/sync.go`, which names ReplicaSets so.
    """
    for owner in metadata.maps("ownerReferences"):
        if owner.boolean("controller"):
            kind, name = owner.text("kind").lower(), owner.text("name")
            suffix = f"-{labels.get(keys.POD_TEMPLATE_HASH, '')}"
            if kind == "replicaset" and len(suffix) > 1 and name.endswith(suffix):
                return f"deployment/{name.removesuffix(suffix)}"
            return f"{kind}/{name}"
    return f"pod/{metadata.text('name')}"


def _sidecar(pod: Pod) -> frozenset[int] | None:
    if not pod.sidecars:
        return None
    return frozenset(port for placed in pod.sidecars for port in served_ports(placed.container.args))


def _is_unchanging(pod: Pod) -> bool:
    decides_itself = pod.labels.get(keys.INJECT) == "false" or keys.PORTS in pod.annotations
    return decides_itself or pod.host_network or pod.windows or pod.mirror
