"""Weighted forwarding: the `actions.PROTOCOL-port` annotations and the Services that they name.

Source: LBC 3.5.0 `pkg/service/config_types.go`, `enhanced_backend_builder.go`,
`model_build_target_group.go`; Go `encoding/json` for what parses: fields by name in any case, whole
numbers, null for absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.policy.finding import annotation_field
from webhook.policy.service.annotations import ACTIONS
from webhook.policy.service.objects import Service
from webhook.policy.service.target_groups import Backend, Blueprint

NOT_AN_ACTION, NO_CONFIG, INCOMPLETE = "UDPLB352", "UDPLB353", "UDPLB354"
WEIGHTS = range(1000)
CRASH = "controller panic: runtime error: invalid memory address or nil pointer dereference"

_INT32 = range(-(2**31), 2**31)
_ACTION = {"type": (str,), "forwardconfig": (dict,)}
_FORWARD = {"baseserviceweight": (int,), "targetgroups": (list,), "targetgroupstickinessconfig": (dict,)}
_STICKINESS = {"enabled": (bool,)}
_GROUP = {
    "targetgrouparn": (str,),
    "servicename": (str,),
    "serviceport": (str, int),
    "decrypt": (bool,),
    "weight": (int,),
}


@dataclass(frozen=True, slots=True)
class Forward:
    """A sound forward action: the field that holds it, and the target groups beside the Service's own."""

    field: str
    groups: tuple[Mapping[str, Any], ...]


class _Fault(Exception):
    """What is wrong with an action: the rule's code and the controller's words."""


def forward(blueprint: Blueprint, protocol: str, port: int) -> Forward | None:
    """The action of this listener; None where there is none, or the controller refuses it."""
    key = f"{ACTIONS}{protocol}-{port}"
    text = blueprint.service.annotations.get(key)
    if text is None:
        return None
    try:
        return Forward(annotation_field(key), _groups(text))
    except (ValueError, RecursionError):
        code, says = NOT_AN_ACTION, f"failed to parse json annotation, {key}: {text}"
    except _Fault as fault:
        code, says = fault.args
    blueprint.reader.refuse(code, annotation_field(key), says, text)
    return None


def backends(blueprint: Blueprint, action: Forward, protocol: str) -> Iterator[Backend]:
    """The Services and ports that this listener also forwards to, as far as they are in sight."""
    in_sight = {service.name: service for service in (*blueprint.siblings, blueprint.service)}
    for group in action.groups:
        service = in_sight.get(group.get("servicename", ""))
        if service is None:
            continue
        wanted = group["serviceport"]
        port = next((port for port in service.ports if wanted in (port.port, port.name)), None)
        if port is None:
            says = f"unable to find port {wanted} on service {service.namespace}/{service.name}"
            blueprint.reader.refuse(INCOMPLETE, action.field, says, service.name)
            continue
        decrypted = protocol == "TLS" and group.get("decrypt")
        yield Backend(service, port, "TCP" if decrypted else protocol, action.field)


def other_services(service: Service, protocol: str, port: int) -> Iterator[str]:
    """The names of the Services that a sound action of this listener forwards to, in sight or not."""
    text = service.annotations.get(f"{ACTIONS}{protocol}-{port}")
    if text is None:
        return
    try:
        groups = _groups(text)
    except (ValueError, RecursionError, _Fault):
        return
    names = (group.get("servicename") for group in groups)
    yield from dict.fromkeys(str(name) for name in names if name not in (None, service.name))


def _groups(text: str) -> tuple[dict[str, Any], ...]:
    action = _members(json.loads(text), _ACTION)
    forward = _members(action.get("forwardconfig"), _FORWARD)
    groups = tuple(_members(group, _GROUP) for group in forward.get("targetgroups", ()))
    _members(forward.get("targetgroupstickinessconfig"), _STICKINESS)
    if action.get("type") != "forward":
        raise _Fault(NOT_AN_ACTION, f"unknown action type: {action.get('type', '')}")
    for group in groups:
        if says := _incomplete(group):
            raise _Fault(INCOMPLETE, f"invalid ForwardConfig: invalid TargetGroupTuple: {says}")
    if len(groups) > 1 and not all("weight" in group for group in groups):
        says = "invalid ForwardConfig: weight must be set when routing to multiple target groups"
        raise _Fault(INCOMPLETE, says)
    if "forwardconfig" not in action:
        raise _Fault(NO_CONFIG, CRASH)
    return groups


def _members(raw: Any, fields: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The known members of an object, null being absent.

    Raises:
        ValueError: Go would not take a value.
    """
    if raw is not None and not isinstance(raw, dict):
        raise ValueError
    members: dict[str, Any] = {}
    for name, value in (raw or {}).items():
        kinds = fields.get(name.lower())
        if kinds is None or value is None:
            continue
        if type(value) not in kinds or (type(value) is int and value not in _INT32):
            raise ValueError(name)
        members[name.lower()] = value
    return members


def _incomplete(group: Mapping[str, Any]) -> str:
    if ("targetgrouparn" in group) == ("servicename" in group):
        return "precisely one of targetGroupARN and serviceName can be specified"
    if "servicename" in group and "serviceport" not in group:
        return "missing servicePort"
    in_range = group.get("weight", 0) in WEIGHTS
    return "" if in_range else "target group weight must be between 0 and 999"
