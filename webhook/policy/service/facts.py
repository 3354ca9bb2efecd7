"""Everything that a rule may look at: one request, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from webhook.policy import gosyntax
from webhook.policy.cluster import Cluster, Namespace, Owner
from webhook.policy.finding import Edit
from webhook.policy.service.annotations import Reader, read_by, short_names
from webhook.policy.service.build import merges_tcp_udp
from webhook.policy.service.defaults import switches_cross_zone, twins
from webhook.policy.service.load_balancer import NetworkLoadBalancer
from webhook.policy.service.objects import Service, ServicePort
from webhook.policy.service.owners import SERVED, Ownership
from webhook.policy.service.sight import Sight


@dataclass(frozen=True)
class Facts:
    """A Service as the client wrote it, as it will be with our edits, and what becomes of it.

    `before` holds the old object in the same surroundings; None on CREATE, and on the update that turns a
    Service into a load balancer. `missing` holds, in the validating webhook, what we would set and the
    final object lacks.
    """

    service: Service
    written: Service
    namespace: Namespace
    cluster: Cluster
    model: NetworkLoadBalancer
    ownership: Ownership
    siblings: tuple[Service, ...] = ()
    edits: tuple[Edit, ...] = ()
    missing: tuple[Edit, ...] = ()
    before: Facts | None = None
    pods: Sight | None = None
    """The pods behind it; None in the mutating webhook, which looks at none."""
    new: bool = False
    """The load balancer comes into being by this request."""
    _pairs: dict[str, Mapping[str, str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def targets_nodes(self) -> bool:
        """The model has instance targets, whatever stands in the annotation."""
        return any(group.target_type == "instance" for group in self.model.target_groups)

    @cached_property
    def reader(self) -> Reader:
        """Whose reading of the annotations counts."""
        return Reader.AUTO_MODE if self.ownership is Ownership.AUTO_MODE else Reader.LBC

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """AWS's, by their short names, whoever reads them."""
        return short_names(self.service.annotations)

    @cached_property
    def merges(self) -> bool:
        """TCP and UDP of one number share a listener."""
        return merges_tcp_udp(self.service, self.cluster)

    @cached_property
    def twins(self) -> tuple[tuple[ServicePort, ServicePort], ...]:
        """The pairs of one TCP and one UDP port that share a number."""
        return tuple(twins(self.service))

    @cached_property
    def cross_zone(self) -> Mapping[str, str]:
        """Where the user spoke of cross-zone balancing, and what was written."""
        return switches_cross_zone(self.service)

    def pairs(self, name: str) -> Mapping[str, str]:
        """An AWS annotation as a map, whoever reads it; empty where it is absent or does not parse."""
        if name not in self._pairs:
            self._pairs[name] = gosyntax.parse_map(self.annotations.get(name, "")) or {}
        return self._pairs[name]

    def read(self, name: str) -> str | None:
        """An AWS annotation by its short name, if the controller of this Service looks at it."""
        return self.annotations.get(name) if read_by(name, self.reader) else None

    def items(self, name: str) -> tuple[str, ...]:
        """The same, as a comma list."""
        return gosyntax.parse_list(self.read(name) or "")

    @cached_property
    def running(self) -> Facts | None:
        """The old object, where its load balancer is live and stays with a controller that we serve."""
        before = self.before
        if before is None or not before.service.live or not {self.ownership, before.ownership} <= SERVED:
            return None
        return before

    @property
    def early(self) -> bool:
        """What depends on pods is left to the validating webhook, which has them in sight."""
        return self.pods is None and self.cluster.sees_pods

    def refuses(self, *codes: str) -> bool:
        """Whether the controller stops at one of these rules, so that nothing of the object takes effect."""
        return any(refusal.code in codes for refusal in self.model.refusals)

    @property
    def meant_for(self) -> Owner | None:
        return {Ownership.LBC: Owner.LBC, Ownership.AUTO_MODE: Owner.AUTO_MODE}.get(self.ownership)
