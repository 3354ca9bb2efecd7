"""Weighted forwarding: the `actions.PROTOCOL-port` annotations and the Services that they name.

Source: LBC `pkg/service/config_types.go`, `enhanced_backend_builder.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.policy.finding import annotation_field
from webhook.policy.service.annotations import ACTIONS, NOT_AN_ACTION, AnnotationReader
from webhook.policy.service.objects import Service, ServicePort
from webhook.policy.service.target_groups import Blueprint

WEIGHTS = range(1000)
NO_CONFIG, INCOMPLETE = "UDPLB353", "UDPLB354"


def backends(blueprint: Blueprint, protocol: str, port: int) -> list[tuple[Service, ServicePort]]:
    """The Services and ports that this listener also forwards to, as far as they are in sight."""
    key = f"{ACTIONS}{protocol}-{port}"
    action = blueprint.reader.document(key)
    if action is None:
        return []
    fault = _fault(action)
    if fault is not None:
        code, says = fault
        blueprint.reader.refuse(code, annotation_field(key), says, blueprint.service.annotations[key])
        return []
    found = (_lookup(blueprint, group) for group in action["forwardConfig"].get("targetGroups") or ())
    return [backend for backend in found if backend is not None]


def other_services(service: Service, protocol: str, port: int) -> Iterator[str]:
    """The names of the Services that a sound action of this listener forwards to, in sight or not."""
    key = f"{ACTIONS}{protocol}-{port}"
    action = AnnotationReader(service.annotations).document(key)
    if action is None or _fault(action) is not None:
        return
    names = (group.get("serviceName") for group in action["forwardConfig"].get("targetGroups") or ())
    yield from dict.fromkeys(str(name) for name in names if name not in (None, service.name))


def _fault(action: Any) -> tuple[str, str] | None:
    """The first thing wrong with an action: the rule's code and the controller's words."""
    if not isinstance(action, dict) or action.get("type") != "forward":
        written = action.get("type", "") if isinstance(action, dict) else ""
        return NOT_AN_ACTION, f"unknown action type: {written}"
    forward = action.get("forwardConfig")
    if not isinstance(forward, dict):
        return NO_CONFIG, "controller panic: runtime error: invalid memory address or nil pointer dereference"
    groups = forward.get("targetGroups") or []
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return NOT_AN_ACTION, "failed to parse json annotation"
    for says in map(_tuple_fault, groups):
        if says:
            return INCOMPLETE, f"invalid ForwardConfig: invalid TargetGroupTuple: {says}"
    if len(groups) > 1 and any(group.get("weight") is None for group in groups):
        return INCOMPLETE, "invalid ForwardConfig: weight must be set when routing to multiple target groups"
    return None


def _tuple_fault(group: dict[str, Any]) -> str:
    named, weight = group.get("serviceName"), group.get("weight")
    if (group.get("targetGroupARN") is None) == (named is None):
        return "precisely one of targetGroupARN and serviceName can be specified"
    if named is not None and group.get("servicePort") is None:
        return "missing servicePort"
    return "" if weight is None or weight in WEIGHTS else "target group weight must be between 0 and 999"


def _lookup(blueprint: Blueprint, group: dict[str, Any]) -> tuple[Service, ServicePort] | None:
    named = next((other for other in blueprint.siblings if other.name == group.get("serviceName")), None)
    if named is None:
        return None
    wanted = group.get("servicePort")
    port = next((port for port in named.ports if wanted in (port.port, str(port.port), port.name)), None)
    return None if port is None else (named, port)
