"""What a load balancer asks of the pods that it selects: the facts that pod decisions stand on.

A Demand is made once for each cached Service, not once for each review, so that a pod's decision costs
the same beside ten Services and beside ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import Cluster
from webhook.policy.service.build import build, merges_tcp_udp
from webhook.policy.service.defaults import twins
from webhook.policy.service.load_balancer import TRAFFIC_PORT, UDP_PROTOCOLS, NetworkLoadBalancer
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import Ownership, owner

DELAY = "deregistration_delay.timeout_seconds"
DEFAULT_DELAY = 300


@dataclass(frozen=True, slots=True)
class Demand:
    """One load balancer, as the pods behind it see it.

    A target port is a number, or the name of a container port that each pod resolves for itself.
    """

    service: str
    selector: Mapping[str, str]
    probed: tuple[int | str, ...] = ()
    """UDP target ports whose targets are probed over TCP on their own number: these need a listener."""
    elsewhere: tuple[int | str, ...] = ()
    """UDP target ports whose targets are probed on an explicit check port instead."""
    check_port: int = 0
    """That explicit port, 0 without one."""
    tcp: tuple[int | str, ...] = ()
    """TCP target ports: the application answers there itself."""
    twins: tuple[tuple[int | str, int | str], ...] = ()
    """Differing TCP and UDP target ports of one listener, which has one target group: a name may hide one number."""
    instance: bool = False
    """Targets are nodes: the load balancer never probes a pod."""
    udp: bool = False
    """A UDP load balancer in our scope; without it only `tcp` counts."""
    drain_delay: int = 300
    """The target groups' deregistration delay, in seconds."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod of these labels is behind the Service; an empty selector selects nothing."""
        return bool(self.selector) and all(labels.get(key) == value for key, value in self.selector.items())


def demand(service: Service, cluster: Cluster, model: NetworkLoadBalancer | None = None) -> Demand | None:
    """What the load balancer asks of its pods; None where it is none, or selects nothing.

    A foreign, legacy or opted-out Service asks nothing, but its TCP target ports are still in use. `model`
    is what `build` makes of it, where that is known.
    """
    if service.type != "LoadBalancer" or not service.selector:
        return None
    tcp = tuple(dict.fromkeys(port.target_port for port in service.ports if port.protocol == "TCP"))
    ours = owner(service, cluster) not in (Ownership.FOREIGN, Ownership.LEGACY)
    if not service.udp_ports or not ours or service.annotations.get(keys.INJECT) == "false":
        return Demand(service.name, service.selector, tcp=tcp)
    groups = [
        group
        for group in (model or build(service, cluster)).target_groups
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
        twins=_differing_twins(service, cluster),
        udp=True,
        drain_delay=gosyntax.parse_int32(delay) or DEFAULT_DELAY,
    )


def _differing_twins(service: Service, cluster: Cluster) -> tuple[tuple[int | str, int | str], ...]:
    if not merges_tcp_udp(service, cluster):
        return ()
    pairs = ((tcp.target_port, udp.target_port) for tcp, udp in twins(service))
    return tuple(pair for pair in pairs if pair[0] != pair[1])


class LookupFailed(Exception):
    """The live list gave no answer; `reason` is the skip: `lookup_failed` or `lookup_limited`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
