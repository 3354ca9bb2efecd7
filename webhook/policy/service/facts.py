"""Everything that a rule may look at: one request, parsed once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from webhook.policy.cluster import Cluster, Namespace, Owner
from webhook.policy.finding import Edit
from webhook.policy.service.build import build
from webhook.policy.service.load_balancer import NetworkLoadBalancer
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import Ownership, owner


@dataclass(frozen=True, slots=True)
class Facts:
    """A Service as the client wrote it, as it will be with our edits, and what becomes of it.

    `old` is None on CREATE, and on the update that turns a Service into a load balancer. `missing`
    holds, in the validating webhook, what we would set and the final object lacks.
    """

    service: Service
    written: Service
    old: Service | None
    namespace: Namespace
    cluster: Cluster
    model: NetworkLoadBalancer
    ownership: Ownership
    siblings: tuple[Service, ...] = ()
    edits: tuple[Edit, ...] = ()
    missing: tuple[Edit, ...] = ()
    new: bool = field(default=False)
    """The load balancer comes into being by this request."""

    def of(self, other: Service) -> Facts:
        """The same surroundings around another object, without a past and without edits."""
        return replace(
            self,
            service=other,
            written=other,
            old=None,
            model=build(other, self.cluster, self.siblings),
            ownership=owner(other, self.cluster),
            edits=(),
            missing=(),
            new=False,
        )

    @property
    def targets_nodes(self) -> bool:
        """The model has instance targets, whatever stands in the annotation."""
        return any(group.target_type == "instance" for group in self.model.target_groups)

    @property
    def before(self) -> Facts | None:
        """The old object in the same surroundings."""
        return None if self.old is None else self.of(self.old)

    @property
    def meant_for(self) -> Owner | None:
        return {Ownership.LBC: Owner.LBC, Ownership.AUTO_MODE: Owner.AUTO_MODE}.get(self.ownership)
