"""Frozen views of Kubernetes Services, read once from the raw object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.policy import keys
from webhook.policy.raw import MalformedObject, Raw

MOST_PORTS = 101
"""More than the 50 listeners of an NLB, TCP and UDP each, so that what lies behind need not be read."""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One entry of `spec.ports`, with the API server's defaults filled in."""

    port: int
    protocol: str = "TCP"
    name: str = ""
    target_port: int | str = 0
    node_port: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """What the policy reads of a Service.

    `load_balancer_class` is None where the field is absent; `allocate_node_ports` likewise, since its
    default is true.
    """

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    type: str = "ClusterIP"
    load_balancer_class: str | None = None
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    allocate_node_ports: bool | None = None
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    source_ranges: tuple[str, ...] = ()
    session_affinity: str = ""
    external_ips: tuple[str, ...] = ()
    load_balancer_ip: str = ""
    publish_not_ready: bool = False
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    has_ingress: bool = False

    @property
    def is_udp_load_balancer(self) -> bool:
        return self.type == "LoadBalancer" and bool(self.udp_ports)

    @property
    def udp_ports(self) -> tuple[ServicePort, ...]:
        return tuple(port for port in self.ports if port.protocol == "UDP")

    @property
    def live(self) -> bool:
        """A load balancer of this Service exists, as far as the object tells."""
        held = {keys.LBC_FINALIZER, keys.AUTO_MODE_FINALIZER}.intersection(self.finalizers)
        return self.has_ingress or bool(held)

    def aws(self, name: str) -> str | None:
        """The AWS load balancer annotation of this short name (`scheme`, `healthcheck-port`)."""
        return self.annotations.get(keys.aws(name))


def parse_service(raw: Mapping[str, Any], namespace: str = "") -> Service:
    """The view of a raw Service; `namespace` stands in where the object omits its own.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    view = Raw(raw)
    metadata, spec = view.map("metadata"), view.map("spec")
    ingress = view.map("status").map("loadBalancer").items("ingress")
    return Service(
        namespace=metadata.text("namespace") or namespace,
        name=metadata.text("name") or metadata.text("generateName"),
        annotations=metadata.strings("annotations"),
        labels=metadata.strings("labels"),
        type=spec.text("type") or "ClusterIP",
        load_balancer_class=spec.text("loadBalancerClass") or None,
        ports=tuple(_parse_port(port) for port in spec.maps("ports")[:MOST_PORTS]),
        selector=spec.strings("selector"),
        external_traffic_policy=spec.text("externalTrafficPolicy"),
        health_check_node_port=spec.integer("healthCheckNodePort"),
        allocate_node_ports=spec.boolean("allocateLoadBalancerNodePorts"),
        ip_families=spec.texts("ipFamilies"),
        ip_family_policy=spec.text("ipFamilyPolicy"),
        source_ranges=spec.texts("loadBalancerSourceRanges"),
        session_affinity=spec.text("sessionAffinity"),
        external_ips=spec.texts("externalIPs"),
        load_balancer_ip=spec.text("loadBalancerIP"),
        publish_not_ready=spec.boolean("publishNotReadyAddresses") or False,
        finalizers=metadata.texts("finalizers"),
        deleting=metadata.get("deletionTimestamp") is not None,
        has_ingress=bool(ingress),
    )


def _parse_port(raw: Raw) -> ServicePort:
    port = raw.integer("port")
    target = raw.get("targetPort")
    if target is not None and (isinstance(target, bool) or not isinstance(target, int | str)):
        raise MalformedObject(f"{raw.path}.targetPort")
    return ServicePort(
        port=port,
        protocol=raw.text("protocol") or "TCP",
        name=raw.text("name"),
        target_port=target or port,
        node_port=raw.integer("nodePort"),
    )
