"""Who builds the load balancer of a Service.

Source: LBC `pkg/service/service_utils.go`; the legacy controller's `aws.go`; EKS user guide,
auto-configure-nlb. All comparisons are case-sensitive, and only the `service.beta.kubernetes.io`
prefix is read.
"""

from __future__ import annotations

from enum import StrEnum

from webhook.policy import keys
from webhook.policy.cluster import AUTO_MODE_CLASS, LBC_CLASS, Cluster, Namespace, Owner
from webhook.policy.service.objects import Service

TARGET_TYPES = ("ip", "instance")
LBC_TYPES = ("external", "nlb-ip")
LEGACY_TYPE = "nlb"


class Ownership(StrEnum):
    """The controller that takes a Service as it stands."""

    LBC = "lbc"
    AUTO_MODE = "auto-mode"
    LEGACY = "legacy"
    """The legacy controller builds an NLB with instance targets."""
    FOREIGN = "foreign"
    """The class of another vendor."""
    NOBODY = "nobody"
    """No controller serves UDP for it."""


SERVED = frozenset({Ownership.LBC, Ownership.AUTO_MODE})
"""The controllers whose load balancers we care for."""


def owner(service: Service, cluster: Cluster) -> Ownership:
    """Who takes the Service, from its class first and its type annotation second."""
    if service.load_balancer_class is not None:
        by_class = {cluster.lbc_class: Ownership.LBC, AUTO_MODE_CLASS: Ownership.AUTO_MODE}
        return by_class.get(service.load_balancer_class, Ownership.FOREIGN)
    written = service.aws("type")
    if written == "nlb-ip":
        return Ownership.LBC
    if written == "external":
        named = service.aws("nlb-target-type") in TARGET_TYPES
        return Ownership.LBC if named else Ownership.NOBODY
    return Ownership.LEGACY if written == LEGACY_TYPE else Ownership.NOBODY


def intended_owner(service: Service, namespace: Namespace, cluster: Cluster) -> Owner | None:
    """Who is meant to take a Service that names no class: its own words, the namespace, the cluster."""
    if service.aws("type") in LBC_TYPES:
        return Owner.LBC
    label = (namespace.labels or {}).get(keys.OWNER)
    return Owner(label) if label in tuple(Owner) else cluster.owner


def load_balancer_class(owner: Owner, cluster: Cluster) -> str:
    """The class that gives a Service to its owner."""
    return cluster.lbc_class or LBC_CLASS if owner is Owner.LBC else AUTO_MODE_CLASS
