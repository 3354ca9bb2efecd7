"""Weighted forwarding: the `actions.PROTOCOL-port` annotations and the Services that they name.

Source: LBC `pkg/service/config_types.go`, `enhanced_backend_builder.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.policy.finding import annotation_field
from webhook.policy.service.annotations import ACTIONS, NOT_AN_ACTION
from webhook.policy.service.objects import Service, ServicePort
from webhook.policy.service.target_groups import Blueprint

WEIGHTS = range(1000)


def backends(blueprint: Blueprint, protocol: str, port: int) -> list[tuple[Service, ServicePort]]:
    """The Services and ports that this listener also forwards to, as far as they are in sight."""
    key = f"{ACTIONS}{protocol}-{port}"
    action = blueprint.reader.document(key)
    if action is None:
        return []
    for code, says in _faults(action):
        text = blueprint.service.annotations[key]
        blueprint.reader.refuse(code, annotation_field(key), says, text)
        return []
    found = (_lookup(blueprint, group) for group in action["forwardConfig"].get("targetGroups") or ())
    return [backend for backend in found if backend is not None]


def _faults(action: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(action, dict) or action.get("type") != "forward":
        written = action.get("type", "") if isinstance(action, dict) else ""
        yield NOT_AN_ACTION, f"unknown action type: {written}"
        return
    forward = action.get("forwardConfig")
    if not isinstance(forward, dict):
        yield "UDPLB353", "controller panic: runtime error: invalid memory address or nil pointer dereference"
        return
    groups = forward.get("targetGroups") or []
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        yield NOT_AN_ACTION, "failed to parse json annotation"
        return
    for group in groups:
        if (group.get("targetGroupARN") is None) == (group.get("serviceName") is None):
            tuple_fault = "precisely one of targetGroupARN and serviceName can be specified"
        elif group.get("serviceName") is not None and group.get("servicePort") is None:
            tuple_fault = "missing servicePort"
        elif group.get("weight") is not None and group["weight"] not in WEIGHTS:
            tuple_fault = "target group weight must be between 0 and 999"
        else:
            continue
        yield "UDPLB354", f"invalid ForwardConfig: invalid TargetGroupTuple: {tuple_fault}"
    if len(groups) > 1 and any(group.get("weight") is None for group in groups):
        yield "UDPLB354", "invalid ForwardConfig: weight must be set when routing to multiple target groups"


def _lookup(blueprint: Blueprint, group: dict[str, Any]) -> tuple[Service, ServicePort] | None:
    named = next((other for other in blueprint.siblings if other.name == group.get("serviceName")), None)
    if named is None:
        return None
    wanted = group.get("servicePort")
    port = next((port for port in named.ports if wanted in (port.port, str(port.port), port.name)), None)
    return None if port is None else (named, port)
