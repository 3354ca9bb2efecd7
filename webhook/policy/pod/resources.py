"""What the sidecar may ask for: Kubernetes quantities, the pod's QoS class, the namespace's LimitRanges.

Source: Kubernetes `pkg/apis/core/v1/helper/qos`, `plugin/pkg/admission/limitranger`,
`k8s.io/component-helpers/resource`, `apimachinery/pkg/api/resource/quantity.go`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from webhook.policy.cluster import LimitRange, Sidecar
from webhook.policy.pod.objects import CONTAINERS, INIT_CONTAINERS, SIDECAR_NAME
from webhook.policy.raw import MalformedObject, Raw

Amounts = Counter[str]
"""Quantities by resource name, in billionths of the unit (core, byte)."""

_CONTAINER, _POD = "Container", "Pod"

_QUANTITY = re.compile(
    r"([+-]?)([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:([KMGTPE]i|[numkMGTPE]?)|[eE]([+-]?[0-9]{1,3}))"
)
_UNIT = 10**9
_SCALES = {
    "n": 1,
    "u": 10**3,
    "m": 10**6,
    "": _UNIT,
    **{suffix: _UNIT * 1000**power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": _UNIT * 1024**power for power, suffix in enumerate("KMGTPE", start=1)},
}
_QOS_RESOURCES = frozenset({"cpu", "memory"})
_LARGEST_EXPONENT = 18


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits by resource name, as the container and the pod write them."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]

    def to_json(self) -> dict[str, dict[str, str]]:
        return {"requests": dict(self.requests), "limits": dict(self.limits)}


@lru_cache(maxsize=1024)
def parse_quantity(text: str) -> int | None:
    """Billionths of the unit, rounded up as the API server rounds; None where it refuses the text."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    sign, digits, suffix, exponent = match.groups()
    whole, _, fraction = digits.partition(".")
    power = int(exponent or 0)
    if abs(power) > _LARGEST_EXPONENT:
        return None
    scale: int = _SCALES[suffix or ""] * 10 ** max(power, 0)
    amount: int = -(-int((whole or "0") + fraction) * scale // 10 ** (len(fraction) + max(-power, 0)))
    return -amount if sign == "-" else amount


def format_quantity(amount: int) -> str:
    """The shortest of the usual spellings: `64Mi`, `2`, `101m`."""
    whole, rest = divmod(amount, _UNIT)
    if rest:
        return f"{amount}n" if amount % 10**6 else f"{amount // 10**6}m"
    for suffix, scale in (("Mi", 2**20), ("Ki", 2**10)):
        if whole and whole % scale == 0:
            return f"{whole // scale}{suffix}"
    return str(whole)


@dataclass(slots=True)
class _Asked:
    """Requests and limits as amounts, while they are counted and moved."""

    requests: Amounts = field(default_factory=Counter)
    limits: Amounts = field(default_factory=Counter)

    def __add__(self, other: _Asked) -> _Asked:
        return _Asked(self.requests + other.requests, self.limits + other.limits)

    def __or__(self, other: _Asked) -> _Asked:
        return _Asked(self.requests | other.requests, self.limits | other.limits)


def fit(spec: Raw, sidecar: Sidecar, ranges: Sequence[LimitRange]) -> Resources | None:
    """The sidecar's requests and limits in the pod of this spec; None where a LimitRange leaves no room.

    A Guaranteed pod stays Guaranteed: the requests rise to the limits.

    Raises:
        MalformedObject: the pod's resources have another type than the API has.
    """
    guaranteed = is_guaranteed(spec)
    if not ranges:
        return Resources(sidecar.limits if guaranteed else sidecar.requests, sidecar.limits)
    if _asks_for_more(ranges, sidecar.limits):
        return None
    ours = _Asked(amounts(sidecar.requests), amounts(sidecar.limits))
    others = _pod_totals(spec)
    bounds = [(bound, others if bound.kind == _POD else _Asked()) for bound in ranges]
    for bound, beside in bounds:
        _move_inside(bound, beside, ours)
    if guaranteed:
        ours.requests |= ours.limits
    if not all(_allows(bound, beside, ours) for bound, beside in bounds):
        return None
    return Resources(_written(ours.requests, sidecar.requests), _written(ours.limits, sidecar.limits))


def is_guaranteed(spec: Raw) -> bool:
    """Whether the pod's QoS class, without the sidecar, is Guaranteed."""
    pod = spec.map("resources")
    if pod.map("requests").fields or pod.map("limits").fields:
        return _requests_equal_limits(pod)
    return all(
        _requests_equal_limits(container.map("resources"))
        for place in (CONTAINERS, INIT_CONTAINERS)
        for container in spec.maps(place)
        if container.get("name") != SIDECAR_NAME
    )


def raised(pod: Raw, name: str, ours: Mapping[str, str]) -> dict[str, str]:
    """What the pod-level `requests` or `limits` (the name) become with ours on top."""
    before, more = amounts(quantities(pod, name)), amounts(ours)
    return {key: format_quantity(before[key] + more[key]) for key in before if key in more}


def quantities(resources: Raw, name: str) -> dict[str, str]:
    """The `requests` or `limits` (the name) as text: a manifest may write `cpu: 1` as a number."""
    written = resources.map(name)
    if any(
        isinstance(value, bool) or not isinstance(value, str | int | float)
        for value in written.fields.values()
    ):
        raise MalformedObject(written.path)
    return {key: str(value) for key, value in written.fields.items()}


def amounts(texts: Mapping[str, str]) -> Amounts:
    """The quantities that can be read; the API server refuses the others."""
    parsed = ((name, parse_quantity(text)) for name, text in texts.items())
    return Counter({name: amount for name, amount in parsed if amount is not None})


def _requests_equal_limits(resources: Raw) -> bool:
    if not resources.map("limits").fields.keys() >= _QOS_RESOURCES:
        return False
    limits = quantities(resources, "limits")
    requests = limits | quantities(resources, "requests")
    return all(parse_quantity(requests[name]) == parse_quantity(limits[name]) for name in _QOS_RESOURCES)


def _asks_for_more(ranges: Sequence[LimitRange], limits: Mapping[str, str]) -> bool:
    """Whether a ratio is bound of a resource that the container would say nothing of: the API server refuses it.

    Where no default is given, the max is one.
    """
    bounds = [bound for bound in ranges if bound.kind == _CONTAINER]
    said = limits.keys() | {name for bound in bounds for name in (*bound.default, *bound.max)}
    return not all(bound.max_ratio.keys() <= said for bound in bounds)


def _move_inside(bound: LimitRange, beside: _Asked, ours: _Asked) -> None:
    """Raise ours to a container's min, cut the limits to the max, lift the requests to the ratio."""
    least = amounts(bound.min) if bound.kind == _CONTAINER else Counter()
    most, ratio = amounts(bound.max), amounts(bound.max_ratio)
    for name in ours.limits:
        ours.requests[name] = max(ours.requests[name], least[name])
        ours.limits[name] = max(ours.limits[name], least[name])
        if name in most:
            ours.limits[name] = min(ours.limits[name], most[name] - beside.limits[name])
        if ratio[name]:
            together = -(-(ours.limits[name] + beside.limits[name]) * _UNIT // ratio[name])
            needed = _rounded_up(name, together - beside.requests[name])
            ours.requests[name] = max(ours.requests[name], needed)


def _rounded_up(name: str, amount: int) -> int:
    """To thousandths of a core, and to whole bytes: nothing finer is counted."""
    step = 10**6 if name == "cpu" else _UNIT
    return -(-amount // step) * step


def _allows(bound: LimitRange, beside: _Asked, ours: _Asked) -> bool:
    least = amounts(bound.min) if bound.kind == _CONTAINER else Counter()
    most, ratio = amounts(bound.max), amounts(bound.max_ratio)
    together = beside + ours
    return all(
        least[name] <= ours.requests[name] <= ours.limits[name]
        and (name not in most or together.limits[name] <= most[name])
        and (not ratio[name] or together.limits[name] * _UNIT <= ratio[name] * together.requests[name])
        for name in ours.limits
    )


def _pod_totals(spec: Raw) -> _Asked:
    """What the pod asks for without us: the pod level's word where it has one, else its containers' sum."""
    running, starting = _Asked(), _Asked()
    for container in spec.maps(INIT_CONTAINERS):
        if container.get("restartPolicy") == "Always":
            running += _read(container)
        else:
            starting |= running + _read(container)
    for container in spec.maps(CONTAINERS):
        running += _read(container)
    total, pod = running | starting, spec.map("resources")
    return _Asked(
        Counter({**total.requests, **amounts(quantities(pod, "requests"))}),
        Counter({**total.limits, **amounts(quantities(pod, "limits"))}),
    )


def _read(container: Raw) -> _Asked:
    if container.get("name") == SIDECAR_NAME:
        return _Asked()
    resources = container.map("resources")
    limits = quantities(resources, "limits")
    return _Asked(amounts(limits | quantities(resources, "requests")), amounts(limits))


def _written(moved: Amounts, before: Mapping[str, str]) -> dict[str, str]:
    """As text; what was not moved keeps its spelling."""
    return dict(before) | {
        name: format_quantity(amount)
        for name, amount in moved.items()
        if name not in before or amount != parse_quantity(before[name])
    }
