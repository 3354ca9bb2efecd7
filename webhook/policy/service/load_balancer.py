"""The network load balancer that a controller builds of a Service, in AWS's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TRAFFIC_PORT = "traffic-port"
"""Each target is probed on the port on which it was registered."""

UDP_PROTOCOLS = frozenset({"UDP", "TCP_UDP", "QUIC", "TCP_QUIC"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Where the controller gives up, with its own words; `code` is the rule that explains it."""

    code: str
    field: str
    value: str
    says: str


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A target group's check: `port` is a number or `traffic-port`; times in seconds."""

    protocol: str
    port: int | str
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int
    path: str | None = None
    success_codes: str | None = None


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """`port` is the group's nominal port; targets are registered on `target_port` of each pod."""

    protocol: str
    target_type: str
    port: int
    target_port: int | str
    ip_address_type: str
    health_check: HealthCheck
    attributes: Mapping[str, str]
    service: str = ""
    """Another Service that a weighted action forwards to; empty for the Service itself."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One port of the load balancer; several target groups where the traffic is weighted."""

    port: int
    protocol: str
    target_groups: tuple[TargetGroup, ...]


@dataclass(frozen=True, slots=True)
class NetworkLoadBalancer:
    """What would be built, as far as it can be, and why it cannot, in the controller's order."""

    scheme: str = ""
    ip_address_type: str = ""
    source_nat: str = "off"
    attributes: Mapping[str, str] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def target_groups(self) -> Iterator[TargetGroup]:
        return (group for listener in self.listeners for group in listener.target_groups)
