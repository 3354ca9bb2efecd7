"""The sidecar's container and every change that brings it, and nothing else, into a pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.policy import keys
from webhook.policy.finding import Action, Edit
from webhook.policy.pod.injection import Facts, Inject, Skip
from webhook.policy.pod.objects import INIT_CONTAINERS, PORT_START, SIDECAR_NAME
from webhook.policy.pod.resources import Resources, raised
from webhook.policy.pod.status import Status, spec_hash
from webhook.policy.pod.verify import PLACES, damage

CODE = "UDPLB900"
PROGRAM = "/udp-healthcheck"
FIRST_OPEN_PORT = 1024
"""Below it a process without root binds only where the pod's sysctl, or the runtime, lets it."""

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_PRE_STOP = (PROGRAM, "--drain")
_ALL_ANNOTATIONS_BYTES = 256 * 1024
"""Source: Kubernetes `apimachinery/pkg/api/validation`, TotalAnnotationSizeLimitB."""
_REPAIRED = ("restartPolicy", "args", "ports", "lifecycle")


def build(facts: Facts, inject: Inject) -> dict[str, Any]:
    """The container as JSON; without resources where one already stands in the pod."""
    sidecar, native = facts.cluster.sidecar, facts.wishes.native
    container: dict[str, Any] = {
        "name": SIDECAR_NAME,
        "image": sidecar.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            word
            for number in inject.plan.ports
            for word in ("--port", facts.wishes.probe_of(number).argument(number))
        ],
    }
    if native:
        container["restartPolicy"] = "Always"
    ports = [number for number in inject.plan.ports if number not in facts.pod.written_tcp_ports]
    if ports:
        container["ports"] = [{"containerPort": number, "protocol": "TCP"} for number in ports]
    if inject.resources:
        container["resources"] = inject.resources.to_json()
    container["securityContext"] = _security_context(sidecar.uid)
    container["lifecycle"] = {"preStop": {"exec": {"command": list(_PRE_STOP)}}}
    return container


def _security_context(uid: int) -> dict[str, Any]:
    """What Pod Security's level `restricted` asks of a container, and a read-only root."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def insertion(facts: Facts, inject: Inject) -> tuple[Edit, ...]:
    """What must change so that the pod holds the sidecar; nothing where it does."""
    container = build(facts, inject)
    sysctl = _sysctl(facts, inject, container)
    status = _status(facts, inject, container, sysctl)
    return (
        *_container_edits(facts, inject, container, status),
        *_sysctl_edits(facts, sysctl, _opened_by_us(facts, container)),
        *_default_container_edits(facts, str(status)),
        *_status_edits(facts, str(status)),
    )


def removal(facts: Facts, skip: Skip, recorded: bool) -> tuple[Edit, ...]:
    """What must change so that the pod holds nothing of ours, but the reason where it is `recorded`."""
    edits = (*_removed(facts), *_sysctl_edits(facts, "", _opened_by_us(facts))) if facts.ours else ()
    status = Status(facts.cluster.version, False, skip.reason, skipped=skip.plan.skipped)
    return (*edits, *_status_edits(facts, str(status) if recorded else ""))


def lowest_port(inject: Inject) -> int:
    """The lowest number that the sidecar listens on."""
    return min(inject.plan.ports)


def _status(facts: Facts, inject: Inject, container: Mapping[str, Any], sysctl: str) -> Status:
    spec = _hash(facts, container, sysctl)
    return Status(
        facts.cluster.version, True, hash=spec, ports=inject.plan.ports, skipped=inject.plan.skipped
    )


def _hash(facts: Facts, container: Mapping[str, Any], sysctl: str) -> str:
    ports = tuple(port["containerPort"] for port in container.get("ports", ()))
    return spec_hash(facts.wishes.native, tuple(container["args"]), _PRE_STOP, ports, sysctl)


def _sysctl(facts: Facts, inject: Inject, container: Mapping[str, Any]) -> str:
    """The lowest port to be opened by a sysctl of ours; empty where none is needed, or not ours to set."""
    lowest = lowest_port(inject)
    if lowest >= FIRST_OPEN_PORT or facts.pod.fargate:
        return ""
    if facts.pod.port_start is None or _opened_by_us(facts, container):
        return str(lowest)
    return ""


def _opened_by_us(facts: Facts, planned: Mapping[str, Any] | None = None) -> bool:
    """Whether an earlier pass set the pod's sysctl: the hash over it and the sidecar, standing or planned, tells."""
    start, status = facts.pod.port_start, facts.status
    if not start or status is None:
        return False
    if planned and status.hash == _hash(facts, planned, start):
        return True
    return any(
        status.hash
        == spec_hash(
            sidecar.place == INIT_CONTAINERS,
            sidecar.container.args,
            _PRE_STOP,
            tuple(port.number for port in sidecar.container.ports),
            start,
        )
        for sidecar in facts.pod.sidecars
    )


def _container_edits(
    facts: Facts, inject: Inject, container: dict[str, Any], status: Status
) -> Iterator[Edit]:
    if inject.resources is None:
        yield from _repairs(facts, inject, container, status)
        return
    yield from _removed(facts)
    native = facts.wishes.native
    numbers = " and ".join(str(number) for number in inject.plan.ports)
    yield Edit(
        CODE,
        ("spec", PLACES[native], 0 if native else -1),
        container,
        Action.INSERT,
        f"the sidecar would be added, listening on TCP {numbers}",
    )
    yield from _pull_secret_edits(facts)
    if not facts.pod.sidecars:
        yield from _pod_level_edits(facts, inject.resources)


def _repairs(facts: Facts, inject: Inject, container: dict[str, Any], status: Status) -> Iterator[Edit]:
    """The fields that make the sidecar work, put right where it is damaged or asked for something else."""
    same = facts.status is not None and facts.status.hash == status.hash
    if same and not damage(facts.pod.sidecars, facts.wishes.native, inject.plan.ports):
        return
    (sidecar,) = facts.pod.sidecars
    present = facts.spec.items(sidecar.place)[sidecar.index]
    for name in _REPAIRED:
        path = ("spec", sidecar.place, sidecar.index, name)
        if name in container and present.get(name) != container[name]:
            yield Edit(CODE, path, container[name], says="the sidecar would be repaired")
        elif name in present and name not in container:
            yield Edit(CODE, path, action=Action.REMOVE, says="the sidecar would be repaired")


def _removed(facts: Facts) -> Iterator[Edit]:
    """From the highest index down, so that the lower ones stay where they are."""
    for sidecar in reversed(facts.pod.sidecars):
        path = ("spec", sidecar.place, sidecar.index)
        yield Edit(CODE, path, action=Action.REMOVE, says="the old sidecar would be removed")


def _sysctl_edits(facts: Facts, lowest: str, ours: bool) -> Iterator[Edit]:
    """Ours follows the ports, and goes where it has none: with hostNetwork the API server refuses it."""
    path: tuple[str | int, ...] = ("spec", "securityContext", "sysctls")
    if lowest and facts.pod.port_start is None:
        entry = {"name": PORT_START, "value": lowest}
        yield Edit(CODE, (*path, -1), entry, Action.INSERT, f"{PORT_START} would be set to {lowest}")
    elif ours and lowest != facts.pod.port_start:
        names = [entry.text("name") for entry in facts.spec.map("securityContext").maps("sysctls")]
        where = (*path, names.index(PORT_START))
        if lowest:
            yield Edit(CODE, (*where, "value"), lowest, says=f"{PORT_START} would be set to {lowest}")
        else:
            whole = path if len(names) == 1 else where  # a Windows pod may not even have an empty list
            yield Edit(CODE, whole, action=Action.REMOVE, says=f"{PORT_START} would be removed")


def _pull_secret_edits(facts: Facts) -> Iterator[Edit]:
    present = {secret.text("name") for secret in facts.spec.maps("imagePullSecrets")}
    for name in facts.cluster.sidecar.pull_secrets:
        if name not in present:
            path = ("spec", "imagePullSecrets", -1)
            yield Edit(CODE, path, {"name": name}, Action.INSERT, f"the pull secret {name} would be added")


def _pod_level_edits(facts: Facts, resources: Resources) -> Iterator[Edit]:
    """Pod-level requests below the containers' sum are refused by the API server, whatever failurePolicy."""
    pod = facts.spec.map("resources")
    if not pod.fields:
        return
    for name, ours in (("requests", resources.requests), ("limits", resources.limits)):
        for key, quantity in raised(pod, name, ours).items():
            path = ("spec", "resources", name, key)
            yield Edit(CODE, path, quantity, says=f"the sidecar's share would be added: {quantity}")


def _default_container_edits(facts: Facts, status: str) -> Iterator[Edit]:
    """kubectl takes the first container, which another webhook may push aside; never a native sidecar."""
    if not facts.wishes.native and _DEFAULT_CONTAINER not in facts.pod.annotations and facts.pod.applications:
        first = facts.pod.applications[0].name
        path = ("metadata", "annotations", _DEFAULT_CONTAINER)
        if _fit(facts, {_DEFAULT_CONTAINER: first, keys.STATUS: status}):
            yield Edit(CODE, path, first, says=f"would be set to {first}")


def _status_edits(facts: Facts, text: str) -> Iterator[Edit]:
    present = facts.pod.annotations.get(keys.STATUS)
    path = ("metadata", "annotations", keys.STATUS)
    wanted = text if _fit(facts, {keys.STATUS: text}) else ""
    if wanted and present != wanted:
        yield Edit(CODE, path, wanted, says="would record what was done")
    elif present is not None and not wanted:
        yield Edit(CODE, path, action=Action.REMOVE, says="the old status would be removed")


def _fit(facts: Facts, annotations: Mapping[str, str]) -> bool:
    """Whether the pod takes these annotations, too: no pod is refused for the sake of ours."""
    entries = {**facts.pod.annotations, **annotations}
    return sum(len(f"{key}{value}".encode()) for key, value in entries.items()) <= _ALL_ANNOTATIONS_BYTES
