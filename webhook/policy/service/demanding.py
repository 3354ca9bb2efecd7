"""From a Service to what it asks of the pods behind it: the model, seen from the pod's side."""

from __future__ import annotations

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Cluster
from webhook.policy.service.build import build
from webhook.policy.service.demand import Demand
from webhook.policy.service.load_balancer import TRAFFIC_PORT, UDP_PROTOCOLS
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import Ownership, owner

DELAY = "deregistration_delay.timeout_seconds"
DEFAULT_DELAY = 300


def demand(service: Service, cluster: Cluster) -> Demand | None:
    """What the load balancer asks of its pods; None where it is none, or selects nothing.

    A foreign, legacy or opted-out Service asks nothing, but its TCP target ports are still in use.
    """
    if service.type != "LoadBalancer" or not service.selector:
        return None
    tcp = tuple(dict.fromkeys(port.target_port for port in service.ports if port.protocol == "TCP"))
    ours = owner(service, cluster) not in (Ownership.FOREIGN, Ownership.LEGACY)
    if not service.udp_ports or not ours or service.annotations.get(keys.INJECT) == "false":
        return Demand(service.name, service.selector, tcp=tcp)
    groups = [
        group
        for group in build(service, cluster).target_groups
        if group.protocol in UDP_PROTOCOLS and not group.service
    ]
    if any(group.target_type == "instance" for group in groups):
        return Demand(service.name, service.selector, tcp=tcp, instance=True, udp=True)
    checks = {group.health_check.port for group in groups}
    explicit = next((port for port in checks if isinstance(port, int)), 0)
    targets = tuple(dict.fromkeys(port.target_port for port in service.udp_ports))
    delay = (gosyntax.parse_map(service.aws("target-group-attributes") or "") or {}).get(DELAY, "")
    return Demand(
        service=service.name,
        selector=service.selector,
        probed=targets if TRAFFIC_PORT in checks else tuple(port for port in targets if port == explicit),
        elsewhere=() if TRAFFIC_PORT in checks else tuple(port for port in targets if port != explicit),
        check_port=explicit,
        tcp=tcp,
        udp=True,
        drain_delay=gosyntax.parse_int32(delay) or DEFAULT_DELAY,
    )
