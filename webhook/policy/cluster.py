"""What the policy is told about the cluster and the namespace: settings and detected facts, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from webhook.policy import keys
from webhook.policy.finding import Severity
from webhook.policy.raw import Raw

LBC_CLASS = "service.k8s.aws/nlb"
AUTO_MODE_CLASS = "eks.amazonaws.com/nlb"


class Owner(StrEnum):
    """Who builds the load balancer of a Service."""

    LBC = "lbc"
    AUTO_MODE = "auto-mode"


class Trigger(StrEnum):
    """What makes a pod get a sidecar."""

    DECLARED_OR_SERVICE = "declared-or-service"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The container that we add: its image, identity and what it may use (Kubernetes quantities)."""

    image: str
    pull_secrets: tuple[str, ...] = ()
    uid: int = 64646
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "1m", "memory": "4Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "50m", "memory": "16Mi"})


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as its operator configured it and as its API server describes itself.

    `owner` is None where neither a setting nor discovery names one; `ipv6` tells whether a Service
    that names no family gets an IPv6 address from the API server.
    """

    sidecar: Sidecar
    owner: Owner | None = None
    lbc_class: str = LBC_CLASS
    default_target_type: str = "instance"
    default_scheme: str = "internal"
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    auto_mode_tcp_udp: bool = False
    cross_zone: bool = True
    check_interval: int | None = None
    """Seconds between health checks where a Service says nothing; None leaves it to the controller."""
    ipv6: bool = False
    trigger: Trigger = Trigger.DECLARED_OR_SERVICE
    sees_pods: bool = False
    """The validating webhook looks at the pods behind a Service, for advice."""
    severities: Mapping[str, Severity] = field(default_factory=dict)
    version: str = ""

    def gate(self, name: str, *, default: bool) -> bool:
        """A feature gate of LBC, `default` being LBC's own."""
        return self.feature_gates.get(name, default)


@dataclass(frozen=True, slots=True)
class LimitRange:
    """One item of a namespace's LimitRanges: bounds per resource name, as Kubernetes quantities.

    `kind` is `Container` or `Pod`; others do not concern us. `default` are the limits (and requests) that the
    API server gives a container without its own.
    """

    kind: str
    min: Mapping[str, str] = field(default_factory=dict)
    max: Mapping[str, str] = field(default_factory=dict)
    max_ratio: Mapping[str, str] = field(default_factory=dict)
    default: Mapping[str, str] = field(default_factory=dict)


def parse_limit_range(raw: Mapping[str, Any]) -> tuple[LimitRange, ...]:
    """The limits of a LimitRange that bound containers and pods.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    return tuple(
        LimitRange(
            kind=limit.text("type"),
            min=limit.strings("min"),
            max=limit.strings("max"),
            max_ratio=limit.strings("maxLimitRequestRatio"),
            default=limit.strings("default"),
        )
        for limit in Raw(raw).map("spec").maps("limits")
        if limit.text("type") in ("Container", "Pod")
    )


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace of the object under review; `labels` is None where the cache does not hold it.

    Of its annotations only those of service meshes are held.
    """

    name: str
    labels: Mapping[str, str] | None = None
    limit_ranges: tuple[LimitRange, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> str | None:
        """`enabled` or `audit`; None for a namespace that is known not to have opted in.

        One that the cache does not hold counts as enabled, for the API server's selector sent its object.
        """
        label = keys.ENABLED if self.labels is None else self.labels.get(keys.INJECT)
        return label if label in keys.MODES else None
