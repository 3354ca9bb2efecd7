"""Admission reviews as the API server sends them, and the objects in them."""

from __future__ import annotations

import base64
import json
from typing import Any

from webhook.patch import apply

GROUPS = {"Pod": "", "Service": "", "Job": "batch", "CronJob": "batch"}


def review(
    raw: Any,
    kind: str = "Pod",
    operation: str = "CREATE",
    namespace: str = "games",
    **fields: Any,
) -> dict[str, Any]:
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": GROUPS.get(kind, "apps"), "version": "v1", "kind": kind},
        "operation": operation,
        "namespace": namespace,
        "dryRun": False,
        "object": raw,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | fields}


def pod(app: str = "echo", **metadata: Any) -> dict[str, Any]:
    """A pod as a ReplicaSet makes it: no name, no namespace."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "echo-5d", "controller": True}
    return {
        "metadata": {"generateName": "echo-5d-", "labels": {"app": app}, "ownerReferences": [owner]}
        | metadata,
        "spec": {"containers": [{"name": "app", "image": "echo:1"}]},
    }


def service(name: str = "echo", **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"protocol": "UDP", "port": 5555}],
            "selector": {"app": "echo"},
        },
    }


def deployment(app: str = "echo", **annotations: str) -> dict[str, Any]:
    template = pod(app, annotations=annotations)
    return {"metadata": {"name": "echo"}, "spec": {"template": template}}


def patch_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"]))
    return operations


def after(raw: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The object as the API server has it after the answer."""
    return apply(raw, patch_of(response)) if "patch" in response else raw
