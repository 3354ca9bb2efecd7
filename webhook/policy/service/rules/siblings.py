"""L and R: what the other load balancers of the namespace mean for this one."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.demand import demand
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import SERVED, owner
from webhook.policy.service.rules.refused import at


def same_name(facts: Facts) -> Iterator[Fault]:
    name = facts.read("name")
    for other in facts.siblings if name else ():
        if other.aws("name") == name and owner(other, facts.cluster) in SERVED and not other.deleting:
            reason = (
                f"Service {other.name} has this name already, and one of the two would lose its listeners"
            )
            yield at(facts, "name", reason, "write another name, or put the ports of both into one Service")
            return


def same_pods(facts: Facts) -> Iterator[Fault]:
    """Only where nobody looks at the pods themselves."""
    asked = demand(facts.service, facts.cluster, facts.model) if facts.new and facts.siblings else None
    if facts.cluster.sees_pods or asked is None or not asked.probed:
        return
    mine = frozenset(facts.service.selector.items())
    for other in facts.siblings:
        theirs = demand(other, facts.cluster)
        if theirs is None or not theirs.udp or set(asked.probed) <= set(theirs.probed):
            continue
        if frozenset(other.selector.items()) <= mine or mine <= frozenset(other.selector.items()):
            reason = f"Service {other.name} selects the same pods, and those that run have a sidecar for its ports only"
            yield Fault("spec.selector", reason, "roll the pods in the order of docs/adopting.md")
            return


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB614",
        Severity.REJECT,
        "Two Services with one load balancer's name",
        "AWS knows one load balancer of a name. At best the second Service is never served; with matching tags it has "
        "been seen to take over the first one's load balancer and to delete its listeners.",
        "LBC issue 2844",
        same_name,
    ),
    Rule(
        "UDPLB909",
        Severity.WARN,
        "Two Services on the same pods",
        "A pod's sidecar answers for all Services that exist when the pod is made. One that comes later needs new "
        "pods. With the setting rbac.listPods udplb counts those that lack a port.",
        "docs/adopting.md",
        same_pods,
    ),
)
