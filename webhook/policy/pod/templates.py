"""The pod that a workload's template describes, as its controller will make it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from webhook.policy import keys
from webhook.policy.pod.annotations import ours
from webhook.policy.raw import Raw
from webhook.policy.service.demand import Demand

_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_ADDED_LABELS = {
    "Deployment": {keys.POD_TEMPLATE_HASH: r"[a-z0-9]+"},
    "StatefulSet": {keys.STATEFULSET_POD_NAME: r"{name}-[0-9]+", keys.POD_INDEX: r"[0-9]+"},
}
"""Labels that a controller adds to the template's, and which values it may give them."""


def path_of(kind: str) -> tuple[str, ...]:
    """Where the template stands in an object of this kind; empty for one that has none."""
    return _TEMPLATES.get(kind, ())


def template_of(kind: str, raw: Mapping[str, Any]) -> Raw:
    """The template of a workload, which reads like a pod."""
    view = Raw(raw)
    for step in path_of(kind):
        view = view.map(step)
    return view


def selecting(kind: str, name: str, labels: Mapping[str, str], demands: Sequence[Demand]) -> list[Demand]:
    """The demands that select a pod of this workload, with the labels that its controller adds."""
    return [demand for demand in demands if demand.selects(_with_added(kind, name, labels, demand.selector))]


def keys_changed(kind: str, raw: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether somebody wrote a `udplb/*` key of the template in this update."""
    return _keys(template_of(kind, raw)) != _keys(template_of(kind, old))


def _keys(template: Raw) -> tuple[dict[str, str], dict[str, str]]:
    metadata = template.map("metadata")
    return ours(metadata.strings("annotations")), ours(metadata.strings("labels"))


def _with_added(
    kind: str, name: str, labels: Mapping[str, str], selector: Mapping[str, str]
) -> dict[str, str]:
    """The labels, and of those to be added the very values that the selector wants, where they can come."""
    added = {
        key: selector[key]
        for key, pattern in _ADDED_LABELS.get(kind, {}).items()
        if key in selector and re.fullmatch(pattern.replace("{name}", re.escape(name)), selector[key])
    }
    return {**labels, **added}
