"""The model: what the AWS Load Balancer Controller builds of a Service, and where it gives up.

Pure and total. It follows the controller's own order, so that the first refusal is the one that the
controller would report. What it asks of AWS is left out, but for subnets where the caller knows them.

Source: LBC 3.5.0 `pkg/service/model_builder.go`, `model_build_load_balancer.go`,
`model_build_listener.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webhook.policy import gosyntax
from webhook.policy.cluster import Cluster
from webhook.policy.finding import annotation_field
from webhook.policy.service import actions, addresses
from webhook.policy.service.addresses import Subnets
from webhook.policy.service.annotations import SOURCE_RANGES, AnnotationReader, Reader
from webhook.policy.service.load_balancer import Listener, NetworkLoadBalancer
from webhook.policy.service.objects import Service, ServicePort
from webhook.policy.service.owners import Ownership, owner
from webhook.policy.service.target_groups import Blueprint, build_target_group, build_weighted_group

CROSS_ZONE = "load_balancing.cross_zone.enabled"
ROUTING_POLICIES = (
    "any_availability_zone",
    "partial_availability_zone_affinity",
    "availability_zone_affinity",
)
NAME_LIMIT = 32
ALPN_POLICIES = ("None", "HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred")


def build(
    service: Service, cluster: Cluster, siblings: Sequence[Service] = (), subnets: Subnets = None
) -> NetworkLoadBalancer:
    """The load balancer as far as it can be built; `siblings` serve weighted actions."""
    reader = AnnotationReader(service.annotations, reader_of(service, cluster))
    scheme = _scheme(reader, cluster)
    ip_address_type = _choice(
        reader, "ip-address-type", ("ipv4", "dualstack"), "UDPLB652", "unknown IPAddressType: "
    )
    source_nat = addresses.source_nat(reader, ip_address_type, subnets)
    attributes = _attributes(reader)
    if cluster.gate("LBCapacityReservation", default=True):
        _capacity(reader)
    secured = _security_groups(reader, service, cluster, ip_address_type)
    reader.pairs("additional-resource-tags")
    addresses.check_addresses(reader, scheme, ip_address_type, source_nat, subnets)
    _name(reader)
    _private_link(reader)
    blueprint = Blueprint(service, cluster, reader, ip_address_type, secured, tuple(siblings))
    listeners = _listeners(blueprint)
    refusals = tuple(reader.refused.values())
    return NetworkLoadBalancer(scheme, ip_address_type, source_nat, attributes, listeners, refusals)


def reader_of(service: Service, cluster: Cluster) -> Reader:
    """Whose reading of the annotations counts."""
    return Reader.AUTO_MODE if owner(service, cluster) is Ownership.AUTO_MODE else Reader.LBC


def merges_tcp_udp(service: Service, cluster: Cluster) -> bool:
    """Whether TCP and UDP of one number share a listener; an unparsable value counts as none."""
    written = gosyntax.parse_bool(service.aws("enable-tcp-udp-listener") or "")
    return cluster.gate("EnableTCPUDPListener", default=False) if written is None else written


def _choice(reader: AnnotationReader, name: str, legal: tuple[str, ...], code: str, says: str) -> str:
    """One of a few words, the first being the default."""
    written = reader.text(name, legal[0])
    if written in legal:
        return written
    reader.refuse_annotation(code, name, f"{says}{written}")
    return legal[0]


def _scheme(reader: AnnotationReader, cluster: Cluster) -> str:
    if reader.given("scheme"):
        return _choice(reader, "scheme", ("internal", "internet-facing"), "UDPLB611", "unknown scheme: ")
    internal = reader.boolean("internal")
    if internal is None:
        return cluster.default_scheme
    return "internal" if internal else "internet-facing"


def _attributes(reader: AnnotationReader) -> dict[str, str]:
    attributes = dict(reader.pairs("attributes"))
    policy = attributes.get("dns_record.client_routing_policy")
    if policy is not None and policy not in ROUTING_POLICIES:
        says = (
            "invalid dns_record.client_routing_policy set in annotation aws-load-balancer-attributes: "
            f"got '{policy}' expected one of {list(ROUTING_POLICIES)}"
        )
        reader.refuse_annotation("UDPLB607", "attributes", says)
    if reader.boolean("access-log-enabled"):
        attributes["access_logs.s3.enabled"] = "true"
        for part in ("bucket", "prefix"):
            name = "access-log-s3-bucket-name" if part == "bucket" else "access-log-s3-bucket-prefix"
            if reader.given(name):
                attributes[f"access_logs.s3.{part}"] = reader.text(name)
    cross_zone = reader.boolean("cross-zone-load-balancing-enabled")
    if cross_zone is not None:
        attributes[CROSS_ZONE] = "true" if cross_zone else "false"
    return attributes


def _capacity(reader: AnnotationReader) -> None:
    for unit, value in reader.pairs("minimum-load-balancer-capacity").items():
        if unit != "CapacityUnits":
            says = f"invalid key to set the capacity: {unit}, Expected key: CapacityUnits"
            reader.refuse_annotation("UDPLB641", "minimum-load-balancer-capacity", says)
        elif gosyntax.parse_int64(value) is None:
            says = f"invalid value to set the capacity: {value}"
            reader.refuse_annotation("UDPLB641", "minimum-load-balancer-capacity", says)


def _security_groups(
    reader: AnnotationReader, service: Service, cluster: Cluster, ip_address_type: str
) -> bool:
    """Whether the load balancer has any."""
    if reader.boolean("disable-nlb-sg") or not cluster.gate("NLBSecurityGroup", default=True):
        return False
    if reader.items("security-groups"):
        reader.boolean("manage-backend-security-group-rules")
        return True
    reader.pairs("additional-resource-tags")  # of the group that the controller makes, before its rules
    reads_both = reader.reader is Reader.LBC
    written = gosyntax.parse_list(service.annotations.get(SOURCE_RANGES, "")) if reads_both else ()
    where = "spec.loadBalancerSourceRanges" if service.source_ranges else annotation_field(SOURCE_RANGES)
    for cidr in service.source_ranges or written:
        if ":" in cidr and ip_address_type != "dualstack":
            reader.refuse("UDPLB661", where, f"unsupported v6 cidr {cidr} when lb is not dualstack", cidr)
    return True


def _name(reader: AnnotationReader) -> None:
    if len(reader.text("name").encode(errors="surrogatepass")) > NAME_LIMIT:
        says = f"load balancer name cannot be longer than {NAME_LIMIT} characters"
        reader.refuse_annotation("UDPLB612", "name", says)


def _private_link(reader: AnnotationReader) -> None:
    name = "inbound-sg-rules-on-private-link-traffic"
    if reader.text(name, "on") not in ("on", "off"):
        says = (
            f"Invalid value for securityGroupsInboundRulesOnPrivateLink status: {reader.text(name)}, "
            "value must be one of [on, off]"
        )
        reader.refuse_annotation("UDPLB740", name, says)


def _listeners(blueprint: Blueprint) -> tuple[Listener, ...]:
    service, reader = blueprint.service, blueprint.reader
    merged = merges_tcp_udp(service, blueprint.cluster)
    by_number: dict[int, list[ServicePort]] = {}
    for port in service.ports:
        by_number.setdefault(port.port, []).append(port)
    if merged:
        for ports in by_number.values():
            _check_merge(reader, ports)
    known = {word for port in service.ports for word in (port.name, str(port.port))}
    unused = [word for word in reader.items("ssl-ports") or () if word not in known]
    if unused:
        reader.refuse_annotation(
            "UDPLB310", "ssl-ports", f"Unused port in ssl-ports annotation [{' '.join(unused)}]"
        )
    entries = [(port, port.protocol) for port in service.ports]
    if merged:
        entries = [
            (ports[0], "TCP_UDP" if len(ports) > 1 else ports[0].protocol) for ports in by_number.values()
        ]
    upgrades = _upgrades(reader)
    built: dict[int, Listener] = {}
    for port, protocol in entries:
        # Without merging, the second entry of a number is built and then dropped without a word.
        listener = _listener(blueprint, upgrades, port, protocol)
        built.setdefault(port.port, listener)
    return tuple(built.values())


def _check_merge(reader: AnnotationReader, ports: list[ServicePort]) -> None:
    if len(ports) == 1:
        return
    protocols = [port.protocol for port in ports]
    says = ""
    if len(ports) > 2:
        says = f"can only merge two ports, not {len(ports)}"
    elif foreign := [protocol for protocol in protocols if protocol not in ("TCP", "UDP")]:
        says = f"unsupported protocol for merging: {foreign[0]}"
    elif protocols[0] == protocols[1]:
        says = f"protocols can't match for merging: {protocols[0]}"
    if says:
        reader.refuse("UDPLB304", "spec.ports", says, str(ports[0].port))


@dataclass(frozen=True, slots=True)
class _Upgrades:
    """Which ports become TLS or QUIC; where no port is named, every TCP port becomes TLS."""

    certificate: bool
    tls_ports: frozenset[str]
    to_targets: bool
    """TLS goes on to the targets."""
    quic_ports: frozenset[str]


def _upgrades(reader: AnnotationReader) -> _Upgrades:
    return _Upgrades(
        bool(reader.items("ssl-cert")),
        frozenset(reader.items("ssl-ports") or ()),
        reader.text("backend-protocol") == "ssl",
        frozenset(reader.items("quic-enabled-ports") or ()),
    )


def _protocols(
    reader: AnnotationReader, upgrades: _Upgrades, port: ServicePort, protocol: str
) -> tuple[str, str]:
    """The listener's and the target group's protocol, after TLS and QUIC have had their say."""
    words = {port.name, str(port.port)}
    listener = group = protocol
    if (
        upgrades.certificate
        and protocol not in ("UDP", "TCP_UDP")
        and (not upgrades.tls_ports or upgrades.tls_ports & words)
    ):
        listener = "TLS"
        group = "TLS" if upgrades.to_targets else protocol
    if upgrades.quic_ports & words:
        upgrade = {"UDP": "QUIC", "TCP_UDP": "TCP_QUIC"}
        if listener in upgrade:
            listener = group = upgrade[listener]
        else:
            says = f"Unsupported QUIC upgrade for protocol {listener}"
            reader.refuse_annotation("UDPLB311", "quic-enabled-ports", says)
    return listener, group


def _listener(blueprint: Blueprint, upgrades: _Upgrades, port: ServicePort, protocol: str) -> Listener:
    reader = blueprint.reader
    protocol, group_protocol = _protocols(reader, upgrades, port, protocol)
    action = actions.forward(blueprint, protocol, port.port)
    groups = [build_target_group(blueprint, port, group_protocol)]
    if action is not None:
        others = actions.backends(blueprint, action, protocol)
        groups.extend(build_weighted_group(blueprint, other) for other in others)
    if protocol == "TLS" and reader.text("alpn-policy", "None") not in ALPN_POLICIES:
        says = f"invalid ALPN policy {reader.text('alpn-policy')}, policy must be one of [{', '.join(ALPN_POLICIES)}]"
        reader.refuse_annotation("UDPLB340", "alpn-policy", says)
    reader.pairs(f"listener-attributes.{protocol}-{port.port}")
    return Listener(port.port, protocol, tuple(groups))
