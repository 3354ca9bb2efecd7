"""What we set on a UDP load balancer so that its targets can be healthy: `defaults`.

Never scheme, subnets, addresses or names: exposure to the internet is the user's word alone. What the
user wrote is kept wherever it can work.
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Cluster, Namespace, Owner
from webhook.policy.finding import Action, Edit
from webhook.policy.service.build import CROSS_ZONE, merges_tcp_udp
from webhook.policy.service.load_balancer import TRAFFIC_PORT
from webhook.policy.service.objects import Service, ServicePort
from webhook.policy.service.owners import Ownership, intended_owner, load_balancer_class, owner

CLASS, TARGET_TYPE, LISTENER = "UDPLB100", "UDPLB200", "UDPLB300"
CHECK, CROSS_ZONE_CODE, FAMILIES, TRAFFIC_POLICY = "UDPLB400", "UDPLB600", "UDPLB650", "UDPLB750"

DEPRECATED = "cross-zone-load-balancing-enabled"
SOURCE_NAT = "enable-prefix-for-ipv6-source-nat"
SHORT_INTERVALS = range(5, 10)
"""Seconds that AWS takes as an interval, but not beside LBC's default timeout of 10."""


def defaults(service: Service, namespace: Namespace, cluster: Cluster) -> tuple[Edit, ...]:
    """The edits that a new UDP load balancer needs; none where it has them already.

    With instance targets a class is all that is set: the kube-proxy health port answers, not a sidecar.
    Where the legacy controller keeps the Service nothing is: it reads some of our keys, and has no ip targets.
    """
    kept = frozenset(gosyntax.parse_list(service.annotations.get(keys.KEEP, "")))
    wanted = tuple(edit for edit in _class(service, namespace, cluster) if edit.path[-1] not in kept)
    if not _asks_for_nodes(service) and (wanted or owner(service, cluster) is not Ownership.LEGACY):
        wanted = (*wanted, *_for_ip_targets(service, namespace, cluster))
    return tuple(edit for edit in wanted if edit.path[-1] not in kept)


def _asks_for_nodes(service: Service) -> bool:
    """The user asks for instance targets, exactly spelt, and nothing overrides it."""
    return service.aws("nlb-target-type") == "instance" and not (
        service.load_balancer_class is None and service.aws("type") == "nlb-ip"
    )


def twins(service: Service) -> Iterator[tuple[ServicePort, ServicePort]]:
    """The pairs of one TCP and one UDP port that share a number."""
    for udp in service.udp_ports:
        for other in service.ports:
            if other.protocol == "TCP" and other.port == udp.port:
                yield other, udp


def _may_share_a_target(tcp: ServicePort, udp: ServicePort) -> bool:
    """The same target port, or two of which a name may turn out to be the same number."""
    named = isinstance(tcp.target_port, str) or isinstance(udp.target_port, str)
    return named or tcp.target_port == udp.target_port


def switches_cross_zone(service: Service) -> dict[str, str]:
    """Where the user spoke of cross-zone balancing, by field, and what was written."""
    spoken: dict[str, str] = {}
    attributes = gosyntax.parse_map(service.aws("attributes") or "")
    if attributes and CROSS_ZONE in attributes:
        spoken["attributes"] = attributes[CROSS_ZONE]
    old = gosyntax.parse_bool(service.aws(DEPRECATED) or "")
    if old is not None:
        spoken[DEPRECATED] = "true" if old else "false"
    groups = gosyntax.parse_map(service.aws("target-group-attributes") or "")
    if groups and groups.get(CROSS_ZONE) == "false":
        spoken["target-group-attributes"] = "false"
    return spoken


def _annotate(code: str, name: str, value: str) -> Edit:
    return Edit(code, ("metadata", "annotations", keys.aws(name)), value, says=f"would be set to {value}")


def _class(service: Service, namespace: Namespace, cluster: Cluster) -> tuple[Edit, ...]:
    meant = intended_owner(service, namespace, cluster)
    if service.load_balancer_class is not None or meant is None:
        return ()
    value = load_balancer_class(meant, cluster)
    return (Edit(CLASS, ("spec", "loadBalancerClass"), value, says=f"would be set to {value}"),)


def _for_ip_targets(service: Service, namespace: Namespace, cluster: Cluster) -> Iterator[Edit]:
    auto_mode = _served_by(service, namespace, cluster) is Owner.AUTO_MODE
    if service.aws("nlb-target-type") is None:
        yield _annotate(TARGET_TYPE, "nlb-target-type", "ip")
    if service.aws("healthcheck-protocol") is None:
        yield _annotate(CHECK, "healthcheck-protocol", "tcp")
    if service.aws("healthcheck-port") is None or _names_the_only_port(service):
        yield _annotate(CHECK, "healthcheck-port", TRAFFIC_PORT)
    interval = gosyntax.parse_int32(service.aws("healthcheck-interval") or "")
    if cluster.check_interval is not None and _says_no_times(service):
        interval = cluster.check_interval
        yield _annotate(CHECK, "healthcheck-interval", str(interval))
    if interval in SHORT_INTERVALS and service.aws("healthcheck-timeout") is None:
        yield _annotate(CHECK, "healthcheck-timeout", str(interval))
    if cluster.cross_zone:
        yield from _cross_zone(service, auto_mode)
    if _can_merge(service, cluster, auto_mode):
        yield _annotate(LISTENER, "enable-tcp-udp-listener", "true")
    yield from _families(service, cluster)
    if service.external_traffic_policy != "Local":
        path = ("spec", "externalTrafficPolicy")
        yield Edit(TRAFFIC_POLICY, path, "Local", says="would be set to Local")


def _says_no_times(service: Service) -> bool:
    return service.aws("healthcheck-interval") is None and service.aws("healthcheck-timeout") is None


def _names_the_only_port(service: Service) -> bool:
    """An empty check port is the name of an unnamed port, which then is checked by accident."""
    return service.aws("healthcheck-port") == "" and [port.name for port in service.ports] == [""]


def _served_by(service: Service, namespace: Namespace, cluster: Cluster) -> Owner | None:
    by_ownership = {Ownership.LBC: Owner.LBC, Ownership.AUTO_MODE: Owner.AUTO_MODE}
    return by_ownership.get(owner(service, cluster)) or intended_owner(service, namespace, cluster)


def _cross_zone(service: Service, auto_mode: bool) -> Iterator[Edit]:
    spoken = switches_cross_zone(service)
    if "false" in spoken.values() or "attributes" in spoken or (spoken and not auto_mode):
        return
    merged = gosyntax.merge_pair(service.aws("attributes") or "", CROSS_ZONE, "true")
    if merged is not None:
        yield _annotate(CROSS_ZONE_CODE, "attributes", merged)
        if spoken:
            path = ("metadata", "annotations", keys.aws(DEPRECATED))
            yield Edit(CROSS_ZONE_CODE, path, action=Action.REMOVE, says="would move into the attributes")


def _can_merge(service: Service, cluster: Cluster, auto_mode: bool) -> bool:
    pairs = tuple(twins(service))
    return (
        bool(pairs)
        and service.aws("enable-tcp-udp-listener") is None
        and not merges_tcp_udp(service, cluster)
        and (not auto_mode or cluster.auto_mode_tcp_udp)
        and all(_may_share_a_target(tcp, udp) for tcp, udp in pairs)
    )


def _families(service: Service, cluster: Cluster) -> Iterator[Edit]:
    becomes_ipv6 = cluster.ipv6 and not service.ip_families
    address_type = service.aws("ip-address-type")
    if becomes_ipv6 and address_type is None:
        address_type = "dualstack"
        yield _annotate(FAMILIES, "ip-address-type", address_type)
    if address_type == "dualstack" and service.aws(SOURCE_NAT) is None:
        yield _annotate(FAMILIES, SOURCE_NAT, "on")
