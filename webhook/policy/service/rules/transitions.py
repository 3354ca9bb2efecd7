"""U: changes of a live load balancer that leak it, delete it or break it."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.facts import Facts
from webhook.policy.service.owners import Ownership
from webhook.policy.service.rules.refused import at

OWNED = (Ownership.LBC, Ownership.AUTO_MODE)


def leaks_the_old_one(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or before.ownership is not Ownership.LEGACY:
        return
    if facts.ownership in OWNED:
        reason = (
            "the legacy controller would leave its live load balancer behind, never to be deleted, "
            "and a second one with another DNS name would be built"
        )
        yield at(facts, "type", reason, "create a new Service beside this one, move clients, delete this one")


def deletes_the_live_one(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or before.ownership not in OWNED:
        return
    if facts.service.type == "LoadBalancer" and facts.ownership not in OWNED:
        names = ("type", "nlb-target-type")
        changed = [name for name in names if facts.service.aws(name) != before.service.aws(name)]
        field = annotation_field(keys.aws(changed[0])) if changed else "spec.loadBalancerClass"
        value = facts.service.aws(changed[0]) or "" if changed else ""
        reason = "the controller would no longer own this Service and would delete its live load balancer"
        yield Fault(field, reason, "put it back; to move the Service, create a new one first", value)


def to_instance_targets(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or not {facts.ownership, before.ownership} <= set(OWNED):
        return
    was = {group.target_type for group in before.model.target_groups}
    becomes = {group.target_type for group in facts.model.target_groups}
    if was == {"ip"} and becomes == {"instance"}:
        reason = "every target group would be replaced by one of nodes, which no sidecar answers for"
        yield at(facts, "nlb-target-type", reason, "write ip")


def another_scheme(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or not {facts.ownership, before.ownership} <= set(OWNED):
        return
    written = [name for name in ("scheme", "internal") if facts.service.aws(name) is not None]
    refused = any(refusal.code in ("UDPLB603", "UDPLB611") for refusal in before.model.refusals)
    if written and not refused and facts.model.scheme != before.model.scheme:
        silent = before.service.aws("scheme") is None and before.service.aws("internal") is None
        fix = "create a second Service with the new scheme and move clients"
        if silent:
            fix += f'; if it is {facts.model.scheme} already, annotate {keys.ALLOW}: "UDPLB814"'
        reason = (
            f"the live load balancer {'was made' if silent else 'is'} {before.model.scheme}"
            f"{' unless told otherwise' if silent else ''}; another scheme replaces it, "
            "with another DNS name and addresses"
        )
        yield at(facts, written[0], reason, fix)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB801",
        Severity.REJECT,
        "A live load balancer of the legacy controller would leak",
        "When the type annotation leaves the legacy controller's words, it forgets its load balancer, on deletion "
        "too: it goes on running and costing, and its security group rules stay.",
        "legacy controller aws.go; Kubernetes issues 95042, 66306; cloud-provider-aws issue 1254",
        leaks_the_old_one,
    ),
    Rule(
        "UDPLB802",
        Severity.REJECT,
        "A live load balancer would be deleted",
        "A Service without a class belongs to the AWS Load Balancer Controller by its annotations. When they change, "
        "it deletes the load balancer and clears the status.",
        "LBC controllers/service/service_controller.go",
        deletes_the_live_one,
    ),
    Rule(
        "UDPLB807",
        Severity.REJECT,
        "A live Service would leave ip targets",
        "Target groups are replaced; the new ones start empty and are checked on UDP node ports.",
        "LBC pkg/deploy/elbv2/target_group_synthesizer.go",
        to_instance_targets,
    ),
    Rule(
        "UDPLB814",
        Severity.REJECT,
        "A live load balancer would be replaced",
        "The scheme cannot change in place: the old load balancer is deleted, deletion protection or not.",
        "LBC pkg/deploy/elbv2/load_balancer_synthesizer.go",
        another_scheme,
    ),
)
