"""What a client's PUT dropped comes back: `restore`.

A manifest that is applied again does not hold what we wrote. A key of ours returns only where the old
object held exactly the value that we would write and the new one has none; anything else is the user's
word. The class always returns: the API server refuses to let it change.
"""

from __future__ import annotations

from webhook.policy import gosyntax
from webhook.policy.finding import Edit
from webhook.policy.service.build import CROSS_ZONE
from webhook.policy.service.defaults import CLASS, CROSS_ZONE_CODE, defaults
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import SERVED


def restore(before: Facts, new: Service) -> tuple[Edit, ...]:
    """The edits that put back what the update dropped without meaning to."""
    old = before.service
    ours: tuple[Edit, ...] = ()
    if old.is_udp_load_balancer and _was_ours(before):
        wanted = defaults(new, before.namespace, before.cluster)
        ours = tuple(edit for edit in wanted if edit.code != CLASS and _held(old, edit))
    dropped = old.load_balancer_class
    if dropped is None or new.load_balancer_class is not None:
        return ours
    return (Edit(CLASS, ("spec", "loadBalancerClass"), dropped, says=f"would be kept as {dropped}"), *ours)


def _was_ours(before: Facts) -> bool:
    """Only a load balancer with ip targets, of a controller we serve, can hold what we wrote."""
    return before.ownership in SERVED and not before.targets_nodes


def _held(old: Service, edit: Edit) -> bool:
    if edit.path == ("spec", "externalTrafficPolicy"):
        return old.external_traffic_policy == edit.value
    held = old.annotations.get(str(edit.path[-1]))
    if edit.code == CROSS_ZONE_CODE:
        return (gosyntax.parse_map(held or "") or {}).get(CROSS_ZONE) == "true"
    return held == edit.value
