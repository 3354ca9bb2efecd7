"""What a load balancer asks of the pods that it selects: the facts that pod decisions stand on.

A Demand is made once for each cached Service, not once for each review, so that a pod's decision costs
the same beside ten Services and beside ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
    instance: bool = False
    """Targets are nodes: the load balancer never probes a pod."""
    udp: bool = False
    """A UDP load balancer in our scope; without it only `tcp` counts."""
    drain_delay: int = 300
    """The target groups' deregistration delay, in seconds."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod of these labels is behind the Service; an empty selector selects nothing."""
        return bool(self.selector) and all(labels.get(key) == value for key, value in self.selector.items())


class LookupFailed(Exception):
    """The live list gave no answer; `reason` is the skip: `lookup_failed` or `lookup_limited`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
