"""The sidecar's container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.policy.pod.injection import Facts, Inject
from webhook.policy.pod.objects import SIDECAR_NAME
from webhook.policy.pod.status import spec_hash

PROGRAM = "/udp-healthcheck"
_PRE_STOP = (PROGRAM, "--drain")


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


def hash_of(container: Mapping[str, Any], native: bool, opened_port: str) -> str:
    """What the status keeps of the injected spec; `opened_port` is the value of the pod's sysctl."""
    ports = tuple(port["containerPort"] for port in container.get("ports", ()))
    return spec_hash(native, tuple(container["args"]), _PRE_STOP, ports, opened_port)


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
