"""Everything that a rule may look at: one request, parsed once."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.policy.cluster import Cluster, Namespace, Owner
from webhook.policy.finding import Edit
from webhook.policy.service.load_balancer import NetworkLoadBalancer
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import Ownership


@dataclass(frozen=True, slots=True)
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
    new: bool = False
    """The load balancer comes into being by this request."""

    @property
    def targets_nodes(self) -> bool:
        """The model has instance targets, whatever stands in the annotation."""
        return any(group.target_type == "instance" for group in self.model.target_groups)

    @property
    def meant_for(self) -> Owner | None:
        return {Ownership.LBC: Owner.LBC, Ownership.AUTO_MODE: Owner.AUTO_MODE}.get(self.ownership)
