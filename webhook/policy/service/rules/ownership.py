"""O: who builds the load balancer."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.cluster import AUTO_MODE_CLASS, Cluster
from webhook.policy.finding import Fault, Finding, Rule, Severity, annotation_field
from webhook.policy.service.annotations import SOURCE_RANGES, Reader
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import Service
from webhook.policy.service.owners import LBC_TYPES, LEGACY_TYPE, Ownership, intended_owner, owner
from webhook.policy.service.rules.refused import at

CLASS_FIELD = "spec.loadBalancerClass"
TYPES = (*LBC_TYPES, LEGACY_TYPE)
_AS_ATTRIBUTES = f"write access_logs.s3.* in {keys.aws('attributes')}"
AUTO_MODE_INSTEAD = {
    keys.aws("internal"): f"write {keys.aws('scheme')}",
    keys.aws("proxy-protocol"): f"write proxy_protocol_v2.enabled in {keys.aws('target-group-attributes')}",
    keys.aws("access-log-enabled"): _AS_ATTRIBUTES,
    keys.aws("access-log-s3-bucket-name"): _AS_ATTRIBUTES,
    keys.aws("access-log-s3-bucket-prefix"): _AS_ATTRIBUTES,
    keys.aws("cross-zone-load-balancing-enabled"): (
        f"write load_balancing.cross_zone.enabled in {keys.aws('attributes')}"
    ),
    SOURCE_RANGES: "write spec.loadBalancerSourceRanges",
}
"""What AWS lists as not supported under Auto Mode, and the supported spelling of it."""


def no_class(facts: Facts) -> Iterator[Fault]:
    known = intended_owner(facts.service, facts.namespace, facts.cluster)
    if facts.new and known and facts.service.load_balancer_class is None and not _keeps_no_class(facts):
        reason = "no class is set, so no controller that serves UDP takes this Service"
        yield Fault(CLASS_FIELD, reason, "apply again; if it stays, another webhook removes the class")


def _keeps_no_class(facts: Facts) -> bool:
    return "loadBalancerClass" in gosyntax.parse_list(facts.written.annotations.get(keys.KEEP, ""))


def unknown_type(facts: Facts) -> Iterator[Fault]:
    written = facts.service.aws("type")
    if facts.new and written is not None and written not in TYPES and facts.reader is not Reader.AUTO_MODE:
        legal = ", ".join(TYPES)
        reason = f"{written!r} is no type and is read as none: the words are {legal}, in lower case"
        yield at(facts, "type", reason, "remove the annotation: the class decides who serves this Service")


def type_says_otherwise(facts: Facts) -> Iterator[Fault]:
    written = facts.service.aws("type")
    if facts.new and written is not None and facts.ownership is Ownership.AUTO_MODE:
        reason = f"EKS Auto Mode does not read it; the class decides, so {written!r} means nothing"
        yield at(facts, "type", reason, "remove the annotation")
    elif facts.new and facts.ownership is Ownership.LBC and written == LEGACY_TYPE:
        reason = f"the class decides who serves this Service, so {written!r} means nothing"
        yield at(facts, "type", reason, "remove the annotation, or write external")


def unsupported_by_auto_mode(facts: Facts) -> Iterator[Fault]:
    if facts.ownership is not Ownership.AUTO_MODE:
        return
    for key, instead in AUTO_MODE_INSTEAD.items():
        written = facts.service.annotations.get(key)
        if written is not None:
            reason = "EKS Auto Mode does not support it, so it has no effect"
            yield Fault(annotation_field(key), reason, f"{instead} instead", written)


def switched_off(facts: Facts) -> Iterator[Fault]:
    acts = facts.cluster.gate("EnableServiceController", default=True)
    if facts.new and facts.ownership is Ownership.LBC and not acts:
        reason = "the AWS Load Balancer Controller was started without its Service controller, so nobody acts on it"
        yield Fault(
            CLASS_FIELD, reason, "start it with EnableServiceController=true", facts.cluster.lbc_class
        )


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
    chosen = facts.new and facts.ownership is Ownership.LEGACY and _keeps_no_class(facts)
    if facts.ownership not in (Ownership.LEGACY, Ownership.NOBODY) or (facts.new and not chosen):
        return
    who = {
        Ownership.LEGACY: "the legacy controller serves it by nodes, whose UDP ports no check can see",
        Ownership.NOBODY: "no controller serves its UDP ports",
    }[facts.ownership]
    if chosen:
        yield Fault(
            CLASS_FIELD, who, f"take loadBalancerClass out of {keys.KEEP} to have udplb give it a class"
        )
        return
    fix = "to have it checked, delete it and create it again (its address changes)"
    yield Fault(CLASS_FIELD, f"{who}; no class can be added to it now", fix)


def nobody_known(facts: Facts) -> Iterator[Fault]:
    known = intended_owner(facts.service, facts.namespace, facts.cluster)
    if facts.new and known is None and facts.service.load_balancer_class is None:
        reason = "not exactly one controller was found, so no class is set"
        fix = (
            f"set udplb's owner, label the namespace {keys.OWNER}: lbc or auto-mode, "
            f"or write {facts.cluster.lbc_class} or {AUTO_MODE_CLASS}"
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


def no_load_balancer(service: Service, cluster: Cluster) -> tuple[Finding, ...]:
    """The one word about a Service of another type that the controller takes by its annotations all the same."""
    only_type = cluster.gate("ServiceTypeLoadBalancerOnly", default=False)
    taken = service.load_balancer_class is None and owner(service, cluster) is Ownership.LBC
    if service.type == "LoadBalancer" or not service.udp_ports or not taken or only_type:
        return ()
    finding = Finding(
        OTHER_TYPE.code,
        OTHER_TYPE.severity,
        "spec.type",
        f"the controller builds a load balancer for this {service.type} Service by its annotations, "
        "and then fails for ever at writing the status",
        f"write type: LoadBalancer, or remove {keys.aws('type')}",
        service.type,
    )
    return (finding,)


def _said_elsewhere(_facts: Facts) -> tuple[Fault, ...]:
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

OTHER_TYPE: Rule[Facts] = Rule(
    "UDPLB115",
    Severity.WARN,
    "A load balancer for a Service that is none",
    "The AWS Load Balancer Controller goes by class and annotations, not by spec.type. The API server refuses an "
    "address in the status of another type, so the load balancer exists and nobody is told its name.",
    "LBC pkg/service/service_utils.go; API server, validation of Service status",
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
        "UDPLB103",
        Severity.WARN,
        "The type annotation is misspelt",
        "Controllers compare it exactly: another word, or another case, counts as none. With a class it means "
        "nothing anyhow, but it misleads people.",
        "LBC pkg/service/service_utils.go; legacy controller aws_loadbalancer.go",
        unknown_type,
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
        "UDPLB106",
        Severity.REJECT,
        "EKS Auto Mode does not support the annotation",
        "AWS lists these annotations as not supported under Auto Mode. What they ask for (an internal scheme, allowed "
        "client addresses, cross-zone balancing) is silently not done, and each has another spelling that is.",
        "EKS user guide, auto-configure-nlb",
        unsupported_by_auto_mode,
    ),
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
    OTHER_TYPE,
    Rule(
        "UDPLB116",
        Severity.WARN,
        "The controller's Service part is switched off",
        "With the gate EnableServiceController off (lbc.featureGates) nobody reconciles Services of its class.",
        "LBC pkg/config/feature_gates.go",
        switched_off,
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
