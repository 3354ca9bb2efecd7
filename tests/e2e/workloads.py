"""The UDP server of the tests as each kind of workload that people run, fit for a `restricted` namespace."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.node import images

PORT = 5555
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "echo"},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "echo"},
        "ports": [{"name": "echo", "protocol": "UDP", "port": PORT}],
    },
}


def pod_spec(**more: Any) -> dict[str, Any]:
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "echo",
        "image": images.ECHO,
        "args": [str(PORT)],
        "ports": [{"protocol": "UDP", "containerPort": PORT}],
        "securityContext": security,
    }
    return {"terminationGracePeriodSeconds": 10, "containers": [container], **more}


def workload(kind: str, **spec: Any) -> str:
    """A Deployment, StatefulSet, DaemonSet or Job named `echo`, as a manifest."""
    template = {"metadata": {"labels": {"app": "echo"}}, "spec": spec.pop("pod", pod_spec())}
    if kind != "Job":
        spec = {"selector": {"matchLabels": {"app": "echo"}}, **spec}
    group = "batch/v1" if kind == "Job" else "apps/v1"
    whole = {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": "echo"},
        "spec": {**spec, "template": template},
    }
    return json.dumps(whole)


def service() -> str:
    return json.dumps(SERVICE)
