"""U: changes of a live Service that take it from its controller."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Finding, Rule, Severity, annotation_field
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import SERVED, Ownership
from webhook.policy.service.rules.refused import at

BESIDE = "to have it, create a new Service and move clients"


def leaks_the_old_one(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or before.ownership is not Ownership.LEGACY:
        return
    if facts.ownership in SERVED:
        reason = (
            "the legacy controller would leave its live load balancer behind, for ever, "
            "and a second one would be built"
        )
        yield at(facts, "type", reason, BESIDE)


def deletes_the_live_one(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or not before.service.live or before.ownership not in SERVED:
        return
    if facts.service.type == "LoadBalancer" and facts.ownership not in SERVED:
        names = ("type", "nlb-target-type")
        changed = [name for name in names if facts.service.aws(name) != before.service.aws(name)]
        field = annotation_field(keys.aws(changed[0])) if changed else "spec.loadBalancerClass"
        value = facts.service.aws(changed[0]) or "" if changed else ""
        reason = "the controller would no longer own this Service and would delete its live load balancer"
        yield Fault(field, reason, "put it back; to move the Service, create a new one first", value)


def another_type_for_the_legacy_controller(facts: Facts) -> Iterator[Fault]:
    """A classic load balancer, or the legacy NLB, whose type word comes, goes or changes."""
    before = facts.before
    if before is None or not before.service.has_ingress or before.service.load_balancer_class is not None:
        return
    if facts.service.aws("type") == before.service.aws("type"):
        return
    if before.ownership is Ownership.NOBODY or (
        before.ownership is Ownership.LEGACY and facts.ownership not in SERVED
    ):
        reason = (
            "the legacy controller cannot change the type of its live load balancer: "
            "it fails for ever, or forgets the old one"
        )
        yield at(facts, "type", reason, f"put it back; {BESIDE}")


def another_class(service: Service, before: Service) -> Iterator[Fault]:
    """Known without a model; what the update merely dropped has been put back by then."""
    was, becomes = before.load_balancer_class, service.load_balancer_class
    if becomes is not None and becomes != was:
        reason = (
            f"the class of a Service cannot {'be added later' if was is None else f'change from {was}'}: "
            "the API server refuses it"
        )
        fix = f"{'remove it' if was is None else f'write {was}'}; {BESIDE}"
        yield Fault("spec.loadBalancerClass", reason, fix, becomes)


def class_changed(service: Service, before: Service | None) -> tuple[Finding, ...]:
    """The same for a Service that would end with another vendor's class, of which nothing else is said."""
    faults = another_class(service, before) if before is not None else ()
    return tuple(
        Finding(CLASS.code, CLASS.severity, fault.field, fault.reason, fault.fix, fault.value)
        for fault in faults
    )


def _class_of(facts: Facts) -> Iterator[Fault]:
    return another_class(facts.service, facts.before.service) if facts.before is not None else iter(())


CLASS: Rule[Facts] = Rule(
    "UDPLB805",
    Severity.REJECT,
    "The class of a Service cannot change",
    "spec.loadBalancerClass is given when a Service becomes a load balancer and stays. Where an update merely drops "
    "it, udplb puts it back.",
    "API server validateLoadBalancerClassField",
    _class_of,
)

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
        "UDPLB803",
        Severity.REJECT,
        "The type of a live load balancer cannot change",
        "The legacy controller refuses another type annotation once it has built a load balancer, and one that "
        "names another controller makes it forget what it built.",
        "legacy controller aws_validations.go",
        another_type_for_the_legacy_controller,
    ),
    CLASS,
)
