"""Target groups and their health checks, as the controller derives them.

Source: LBC 3.5.0 `pkg/service/model_build_target_group.go`, `pkg/k8s/service_utils.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from webhook.policy import gosyntax
from webhook.policy.cluster import Cluster
from webhook.policy.service.annotations import AnnotationReader
from webhook.policy.service.load_balancer import TRAFFIC_PORT, HealthCheck, TargetGroup
from webhook.policy.service.objects import Service, ServicePort

PRESERVE_CLIENT_IP = "preserve_client_ip.enabled"
PROXY_PROTOCOL = "proxy_protocol_v2.enabled"
PROXIED = "proxy-protocol-per-target-group"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What every target group of one load balancer is built from."""

    service: Service
    cluster: Cluster
    reader: AnnotationReader
    ip_address_type: str
    secured: bool = True
    """The load balancer has security groups."""
    siblings: tuple[Service, ...] = ()
    checks: dict[tuple[str, str], HealthCheck] = field(default_factory=dict)
    """The check by Service and target type: every port's is the same, so it is derived once."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Those of every target group, likewise."""
    groups: dict[tuple[str, int], TargetGroup] = field(default_factory=dict)
    """By Service and port number: what a second listener, or a second entry of the number, gets as well."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Another Service that a listener forwards to, and the field that says so."""

    service: Service
    port: ServicePort
    protocol: str
    field: str


@dataclass(frozen=True, slots=True)
class CheckDefaults:
    """The health check of a Service that writes nothing about it."""

    protocol: str = "TCP"
    port: str = TRAFFIC_PORT
    path: str = "/"
    interval: int = 10
    timeout: int = 10
    threshold: int = 3


def build_target_group(blueprint: Blueprint, port: ServicePort, protocol: str) -> TargetGroup:
    """The group of the Service's own pods behind one port."""
    return _built_once(blueprint, Backend(blueprint.service, port, protocol, ""))


def build_weighted_group(blueprint: Blueprint, backend: Backend) -> TargetGroup:
    """The group of another Service; all annotations are those of the Service that owns the load balancer."""
    return _built_once(blueprint, backend)


def _built_once(blueprint: Blueprint, backend: Backend) -> TargetGroup:
    key = backend.service.name, backend.port.port
    group = blueprint.groups.get(key)
    if group is None:
        group = blueprint.groups[key] = _build(blueprint, backend)
    return group


def _build(blueprint: Blueprint, backend: Backend) -> TargetGroup:
    service, port, reader = backend.service, backend.port, blueprint.reader
    kind = _target_type(blueprint, backend)
    check = blueprint.checks.get((service.name, kind))
    first = check is None
    if check is None:
        check = blueprint.checks[service.name, kind] = _health_check(blueprint, service, kind)
    attributes = _attributes(blueprint, port)
    if "IPv6" in service.ip_families and blueprint.ip_address_type != "dualstack":
        says = "unsupported IPv6 configuration, lb not dual-stack"
        reader.refuse("UDPLB651", backend.field or "spec.ipFamilies", says, ",".join(service.ip_families))
    if first:
        _check_the_rest(blueprint, kind)
    return TargetGroup(
        protocol=backend.protocol,
        target_type=kind,
        port=_nominal_port(kind, port),
        target_port=port.target_port,
        ip_address_type="ipv6" if "IPv6" in service.ip_families else "ipv4",
        health_check=check,
        attributes=attributes,
        service="" if service is blueprint.service else service.name,
    )


def _check_the_rest(blueprint: Blueprint, kind: str) -> None:
    """What the controller parses last, and is the same for every port."""
    if kind == "instance":
        blueprint.reader.pairs("target-node-labels")
    if not blueprint.secured:
        blueprint.reader.boolean("manage-backend-security-group-rules")
    blueprint.reader.boolean("multi-cluster-target-group")


def _target_type(blueprint: Blueprint, backend: Backend) -> str:
    """`ip` where it is written exactly, `instance` for every other word."""
    reader, cluster, service = blueprint.reader, blueprint.cluster, backend.service
    written = reader.text("nlb-target-type", cluster.default_target_type)
    if written == "ip" and not cluster.gate("EnableIPTargetType", default=True):
        says = "unsupported targetType: ip when EnableIPTargetType is false"
        reader.refuse_annotation("UDPLB206", "nlb-target-type", says)
    if written == "ip" or reader.text("type") == "nlb-ip":
        return "ip"
    if service.type == "ClusterIP":
        says = f'unsupported service type "ClusterIP" for load balancer target type "{written}"'
        reader.refuse("UDPLB204", backend.field or "spec.type", says, service.type)
    elif backend.port.node_port == 0 and service.allocate_node_ports is False:
        says = "unable to support instance target type with an unallocated NodePort"
        where = backend.field or "spec.allocateLoadBalancerNodePorts"
        reader.refuse("UDPLB204", where, says, "false")
    return "instance"


def _nominal_port(kind: str, port: ServicePort) -> int:
    if kind == "instance":
        return port.node_port
    return port.target_port if isinstance(port.target_port, int) else 1


def _health_check(blueprint: Blueprint, service: Service, kind: str) -> HealthCheck:
    reader = blueprint.reader
    default = CheckDefaults()
    if kind == "instance" and service.external_traffic_policy == "Local" and service.type == "LoadBalancer":
        default = CheckDefaults("HTTP", str(service.health_check_node_port), "/healthz", 10, 6, 2)
    protocol = reader.text("healthcheck-protocol", default.protocol)
    if protocol.upper() not in ("TCP", "HTTP", "HTTPS"):
        says = f"unsupported health check protocol {protocol}"
        reader.refuse_annotation("UDPLB403", "healthcheck-protocol", says)
        protocol = default.protocol
    http = protocol.upper() != "TCP"
    advanced = blueprint.cluster.gate("NLBHealthCheckAdvancedConfig", default=True)
    return HealthCheck(
        protocol=protocol.upper(),
        path=reader.text("healthcheck-path", default.path) if http else None,
        success_codes=reader.text("healthcheck-success-codes", "200-399") if http and advanced else None,
        port=_check_port(reader, service, kind, default.port),
        interval=reader.int32("healthcheck-interval", default.interval),
        timeout=reader.int32("healthcheck-timeout", default.timeout) if advanced else default.timeout,
        healthy_threshold=reader.int32("healthcheck-healthy-threshold", default.threshold),
        unhealthy_threshold=reader.int32("healthcheck-unhealthy-threshold", default.threshold),
    )


def _check_port(reader: AnnotationReader, service: Service, kind: str, default: str) -> int | str:
    written = reader.text("healthcheck-port", default)
    if written == TRAFFIC_PORT:
        return TRAFFIC_PORT
    number = gosyntax.parse_int32(written)
    if number is not None:
        return number
    named = next((port for port in service.ports if port.name == written), None)
    if named is None:
        says = (
            f"failed to resolve healthCheckPort: unable to find port {written} "
            f"on service {service.namespace}/{service.name}"
        )
        reader.refuse_annotation("UDPLB405", "healthcheck-port", says)
        return TRAFFIC_PORT
    if kind == "instance":
        return named.node_port
    if isinstance(named.target_port, str):
        says = "cannot use named healthCheckPort for IP TargetType when service's targetPort is a named port"
        reader.refuse_annotation("UDPLB404", "healthcheck-port", says)
        return TRAFFIC_PORT
    return named.target_port


def _attributes(blueprint: Blueprint, port: ServicePort) -> dict[str, str]:
    reader = blueprint.reader
    first = not blueprint.attributes
    if first:
        blueprint.attributes.update({PROXY_PROTOCOL: "false"} | _pairs(reader, "target-group-attributes"))
    own = _pairs(reader, f"target-group-attributes.{port.port}")
    attributes = blueprint.attributes | {key: value for key, value in own.items() if value}
    if reader.given(PROXIED):
        if first:
            _check_numbers(reader)
        attributes[PROXY_PROTOCOL] = "true" if str(port.port) in reader.words(PROXIED) else "false"
    if reader.given("proxy-protocol"):
        written = reader.text("proxy-protocol")
        if written != "*":
            says = (
                f"invalid value {written} for Load Balancer proxy protocol v2 annotation, "
                "only value currently supported is *"
            )
            reader.refuse_annotation("UDPLB504", "proxy-protocol", says)
        attributes[PROXY_PROTOCOL] = "true"
    if not attributes[PROXY_PROTOCOL]:
        del attributes[PROXY_PROTOCOL]
    return attributes


def _check_numbers(reader: AnnotationReader) -> None:
    for word in reader.items(PROXIED) or ():
        if gosyntax.parse_int64(word) is None:
            says = f"invalid port number in {PROXIED}: {word}"
            reader.refuse_annotation("UDPLB506", PROXIED, says)


def _pairs(reader: AnnotationReader, name: str) -> dict[str, str]:
    pairs = reader.pairs(name)
    written = pairs.get(PRESERVE_CLIENT_IP)
    if written is not None and gosyntax.parse_bool(written) is None:
        reader.refuse_annotation(
            "UDPLB502", name, f"failed to parse attribute {PRESERVE_CLIENT_IP}={written}"
        )
    return pairs
