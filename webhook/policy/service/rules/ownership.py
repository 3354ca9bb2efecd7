"""O: who builds the load balancer."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import AUTO_MODE_CLASS, Cluster
from webhook.policy.finding import Fault, Finding, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import LBC_TYPES, Ownership, intended_owner
from webhook.policy.service.rules.refused import at

CLASS_FIELD = "spec.loadBalancerClass"


def no_class(facts: Facts) -> Iterator[Fault]:
    known = intended_owner(facts.service, facts.namespace, facts.cluster)
    kept = "loadBalancerClass" in gosyntax.parse_list(facts.written.annotations.get(keys.KEEP, ""))
    if facts.new and known and facts.service.load_balancer_class is None and not kept:
        reason = "no class is set, so no controller that serves UDP takes this Service"
        yield Fault(CLASS_FIELD, reason, "apply again; if it stays, another webhook removes the class")


def type_says_otherwise(facts: Facts) -> Iterator[Fault]:
    written = facts.service.aws("type")
    if facts.new and written is not None and facts.ownership is Ownership.AUTO_MODE:
        reason = f"EKS Auto Mode does not read it; the class decides, so {written!r} means nothing"
        yield at(facts, "type", reason, "remove the annotation")
    elif facts.new and facts.ownership is Ownership.LBC and written not in (None, *LBC_TYPES):
        reason = f"the class decides who serves this Service, so {written!r} means nothing"
        yield at(facts, "type", reason, "remove the annotation, or write external")


def scheme_of_the_legacy_controller(facts: Facts) -> Iterator[Fault]:
    silent = facts.service.aws("scheme") is None and facts.service.aws("internal") is None
    if facts.new and silent and facts.service.aws("type") == "nlb" and facts.model.scheme == "internal":
        reason = (
            "the legacy controller made this load balancer internet-facing; "
            "the controller that takes it now makes it internal"
        )
        fix = f"write {keys.aws('scheme')}: internet-facing or internal"
        yield at(facts, "type", reason, fix)


def not_served(facts: Facts) -> Iterator[Fault]:
    if facts.new or facts.ownership not in (Ownership.LEGACY, Ownership.NOBODY):
        return
    who = {
        Ownership.LEGACY: "the legacy controller serves it with instance targets, whose UDP ports no check can see",
        Ownership.NOBODY: "no controller serves its UDP ports",
    }[facts.ownership]
    fix = "to have it served with health checks, delete it and create it again (its address changes)"
    yield Fault(CLASS_FIELD, f"{who}; a class cannot be added to a Service that exists", fix)


def nobody_known(facts: Facts) -> Iterator[Fault]:
    known = intended_owner(facts.service, facts.namespace, facts.cluster)
    if facts.new and known is None and facts.service.load_balancer_class is None:
        reason = (
            "neither the AWS Load Balancer Controller nor EKS Auto Mode was found alone, so no class is set"
        )
        fix = (
            f"set udplb's setting owner, label the namespace {keys.OWNER}: lbc or auto-mode, "
            f"or write the class ({facts.cluster.lbc_class} or {AUTO_MODE_CLASS})"
        )
        yield Fault(CLASS_FIELD, reason, fix)


def foreign_class(service: Service, cluster: Cluster) -> Finding:
    """The one word about a Service that belongs to another vendor's controller."""
    written = service.load_balancer_class or ""
    return Finding(
        FOREIGN.code,
        FOREIGN.severity,
        CLASS_FIELD,
        f"{written!r} belongs to another controller, so udplb leaves this Service alone",
        f'for an NLB write {cluster.lbc_class} or {AUTO_MODE_CLASS}; else annotate {keys.INJECT}: "false"',
        written,
    )


def _said_elsewhere(facts: Facts) -> tuple[Fault, ...]:  # noqa: ARG001
    return ()


FOREIGN: Rule[Facts] = Rule(
    "UDPLB105",
    Severity.WARN,
    "The class belongs to another controller",
    "Neither the AWS Load Balancer Controller nor EKS Auto Mode acts on a Service of a class that is not theirs, "
    "whatever its annotations say. udplb changes nothing there.",
    "LBC pkg/service/service_utils.go",
    _said_elsewhere,
)

RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB101",
        Severity.REJECT,
        "No controller takes the Service",
        "Without a class, or with type: external beside no target type that is spelt exactly ip or instance, "
        "nobody builds a load balancer for UDP: the legacy controller tries a Classic ELB, which has no UDP, or "
        "stands aside without an event. A class can only be given when the Service is created.",
        "LBC pkg/service/service_utils.go; legacy controller aws.go; API server validateLoadBalancerClassField",
        no_class,
    ),
    Rule(
        "UDPLB104",
        Severity.WARN,
        "The type annotation contradicts the class",
        "A Service with a class belongs to that class. The type annotation is then read by no controller, but by "
        "people, whom it misleads.",
        "LBC pkg/service/service_utils.go",
        type_says_otherwise,
    ),
    FOREIGN,
    Rule(
        "UDPLB107",
        Severity.WARN,
        "The load balancer becomes internal",
        "type: nlb without a scheme was internet-facing under the legacy controller. The AWS Load Balancer "
        "Controller and Auto Mode make it internal unless told otherwise, and the scheme of a load balancer cannot "
        "be changed without replacing it.",
        "LBC model_build_load_balancer.go; legacy controller aws_loadbalancer.go",
        scheme_of_the_legacy_controller,
    ),
    Rule(
        "UDPLB140",
        Severity.WARN,
        "The owner of new load balancers is not known",
        "udplb asks the API server's discovery which controller is installed. With both or neither it sets no "
        "class, because a wrong one can never be changed.",
        "API server discovery",
        nobody_known,
    ),
    Rule(
        "UDPLB142",
        Severity.WARN,
        "The Service is served by nobody who can check UDP",
        "A Service that exists cannot change its controller: the class is immutable and the type annotation of a "
        "live load balancer must not change. udplb leaves it as it is.",
        "API server validateLoadBalancerClassField; LBC docs/guide/service/annotations.md",
        not_served,
    ),
)
